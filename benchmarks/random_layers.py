"""Layers of no network, drawn at random: what choices that were fitted to suites have not seen.

Channels are spread evenly on a logarithmic scale, most of them multiples of eight; maps, kernels,
strides and dilations are those that networks use, in combinations that they need not. Layers whose
work would exceed a few thousand million multiply-adds get fewer channels.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

from .problem import Problem
from .suites import Layer

_Draw = Callable[[random.Random], Problem]


def _channels(r: random.Random, low: int, high: int) -> int:
    count = round(2 ** r.uniform(math.log2(low), math.log2(high)))
    return count if r.random() < 0.3 else max(8, count // 8 * 8)


def _bounded(channels: int, outputs: int, per_pair: float, most: float) -> tuple[int, int]:
    """Halve both numbers of channels until the work is at most ``most``."""
    while channels * outputs * per_pair > most and (channels, outputs) != (8, 8):
        channels, outputs = max(8, channels // 2), max(8, outputs // 2)
    return channels, outputs


def _dense(r: random.Random) -> Problem:
    k, s = r.choice([1, 1, 3, 3, 3, 5, 7]), r.choice([1, 1, 1, 2])
    d = r.choice([1, 1, 1, 2, 3, 6]) if k > 1 else 1
    h = r.choice([7, 9, 13, 14, 19, 26, 31, 40, 52, 64, 80, 104])
    w = h if r.random() < 0.6 else max(5, int(h * r.uniform(0.6, 1.6)))
    n = r.choice([1, 1, 1, 2, 4, 8])
    c, o = _channels(r, 8, 768), _channels(r, 8, 768)
    c, o = _bounded(c, o, n * h * w * k * k / s / s, 6e9)
    bias = r.random() < 0.5
    options = {"stride": s, "dilation": d, "padding": d * (k // 2)}
    return Problem("dense", "conv2d", (n, c, h, w), (o, c, k, k), bias, options)


def _first(r: random.Random) -> Problem:
    k, s = r.choice([3, 4, 5, 7]), r.choice([1, 2, 2, 4])
    h, c = r.choice([96, 128, 160, 200, 256, 299]), r.choice([1, 2, 3, 4, 6])
    n, o = r.choice([1, 1, 4]), r.choice([16, 24, 32, 48, 64, 96])
    options = {"stride": s, "padding": k // 2}
    return Problem("first", "conv2d", (n, c, h, h), (o, c, k, k), True, options)


def _depthwise(r: random.Random) -> Problem:
    k, s = r.choice([3, 3, 5, 7, 9]), r.choice([1, 1, 2])
    h, d = r.choice([7, 10, 14, 20, 28, 40, 56, 80, 112]), r.choice([1, 1, 2, 4])
    c, n = _channels(r, 16, 960), r.choice([1, 1, 4])
    c, _ = _bounded(c, 8, n * h * h * k * k / 8, 3e8)
    bias = r.random() < 0.5
    options = {"stride": s, "dilation": d, "padding": d * (k // 2), "groups": c}
    return Problem("depthwise", "conv2d", (n, c, h, h), (c, 1, k, k), bias, options)


def _grouped(r: random.Random) -> Problem:
    g, c = r.choice([2, 3, 4, 8, 16, 32]), r.choice([2, 4, 6, 8, 12, 16, 24, 32])
    o, h = r.choice([c, c, 2 * c]), r.choice([7, 14, 20, 28, 40, 56])
    k, s, n = r.choice([1, 3, 3, 5]), r.choice([1, 1, 2]), r.choice([1, 2, 8])
    bias = r.random() < 0.5
    options = {"stride": s, "padding": k // 2, "groups": g}
    return Problem("grouped", "conv2d", (n, g * c, h, h), (g * o, c, k, k), bias, options)


def _signal(r: random.Random) -> Problem:
    k, d, s = r.choice([1, 3, 5, 7, 15, 31]), r.choice([1, 1, 2, 4, 8, 32]), r.choice([1, 1, 2])
    n, length = r.choice([1, 1, 4]), r.choice([100, 333, 800, 1500, 4000, 10000])
    c, o = _channels(r, 8, 512), _channels(r, 8, 512)
    c, o = _bounded(c, o, n * length * k, 4e9)
    options = {"stride": s, "dilation": d, "padding": d * (k // 2)}
    return Problem("signal", "conv1d", (n, c, length), (o, c, k), True, options)


def _volume(r: random.Random) -> Problem:
    k, s = r.choice([1, 3, 3, 3, 5]), r.choice([1, 1, 2])
    t, h = r.choice([4, 8, 12, 16]), r.choice([10, 14, 24, 32, 48])
    c, o = _channels(r, 8, 256), _channels(r, 8, 256)
    n, bias = r.choice([1, 1, 2]), r.random() < 0.5
    c, o = _bounded(c, o, n * t * h * h * k**3 / s**3, 5e9)
    options = {"stride": s, "padding": k // 2}
    return Problem("volume", "conv3d", (n, c, t, h, h), (o, c, k, k, k), bias, options)


def _transposed(r: random.Random) -> Problem:
    k, s, pad = r.choice([(2, 2, 0), (3, 2, 1), (4, 2, 1), (3, 1, 1), (5, 2, 2), (4, 4, 0)])
    h, n = r.choice([4, 7, 8, 13, 20, 32, 48, 64]), r.choice([1, 1, 4])
    c, o = _channels(r, 8, 512), _channels(r, 8, 384)
    c, o = _bounded(c, o, n * h * h * k * k, 4e9)
    bias = r.random() < 0.5
    options = {"stride": s, "padding": pad}
    return Problem("transposed", "conv_transpose2d", (n, c, h, h), (c, o, k, k), bias, options)


def _pooling(r: random.Random) -> Problem:
    k, n = r.choice([2, 2, 3, 3, 5]), r.choice([1, 2, 8])
    s, h = r.choice([k, 2, 1, k]), r.choice([13, 14, 27, 28, 50, 56, 75, 112])
    op, c = r.choice(["max_pool2d", "avg_pool2d"]), _channels(r, 16, 512)
    options = {"kernel_size": k, "stride": s, "padding": r.choice([0, k // 2])}
    return Problem("pooling", op, (n, c, h, h), options=options)


def _gradient(r: random.Random) -> Problem:
    draw = r.choice([_dense, _dense, _depthwise, _grouped, _signal, _volume, _transposed])
    problem, wanted = draw(r), r.choice(["x", "weight"])
    return replace(problem, name=f"{problem.name}.{wanted}", bias=False, gradient=wanted)


# How often each kind is drawn.
_KINDS: dict[str, tuple[_Draw, int]] = {
    "random, dense": (_dense, 8),
    "random, first": (_first, 2),
    "random, depthwise": (_depthwise, 3),
    "random, grouped": (_grouped, 3),
    "random, signal": (_signal, 3),
    "random, volume": (_volume, 3),
    "random, transposed": (_transposed, 3),
    "random, pooling": (_pooling, 2),
    "random, gradients": (_gradient, 5),
}


def random_layers(count: int, seed: int) -> tuple[Layer, ...]:
    """Draw layers; the same for the same seed.

    Args:
        count: How many.
        seed: Start of the random numbers.

    Returns:
        Layers whose ``suite`` is their kind, sorted by kind.
    """
    r = random.Random(seed)
    kinds = r.choices(list(_KINDS), [weight for _, weight in _KINDS.values()], k=count)
    layers = []
    for i, kind in enumerate(kinds):
        problem = _KINDS[kind][0](r)
        layers.append(Layer(kind, replace(problem, name=f"{problem.name}_{i}")))
    return tuple(sorted(layers, key=lambda layer: list(_KINDS).index(layer.suite)))
