"""A network of ``fastconv.nn`` as a list of operations: what other libraries' forms are made of."""

from __future__ import annotations

from dataclasses import dataclass

from fastconv import nn
from fastconv.nn._module import Shape


@dataclass(frozen=True)
class Node:
    """One operation at inference.

    Attributes:
        kind: "input", "layer", "add" (of both inputs) or "concatenate" (along the channels).
        layer: What a "layer" is; dropout, identity and poolings that
            change nothing do not occur.
        inputs: Positions in the list of the nodes whose results it takes.
        shape: Shape of its result.
    """

    kind: str
    layer: nn.Module | None
    inputs: tuple[int, ...]
    shape: Shape


def trace(net: nn.Module, x_shape: Shape) -> list[Node]:
    """Operations in the order in which they run; the first is the input, the last the output."""
    nodes = [Node("input", None, (), x_shape)]
    _visit(net, 0, nodes)
    return nodes


def _visit(module: nn.Module, at: int, nodes: list[Node]) -> int:
    """Append what the module computes from the result of node ``at``; return its result's node."""
    if isinstance(module, nn.Sequential):
        for child in module:
            at = _visit(child, at, nodes)
        return at
    if isinstance(module, nn.Block):
        return _visit(module.arrangement, at, nodes)
    if isinstance(module, nn.Identity | nn.Dropout):
        return at
    shape = module.output_shape(nodes[at].shape)
    if isinstance(module, nn.AdaptiveAvgPool2d) and shape == nodes[at].shape:
        return at
    if isinstance(module, nn.Residual):
        parts = tuple(_visit(part, at, nodes) for part in (module.body, module.shortcut))
        nodes.append(Node("add", None, parts, shape))
    elif isinstance(module, nn.Concat):
        parts = tuple(_visit(part, at, nodes) for part in module.branches)
        nodes.append(Node("concatenate", None, parts, shape))
    else:
        nodes.append(Node("layer", module, (at,), shape))
    return len(nodes) - 1


def multiply_adds(nodes: list[Node]) -> int:
    """Products of convolutions and dense layers, for the whole batch."""
    return sum(
        node.layer.multiply_adds(nodes[node.inputs[0]].shape)
        for node in nodes
        if isinstance(node.layer, nn.Conv2d | nn.Linear)
    )


class UnknownLayerError(Exception):
    """A library's form of a layer is not written."""

    def __init__(self, layer: nn.Module | None) -> None:
        super().__init__(f"no form of {type(layer).__name__} is written for this library")
