"""A network of ``fastconv.nn`` as an ONNX model with the same weights."""

from __future__ import annotations

from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fastconv import nn

from .graph import Node, UnknownLayerError, trace

_OPSET = 21
_ACTIVATIONS: dict[type[nn.Module], str] = {nn.ReLU: "Relu", nn.Sigmoid: "Sigmoid", nn.Tanh: "Tanh"}


def onnx_form(net: nn.Module, x_shape: tuple[int, ...]) -> onnx.ModelProto:
    """Return the model; its input is "0", its output "y".

    Raises:
        UnknownLayerError: A layer that no network of the benchmark has.
    """
    nodes = trace(net, x_shape)
    made: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    for index, node in enumerate(nodes[1:], 1):
        output = "y" if index == len(nodes) - 1 else str(index)
        inputs = [str(i) for i in node.inputs]
        if node.kind == "add":
            made.append(helper.make_node("Add", inputs, [output]))
        elif node.kind == "concatenate":
            made.append(helper.make_node("Concat", inputs, [output], axis=1))
        else:
            kind, arrays, attributes = _layer(node)
            for name, array in arrays.items():
                weights.append(numpy_helper.from_array(array, f"{index}.{name}"))
                inputs.append(f"{index}.{name}")
            made.append(helper.make_node(kind, inputs, [output], **attributes))
    graph = helper.make_graph(
        made,
        type(net).__name__,
        [helper.make_tensor_value_info("0", TensorProto.FLOAT, nodes[0].shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, nodes[-1].shape)],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10)


def _window(window: Any) -> dict[str, Any]:
    return {
        "kernel_shape": window.kernel,
        "strides": window.stride,
        "dilations": window.dilation,
        "pads": [lo for lo, _ in window.padding] + [hi for _, hi in window.padding],
    }


def _layer(node: Node) -> tuple[str, dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the operator, its weights in order, and its attributes."""
    layer = node.layer
    if isinstance(layer, nn.Conv2d | nn.Linear):
        arrays = {"weight": layer.weight.data}
        if layer.bias is not None:
            arrays["bias"] = layer.bias.data
        if isinstance(layer, nn.Linear):
            return "Gemm", arrays, {"transB": 1}
        return "Conv", arrays, {**_window(layer.window), "group": layer.groups}
    if isinstance(layer, nn.BatchNorm2d):
        state = layer.state_dict()
        names = ("weight", "bias", "running_mean", "running_var")
        return "BatchNormalization", {n: state[n] for n in names}, {"epsilon": layer.eps}
    if isinstance(layer, nn.MaxPool2d):
        return "MaxPool", {}, {**_window(layer.window), "ceil_mode": int(layer.ceil_mode)}
    if isinstance(layer, nn.AvgPool2d):
        return "AveragePool", {}, {**_window(layer.window), "count_include_pad": 1}
    if isinstance(layer, nn.AdaptiveAvgPool2d) and node.shape[2:] == (1, 1):
        return "GlobalAveragePool", {}, {}
    if isinstance(layer, nn.Flatten):
        return "Flatten", {}, {}
    if type(layer) in _ACTIVATIONS:
        return _ACTIVATIONS[type(layer)], {}, {}
    raise UnknownLayerError(layer)
