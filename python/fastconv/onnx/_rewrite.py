"""A graph made ready to be run many times.

What does not depend on the inputs is computed; convolutions with known weights become the planned
ones, taking in what follows them: BatchNormalization, Mul and Add of one number per channel, and
an activation.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from fastconv.onnx._attributes import is_float

_PLANNED = {"Conv": "PlannedConv", "ConvTranspose": "PlannedConvTranspose"}
_ACTIVATIONS = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "HardSwish": "hardswish"}
_RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli")
_RANDOM_TOO = ("Multinomial", "Dropout")
_FOLDED_AFTER = ("BatchNormalization", "Mul", "Add")

# From this IR version on an initializer that is also an input is only a default value.
_OVERRIDABLE = 4


class Constants(dict[str, Any]):
    """Arrays by name, and what is known to stay the same in every run."""


def rewrite(model: onnx.ModelProto, new_ops: list[Any]) -> onnx.ModelProto:
    """Return a model that computes the same; the given one stays as it is."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    known = _constants(made)
    nodes = _without_known(graph, known, made, new_ops)
    nodes = _planned(nodes, known, {output.name for output in graph.output})
    _replace(graph, nodes, known)
    made.opset_import.append(onnx.helper.make_opsetid("fastconv", 1))
    return made


def _constants(model: onnx.ModelProto) -> Constants:
    inputs = {given.name for given in model.graph.input}
    known = Constants()
    for initializer in model.graph.initializer:
        if model.ir_version < _OVERRIDABLE or initializer.name not in inputs:
            known[initializer.name] = numpy_helper.to_array(initializer)
    return known


def _without_known(
    graph: onnx.GraphProto, known: Constants, model: onnx.ModelProto, new_ops: list[Any]
) -> list[onnx.NodeProto]:
    """Compute nodes whose inputs are all known; return the others."""
    left = []
    for node in graph.node:
        has_graph = any(a.type in (a.GRAPH, a.GRAPHS) for a in node.attribute)
        inputs = [name for name in node.input if name]
        if (
            node.op_type in (*_RANDOM, *_RANDOM_TOO)
            or node.domain
            or has_graph
            or any(name not in known for name in inputs)
        ):
            left.append(node)
            continue
        known.update(_computed(node, {name: known[name] for name in inputs}, model, new_ops))
    return left


def _computed(
    node: onnx.NodeProto, feeds: dict[str, Any], model: onnx.ModelProto, new_ops: list[Any]
) -> dict[str, Any]:
    outputs = [name for name in node.output if name]
    values = [onnx.helper.make_empty_tensor_value_info(name) for name in (*feeds, *outputs)]
    graph = onnx.helper.make_graph([node], "constant", values[: len(feeds)], values[len(feeds) :])
    single = onnx.helper.make_model(graph, opset_imports=model.opset_import)
    results = ReferenceEvaluator(single, new_ops=new_ops).run(None, feeds)
    return dict(zip(outputs, results, strict=True))


def _planned(
    nodes: list[onnx.NodeProto], known: Constants, outputs: set[str]
) -> list[onnx.NodeProto]:
    """Turn convolutions with known weights into planned ones with what follows them."""
    uses = Counter(name for node in nodes for name in _names_used(node))
    consumer = {name: node for node in nodes for name in node.input}
    dropped: set[int] = set()
    made = []
    for node in nodes:
        if id(node) in dropped:
            continue
        if not _is_known_convolution(node, known):
            made.append(node)
            continue
        conv = onnx.NodeProto()
        conv.CopyFrom(node)
        conv.op_type, conv.domain = _PLANNED[node.op_type], "fastconv"
        while conv.output[0] not in outputs and uses[conv.output[0]] == 1:
            follower = consumer.get(conv.output[0])
            if follower is None or not _absorb(conv, follower, known):
                break
            dropped.add(id(follower))
            conv.output[0] = follower.output[0]
        made.append(conv)
    return made


def _names_used(node: onnx.NodeProto) -> list[str]:
    """Inputs of a node, and of the graphs inside it."""
    names = list(node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                names += _names_used(inner)
            names += [output.name for output in graph.output]
    return names


def _is_known_convolution(node: onnx.NodeProto, known: Constants) -> bool:
    if node.op_type not in _PLANNED or node.domain:
        return False
    if any(attribute.ref_attr_name for attribute in node.attribute):
        return False
    weights = [name for name in node.input[1:] if name]
    return all(name in known and is_float(known[name]) for name in weights)


def _absorb(conv: onnx.NodeProto, follower: onnx.NodeProto, known: Constants) -> bool:
    """Take a following node into the convolution, where that is possible."""
    has_activation = any(attribute.name == "activation" for attribute in conv.attribute)
    if has_activation or follower.domain:
        return False
    if follower.op_type in _ACTIVATIONS:
        name = _ACTIVATIONS[follower.op_type]
        conv.attribute.append(onnx.helper.make_attribute("activation", name))
        return True
    if follower.op_type not in _FOLDED_AFTER:
        return False
    weight = known[conv.input[1]]
    channels = _out_channels(conv, weight)
    steps = _scale_and_shift(follower, conv.output[0], channels, weight.ndim, known)
    if steps is None:
        return False
    scale, shift = steps
    has_bias = len(conv.input) > 2 and conv.input[2]
    bias = known[conv.input[2]] if has_bias else np.zeros(channels, weight.dtype)
    # Rounded once: the factors may be in float32 and nearly cancel.
    new_bias = (bias.astype(np.float64) * scale + shift).astype(weight.dtype)
    new_weight = (weight.astype(np.float64) * _over_weight(conv, weight, scale)).astype(
        weight.dtype
    )
    names = [f"{follower.output[0]}/fastconv/{part}" for part in ("weight", "bias")]
    known.update(zip(names, (new_weight, new_bias), strict=True))
    x = conv.input[0]
    del conv.input[:]
    conv.input.extend([x, *names])
    return True


def _groups(conv: onnx.NodeProto) -> int:
    return next((a.i for a in conv.attribute if a.name == "group"), 1)


def _out_channels(conv: onnx.NodeProto, weight: Any) -> int:
    is_transposed = conv.op_type == "PlannedConvTranspose"
    return int(weight.shape[1] * _groups(conv) if is_transposed else weight.shape[0])


def _over_weight(conv: onnx.NodeProto, weight: Any, scale: Any) -> Any:
    """Lay the factor of each output channel along the weight."""
    tail = (1,) * (weight.ndim - 2)
    if conv.op_type == "PlannedConv":
        return scale.reshape(-1, 1, *tail)
    groups = _groups(conv)
    per_group = scale.reshape(groups, 1, -1)
    inputs = np.broadcast_to(per_group, (groups, weight.shape[0] // groups, weight.shape[1]))
    return inputs.reshape(*weight.shape[:2], *tail)


def _scale_and_shift(
    node: onnx.NodeProto, conv_output: str, channels: int, ndim: int, known: Constants
) -> tuple[Any, Any] | None:
    """What a node multiplies each channel by, and adds to it, in float64; None if it does more."""
    others = [name for name in node.input if name != conv_output]
    if any(name not in known for name in others):
        return None
    values = [known[name].astype(np.float64) for name in others if is_float(known[name])]
    if len(values) != len(others):
        return None
    if node.op_type == "BatchNormalization":
        attributes = {a.name: a for a in node.attribute}
        if len(node.output) > 1 or node.input[0] != conv_output or len(values) != 4:
            return None
        if any(
            a.name in ("training_mode", "spatial") and a.i != (a.name == "spatial")
            for a in node.attribute
        ):
            return None
        epsilon = attributes["epsilon"].f if "epsilon" in attributes else 1e-5
        gamma, beta, mean, variance = values
        scale = gamma / np.sqrt(variance + epsilon)
        return scale, beta - mean * scale
    if len(values) != 1:
        return None
    shape = (1,) * max(ndim - values[0].ndim, 0) + values[0].shape
    per_channel = (1, channels, *[1] * (ndim - 2))
    if shape not in (per_channel, (1,) * ndim):
        return None
    number = np.broadcast_to(values[0].reshape(-1), (channels,))
    if node.op_type == "Mul":
        return number, np.zeros(channels)
    return np.ones(channels), number


def _replace(graph: onnx.GraphProto, nodes: list[onnx.NodeProto], known: Constants) -> None:
    """Put nodes and the known arrays that they need into the graph."""
    used = {name for node in nodes for name in _names_used(node)}
    used |= {output.name for output in graph.output}
    kept = [one for one in graph.initializer if one.name not in known]
    inputs = [given for given in graph.input if given.name not in known]
    for field, values in (
        (graph.node, nodes),
        (graph.input, inputs),
        (graph.initializer, kept),
    ):
        copies = list(values)
        del field[:]
        field.extend(copies)
    for name, array in known.items():
        if name in used:
            graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
