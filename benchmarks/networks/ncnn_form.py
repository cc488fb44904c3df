"""ncnn on whole networks, with normalisations folded and activations fused as its tools do it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastconv import nn

from ..contestant import DeclinedError, Prepared, Settings, not_held
from ..peers.ncnn_net import extraction, load_net, values_text
from .graph import Node, UnknownLayerError, trace
from .problem import NetworkArrays, NetworkProblem

# Its numbers of activations, as layers and as what a convolution or dense layer applies itself.
_ACTIVATIONS: dict[type[nn.Module], tuple[str, int]] = {
    nn.ReLU: ("ReLU", 1),
    nn.Sigmoid: ("Sigmoid", 4),
}


@dataclass
class _Line:
    """A layer to be: what it computes from which nodes' results."""

    kind: str
    inputs: tuple[int, ...]
    parameters: dict[int, Any]
    weight: NDArray[Any] | None = None
    bias: NDArray[Any] | None = None


class Ncnn:
    """A batch is a loop over its images, since ncnn has no batch axis."""

    key = "ncnn"
    title = "ncnn"
    distributions = ("ncnn",)

    def prepare(
        self, problem: NetworkProblem, arrays: NetworkArrays, settings: Settings
    ) -> Prepared:
        """Load the network, which packs or transforms its weights."""
        if problem.training:
            raise DeclinedError("does not train")
        not_held(settings)
        nodes = trace(arrays.net, (1, *problem.x_shape[1:]))
        lines, content, blobs = _written(_fused(nodes), len(nodes) - 1)
        run = extraction(load_net(lines, blobs, content, settings), arrays.x)

        def fetch(outputs: list[Any]) -> NDArray[Any]:
            if any(code != 0 for code, _ in outputs):
                raise DeclinedError("ncnn cannot run a layer of this network")
            return np.stack([np.array(mat).reshape(nodes[-1].shape[1:]) for _, mat in outputs])

        return Prepared(run, fetch)


def _fused(nodes: list[Node]) -> dict[int, _Line]:
    """Layers by the node whose result they make; what is folded into one takes its place."""
    made: dict[int, _Line] = {}
    users = [sum(i in node.inputs for node in nodes) for i in range(len(nodes))]
    for index, node in enumerate(nodes[1:], 1):
        before = made.get(node.inputs[0]) if users[node.inputs[0]] == 1 else None
        if before is not None and before.weight is not None and _absorbs(before, node.layer):
            made[index] = made.pop(node.inputs[0])
        else:
            made[index] = _line(node)
    return made


def _absorbs(line: _Line, layer: nn.Module | None) -> bool:
    if 9 in line.parameters:
        return False
    if isinstance(layer, nn.BatchNorm2d):
        scale, shift = layer.affine_map()
        assert line.weight is not None
        line.weight = line.weight * scale.reshape(-1, 1, 1, 1)
        line.bias = shift if line.bias is None else line.bias * scale + shift
        line.parameters[5] = 1
        return True
    if type(layer) in _ACTIVATIONS:
        line.parameters[9] = _ACTIVATIONS[type(layer)][1]
        return True
    return False


def _line(node: Node) -> _Line:
    layer, inputs = node.layer, node.inputs
    if node.kind == "add":
        return _Line("BinaryOp", inputs, {0: 0})
    if node.kind == "concatenate":
        return _Line("Concat", inputs, {0: 0})
    if isinstance(layer, nn.Linear):
        bias = None if layer.bias is None else layer.bias.data
        facts = {0: layer.out_features, 1: int(bias is not None), 2: layer.weight.data.size}
        return _Line("InnerProduct", inputs, facts, layer.weight.data, bias)
    if isinstance(layer, nn.Conv2d) and layer.groups == 1:
        bias = None if layer.bias is None else layer.bias.data
        facts = {0: layer.out_channels, 5: int(bias is not None), 6: layer.weight.data.size}
        facts |= _window(layer.window, (1, 11), (3, 13), ((4, 15), (14, 16)))
        return _Line("Convolution", inputs, facts, layer.weight.data, bias)
    if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
        facts = _window(layer.window, (1, 11), (2, 12), ((3, 14), (13, 15)))
        # Padding mode 0 rounds the output size up, 1 rounds it down.
        facts |= {0: int(isinstance(layer, nn.AvgPool2d)), 5: int(not layer.ceil_mode), 6: 1}
        return _Line("Pooling", inputs, facts)
    if isinstance(layer, nn.AdaptiveAvgPool2d) and node.shape[2:] == (1, 1):
        return _Line("Pooling", inputs, {0: 1, 4: 1})
    if isinstance(layer, nn.Flatten):
        return _Line("Flatten", inputs, {})
    if type(layer) in _ACTIVATIONS:
        return _Line(_ACTIVATIONS[type(layer)][0], inputs, {})
    raise UnknownLayerError(layer)


def _window(
    window: Any,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[tuple[int, int], tuple[int, int]],
) -> dict[int, Any]:
    """Numbered sizes of a window; the keys are those of width and height, before and after."""
    facts = dict(zip((*kernel, *stride), (*window.kernel[::-1], *window.stride[::-1]), strict=True))
    for keys, sides in zip(padding, window.padding[::-1], strict=True):
        facts |= dict(zip(keys, sides, strict=True))
    return facts


def _written(made: dict[int, _Line], last: int) -> tuple[list[str], bytes, int]:
    """Description, weights and number of blobs; a result with several users is split for them."""
    users: dict[int, int] = {}
    for line in made.values():
        for source in line.inputs:
            users[source] = users.get(source, 0) + 1
    lines: list[str] = []
    content: list[bytes] = []
    blobs = 1
    given: dict[int, int] = {}

    def copies(index: int) -> None:
        nonlocal blobs
        if users.get(index, 0) > 1:
            names = " ".join(f"{_blob(index, last)}_{i}" for i in range(users[index]))
            source = _blob(index, last)
            lines.append(f"Split split{index} 1 {users[index]} {source} {names}")
            blobs += users[index]

    def take(index: int) -> str:
        name = _blob(index, last)
        if users[index] == 1:
            return name
        given[index] = given.get(index, -1) + 1
        return f"{name}_{given[index]}"

    copies(0)
    for index, line in made.items():
        inputs = " ".join(map(take, line.inputs))
        values = values_text(line.parameters)
        name = _blob(index, last)
        lines.append(f"{line.kind} layer{index} {len(line.inputs)} 1 {inputs} {name} {values}")
        blobs += 1
        copies(index)
        if line.weight is not None:
            # A zero tag announces raw float32 weights; the bias follows without one.
            content += [struct.pack("<I", 0), np.ascontiguousarray(line.weight, "<f4").tobytes()]
            content += [] if line.bias is None else [line.bias.astype("<f4").tobytes()]
    return lines, b"".join(content), blobs


def _blob(index: int, last: int) -> str:
    return "in0" if index == 0 else "out0" if index == last else f"b{index}"
