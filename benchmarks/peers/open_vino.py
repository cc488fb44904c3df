"""OpenVINO's CPU plugin: one-operation model, latency hint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset14 as ops

from ..contestant import (
    DeclinedError,
    Prepared,
    Settings,
    as_convolution,
    as_image,
    forward_only,
    only_float32,
)
from ..problem import Arrays, Problem, geometry, output_shape

# What it computes in; its inputs and outputs stay float32.
_PRECISION = {"float32": "f32", "bfloat16": "bf16"}


def _grouped(weight: NDArray[Any], groups: int) -> NDArray[Any]:
    return weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])


def _convolution(problem: Problem, arrays: Arrays, x: Any) -> Any:
    g = geometry(problem)
    weight = arrays.weight
    assert weight is not None
    grouped = problem.groups > 1
    if grouped:
        weight = _grouped(weight, problem.groups)
    constant = ops.constant(weight)
    window = {"strides": g.stride, "pads_begin": g.pad_lo, "pads_end": g.pad_hi}
    if problem.is_transposed:
        function = ops.group_convolution_backprop_data if grouped else ops.convolution_backprop_data
        y = function(x, constant, dilations=g.dilation, output_padding=g.output_padding, **window)
    else:
        function = ops.group_convolution if grouped else ops.convolution
        y = function(x, constant, dilations=g.dilation, **window)
    if arrays.bias is None:
        return y
    return ops.add(y, ops.constant(arrays.bias.reshape(1, -1, *(1,) * problem.rank)))


def _pooling(problem: Problem, x: Any) -> Any:
    if problem.op.startswith("adaptive"):
        size = ops.constant(np.array(output_shape(problem)[-problem.rank :], np.int64))
        if "avg" in problem.op:
            return ops.adaptive_avg_pool(x, size)
        return ops.adaptive_max_pool(x, size, index_element_type="i32").output(0)
    g = geometry(problem)
    window = {"pads_begin": g.pad_lo, "pads_end": g.pad_hi, "kernel_shape": g.kernel}
    rounding = "ceil_torch" if problem.options.get("ceil_mode") else "floor"
    if problem.op.startswith("max_pool"):
        node = ops.max_pool(x, g.stride, g.dilation, **window, rounding_type=rounding)
        return node.output(0)
    if problem.op.startswith("avg_pool") and not problem.options.get("divisor_override"):
        excluded = not problem.options.get("count_include_pad", True)
        return ops.avg_pool(x, g.stride, **window, exclude_pad=excluded, rounding_type=rounding)
    raise DeclinedError(f"OpenVINO has no such {problem.op}")


def compile_model(
    core: openvino.Core, model: openvino.Model, x: NDArray[Any], settings: Settings
) -> tuple[Callable[[], None], Callable[[], NDArray[Any]]]:
    """Compile for latency; returns the call on x, and what reads its result."""
    try:
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": settings.threads,
                "INFERENCE_PRECISION_HINT": _PRECISION[settings.peer_dtype],
                "NUM_STREAMS": 1,
            },
        )
    except RuntimeError as error:
        raise DeclinedError(str(error).strip().splitlines()[-1]) from error
    request = compiled.create_infer_request()
    # The tensor shares memory with this array, which the closure keeps alive.
    x = np.ascontiguousarray(x)
    request.set_input_tensor(openvino.Tensor(x, shared_memory=True))

    def run(_keep: NDArray[Any] = x) -> None:
        request.infer(share_outputs=True)

    return run, lambda: np.array(request.get_output_tensor().data)


class OpenVino:
    """CPU plugin with a compiled one-operation model."""

    key = "openvino"
    title = "OpenVINO"
    distributions = ("openvino",)

    def __init__(self) -> None:
        self._core = openvino.Core()

    def prepare(self, problem: Problem, arrays: Arrays, settings: Settings) -> Prepared:
        """Compile for this shape; the input tensor shares the array's memory."""
        forward_only(problem)
        only_float32(settings)
        written, given = as_convolution(problem, arrays)
        parameter = ops.parameter(list(written.x_shape), np.float32)
        if given.weight is None:
            result = _pooling(written, parameter)
        else:
            result = _convolution(written, given, parameter)
        model = openvino.Model([result], [parameter])
        run, output = compile_model(self._core, model, given.x, settings)

        def fetch(_: Any) -> NDArray[Any]:
            return as_image(problem, output())

        return Prepared(run, fetch)
