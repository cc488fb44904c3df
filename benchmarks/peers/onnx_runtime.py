"""ONNX Runtime's CPU provider: one-node model, input and output bound to fixed memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ..contestant import (
    DeclinedError,
    Prepared,
    Settings,
    as_convolution,
    as_image,
    forward_only,
    not_held,
)
from ..problem import Arrays, Problem, geometry, output_shape

_OPSET = 21
_ELEMENT = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}


def _node(problem: Problem, arrays: Arrays) -> onnx.NodeProto:
    if problem.op.startswith("adaptive"):
        spatial = output_shape(problem)[-problem.rank :]
        if any(n != 1 for n in spatial):
            raise DeclinedError("ONNX has adaptive pooling to size 1 only")
        kind = "GlobalAveragePool" if "avg" in problem.op else "GlobalMaxPool"
        return helper.make_node(kind, ["x"], ["y"])
    g = geometry(problem)
    common: dict[str, Any] = {
        "kernel_shape": g.kernel,
        "strides": g.stride,
        "pads": [*g.pad_lo, *g.pad_hi],
    }
    if arrays.weight is not None:
        inputs = ["x", "w"] + ([] if arrays.bias is None else ["b"])
        common |= {"dilations": g.dilation, "group": problem.groups}
        if problem.is_transposed:
            common["output_padding"] = g.output_padding
        kind = "ConvTranspose" if problem.is_transposed else "Conv"
        return helper.make_node(kind, inputs, ["y"], **common)
    ceil: dict[str, Any] = {"ceil_mode": int(problem.options.get("ceil_mode", False))}
    if problem.op.startswith("max_pool"):
        return helper.make_node("MaxPool", ["x"], ["y"], dilations=g.dilation, **common, **ceil)
    if problem.op.startswith("avg_pool"):
        if problem.options.get("divisor_override"):
            raise DeclinedError("ONNX average pooling has no divisor override")
        counted = int(problem.options.get("count_include_pad", True))
        return helper.make_node(
            "AveragePool", ["x"], ["y"], count_include_pad=counted, **common, **ceil
        )
    if problem.op.startswith("lp_pool"):
        order = problem.options["norm_type"]
        if order != int(order):
            raise DeclinedError("ONNX takes whole norms only")
        return helper.make_node("LpPool", ["x"], ["y"], p=int(order), **common, **ceil)
    raise DeclinedError(f"ONNX has no {problem.op}")


def make_session(model: onnx.ModelProto, settings: Settings) -> onnxruntime.InferenceSession:
    """Load a model, with default graph optimisations; raises DeclinedError where that fails."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime raises its own, undocumented classes
        raise DeclinedError(str(error).splitlines()[0]) from error


def bind(
    session: onnxruntime.InferenceSession,
    given: tuple[str, NDArray[Any]],
    output: tuple[str, tuple[int, ...], str],
) -> tuple[Callable[[], None], Callable[[], NDArray[Any]]]:
    """Bind input and output to fixed memory; returns the call, and what reads its result."""
    name, shape, dtype = output
    binding = session.io_binding()
    x = onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(given[1]))
    y = onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(shape), np.dtype(dtype).type)
    binding.bind_ortvalue_input(given[0], x)
    binding.bind_ortvalue_output(name, y)

    def run() -> None:
        session.run_with_iobinding(binding)

    return run, y.numpy


class OnnxRuntime:
    """CPU execution provider, default graph optimisations."""

    key = "onnxruntime"
    title = "ONNX Runtime"
    distributions = ("onnxruntime", "onnx")

    def prepare(self, problem: Problem, arrays: Arrays, settings: Settings) -> Prepared:
        """Build and compile the model; bind both ends."""
        forward_only(problem)
        not_held(settings)
        if settings.dtype not in _ELEMENT:
            raise DeclinedError(f"its CPU provider has no {settings.dtype} convolution")
        written, given = as_convolution(problem, arrays)
        element = _ELEMENT[settings.dtype]
        shape = output_shape(written)
        weights = {"w": given.weight, "b": given.bias}
        graph = helper.make_graph(
            [_node(written, given)],
            problem.op,
            [helper.make_tensor_value_info("x", element, written.x_shape)],
            [helper.make_tensor_value_info("y", element, shape)],
            [numpy_helper.from_array(a, n) for n, a in weights.items() if a is not None],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10
        )
        session = make_session(model, settings)
        run, result = bind(session, ("x", given.x), ("y", shape, settings.dtype))

        def fetch(_: Any) -> Any:
            return as_image(problem, result())

        return Prepared(run, fetch)
