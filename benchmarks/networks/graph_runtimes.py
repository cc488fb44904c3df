"""ONNX Runtime and OpenVINO on whole networks, both from the same ONNX model."""

from __future__ import annotations

from typing import Any

import openvino

from ..contestant import DeclinedError, Prepared, Settings, not_held
from ..peers import onnx_runtime, open_vino
from .onnx_form import onnx_form
from .problem import NetworkArrays, NetworkProblem


def _inference_only(problem: NetworkProblem) -> None:
    if problem.training:
        raise DeclinedError("does not train")


class OnnxRuntime:
    """CPU execution provider, default graph optimisations."""

    key = "onnxruntime"
    title = "ONNX Runtime"
    distributions = ("onnxruntime", "onnx")

    def prepare(
        self, problem: NetworkProblem, arrays: NetworkArrays, settings: Settings
    ) -> Prepared:
        """Load the model; bind both ends."""
        _inference_only(problem)
        not_held(settings)
        model = onnx_form(arrays.net, problem.x_shape)
        shape = tuple(d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim)
        session = onnx_runtime.make_session(model, settings)
        run, result = onnx_runtime.bind(session, ("0", arrays.x), ("y", shape, "float32"))
        return Prepared(run, lambda _: result())


class OpenVino:
    """CPU plugin, latency hint."""

    key = "openvino"
    title = "OpenVINO"
    distributions = ("openvino",)

    def __init__(self) -> None:
        self._core = openvino.Core()

    def prepare(
        self, problem: NetworkProblem, arrays: NetworkArrays, settings: Settings
    ) -> Prepared:
        """Compile the model for this shape."""
        _inference_only(problem)
        content = onnx_form(arrays.net, problem.x_shape).SerializeToString()
        model: Any = self._core.read_model(content)
        run, result = open_vino.compile_model(self._core, model, arrays.x, settings)
        return Prepared(run, lambda _: result())
