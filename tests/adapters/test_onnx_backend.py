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
    "global_?lppool|maxunpool|col2im|lrn|softmax|batchnorm|Conv\\w*|MaxPool\\w*|AvgPool\\w*"
)
# In onnx 1.23; other versions have some more or fewer.
AT_LEAST = 140

_MODELS = (
    "bvlc_alexnet|densenet121|inception_v1|inception_v2|resnet50|shufflenet|squeezenet|vgg19|"
    "zfnet512"
)

_tests = BackendTest(Backend, __name__)
_tests.include(f"^test_({_OPERATORS})(_|$)")
_tests.include(f"^test_({_MODELS})_cpu$")
for _name, _case in _tests.test_cases.items():
    # Tests of other operators and devices are not skipped tests of these.
    for _test in [name for name in vars(_case) if name.startswith("test_")]:
        if getattr(getattr(_case, _test), "__unittest_skip__", False):
            delattr(_case, _test)
    globals()[_name] = _case


def test_all_of_them_were_found():
    found = [name for case in _tests.test_cases for name in dir(globals()[case])]
    assert len([name for name in found if name.startswith("test_")]) >= AT_LEAST
