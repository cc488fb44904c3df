"""ONNX's own tests of backends, for the operators that fastconv has."""

import os
import tempfile

import pytest

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'fastconv[onnx]'")

from onnx.backend.test import BackendTest  # noqa: E402  (needs onnx)

from fastconv.onnx import Backend  # noqa: E402

# The light models are written to this folder, with their expected outputs.
os.environ["ONNX_HOME"] = tempfile.mkdtemp(prefix="fastconv-onnx-")

_OPERATORS = (
    "basic_conv|conv|convtranspose|maxpool|averagepool|globalaveragepool|globalmaxpool|lppool|"
    "global_?lppool|maxunpool|col2im|lrn|Conv\\w*|MaxPool\\w*|AvgPool\\w*"
)
_MODELS = (
    "bvlc_alexnet|densenet121|inception_v1|inception_v2|resnet50|shufflenet|squeezenet|vgg19|"
    "zfnet512"
)

_tests = BackendTest(Backend, __name__)
_tests.include(f"^test_({_OPERATORS})(_|$)")
_tests.include(f"^test_({_MODELS})_cpu$")
_tests.exclude("_cuda$")
globals().update(_tests.test_cases)
