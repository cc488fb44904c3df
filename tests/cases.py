"""The list of problems that every kernel is tested on, and arrays to fill them with.

Sizes are small and chosen for the places where kernels break: around the widths of vectors and
register tiles, at the edges of padding, and where an axis is 1 or 0. A new algorithm adds its own
difficult sizes here.
"""

from __future__ import annotations

import math
import zlib
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastconv import _geometry
from fastconv.benchmarks.problem import Problem

ACTIVATIONS = ("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "gelu", "hardswish")
# One, and one less, equal and one more than the vectors and register tiles of the kernels.
WIDTHS = (1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 47, 48, 49, 64, 65, 100)
CHANNELS = (1, 2, 3, 5, 8, 16, 17, 33, 48, 64, 65, 100, 130)

Shape = tuple[int, ...]


def _case(
    op: str, x: Shape, weight: Shape | None = None, bias: bool = False, **options: Any
) -> Problem:
    parts = [op, "x".join(map(str, x))]
    if weight is not None:
        parts.append("w" + "x".join(map(str, weight)))
    if bias:
        parts.append("bias")
    parts += [f"{key}={value}".replace(" ", "") for key, value in options.items()]
    return Problem("-".join(parts), op, x, weight, bias, options)


def _conv_widths() -> list[Problem]:
    cases = []
    for index, width in enumerate(WIDTHS):
        out = (4, 9, 17)[index % 3]
        cases += [
            _case("conv2d", (1, 3, 4, width), (out, 3, 3, 3), padding=1),
            _case("conv2d", (2, 5, 2, width), (out, 5, 1, 1), bias=True),
            _case("conv2d", (1, 1, 3, width), (3, 1, 3, 3), padding=(1, 2), stride=(1, 2)),
            _case("conv2d", (1, 6, 3, width), (6, 1, 3, 3), groups=6, padding=1),
            _case("conv1d", (2, 4, width), (5, 4, 3), padding=2, dilation=2),
        ]
    return cases


def _conv_channels() -> list[Problem]:
    cases = []
    for index, channels in enumerate(CHANNELS):
        out = CHANNELS[-1 - index]
        cases += [
            _case("conv2d", (1, channels, 5, 6), (out, channels, 3, 3), padding=1),
            _case("conv2d", (2, channels, 3, 7), (out, channels, 1, 1), bias=True),
            _case("conv2d", (1, channels, 6, 5), (channels, 1, 3, 3), groups=channels, padding=1),
            _case("conv1d", (1, channels, 20), (out, channels, 2), dilation=4, padding=((4, 0),)),
        ]
    return cases


def _conv_geometry() -> list[Problem]:
    image, kernel = (2, 3, 11, 13), (5, 3, 3, 3)
    return [
        *(_case("conv2d", image, kernel, stride=stride) for stride in (2, 3, 4, (1, 2), (4, 3))),
        *(_case("conv2d", image, kernel, dilation=d, padding=d) for d in (2, 3, (1, 4), (5, 2))),
        *(
            _case("conv2d", image, kernel, bias=True, padding=padding)
            for padding in (
                2,
                (0, 3),
                (5, 7),
                ((1, 0), (0, 2)),
                ((0, 4), (6, 1)),
                "same",
                "valid",
            )
        ),
        _case("conv2d", image, kernel, padding="same", dilation=(2, 3)),
        _case("conv2d", image, (5, 3, 2, 4), padding="same"),
        _case("conv2d", image, (5, 3, 2, 4), stride=2, padding=((1, 2), (2, 1)), dilation=2),
        _case("conv2d", image, (5, 3, 4, 2), bias=True),
        _case("conv2d", image, (5, 3, 1, 5), padding=(0, 2)),
        _case("conv2d", image, (5, 3, 5, 1), padding=(2, 0)),
        _case("conv2d", image, (5, 3, 11, 13)),
        _case("conv2d", image, (5, 3, 7, 7), stride=2, padding=3),
        _case("conv2d", image, (5, 3, 1, 1), stride=2),
        _case("conv2d", image, (5, 3, 1, 1), padding=2, bias=True),
        _case("conv2d", image, (5, 3, 2, 2), stride=5),
        _case("conv2d", (1, 2, 2, 3), (4, 2, 5, 5), padding=2),
        _case("conv2d", (1, 2, 1, 1), (4, 2, 3, 3), padding=1),
        _case("conv2d", (1, 2, 1, 1), (4, 2, 3, 3), padding=4, stride=2),
        _case("conv2d", (1, 2, 3, 3), (4, 2, 3, 3), dilation=6, padding=6),
        _case("conv2d", (3, 11, 13), kernel, padding=1, bias=True),
        _case("conv2d", (1, 3, 27, 27), (7, 3, 11, 11), stride=4, bias=True),
        _case("conv2d", (1, 1, 40, 41), (1, 1, 15, 15), padding=7),
        _case("conv2d", (5, 4, 9, 9), (6, 4, 3, 3), padding=1),
        _case("conv2d", (1, 2, 70, 3), (3, 2, 3, 3), padding=1),
        # Rows that need more than one block of pixels, and more taps than one packed panel holds.
        _case("conv2d", (1, 4, 3, 300), (7, 4, 3, 3), padding=1),
        _case("conv2d", (1, 130, 6, 6), (10, 130, 5, 5), padding=2),
        _case("conv2d", (1, 256, 1, 1), (256, 256, 1, 1), bias=True),
        _case("conv2d", (3, 256, 2, 2), (64, 256, 3, 3), padding=1),
        _case("conv2d", (1, 256, 7, 7), (256, 256, 3, 3), padding=1, bias=True),
        _case("conv2d", (1, 256, 7, 7), (128, 256, 1, 1), stride=2),
        # Few pixels: one, two and several tiles of them; sums of more than one block, and with a
        # rest; output channels that do not fill a tile.
        _case("conv2d", (1, 70, 1, 1), (21, 70, 1, 1), bias=True, activation="relu"),
        _case("conv2d", (2, 2100, 1, 1), (11, 2100, 1, 1), bias=True),
        _case("conv2d", (16, 129, 1, 1), (9, 129, 1, 1)),
        _case("conv2d", (2, 33, 5, 5), (7, 33, 1, 1), stride=2, bias=True),
        _case("conv2d", (1, 40, 2, 4), (5, 40, 1, 1), padding=1),
        _case("conv2d", (3, 6, 5, 5), (19, 6, 5, 5), bias=True),
        _case("conv2d", (1, 40, 3, 3), (14, 20, 3, 3), groups=2, padding=1),
        _case("conv3d", (1, 12, 2, 2, 2), (10, 12, 2, 2, 2), bias=True),
        _case("conv1d", (1, 300, 7), (16, 300, 3), dilation=2),
        # Pixels broadcast: several blocks of channels; kernel columns of their own where padding is
        # wide; kernel rows as one run; rows in pairs; pixels one, two and three inputs apart.
        _case("conv2d", (1, 260, 9, 17), (40, 260, 3, 3), dilation=5, padding=5, bias=True),
        _case("conv2d", (1, 70, 20, 33), (33, 70, 3, 3), dilation=(12, 8), padding=(12, 8)),
        _case("conv2d", (2, 130, 7, 5), (48, 130, 3, 3), padding=1, bias=True, activation="silu"),
        _case("conv2d", (1, 3, 23, 70), (40, 3, 11, 11), stride=4, padding=2, bias=True),
        _case("conv2d", (1, 2, 9, 131), (32, 2, 8, 8), padding=3),
        _case("conv2d", (1, 128, 14, 30), (130, 128, 1, 1), stride=2, bias=True),
        _case("conv2d", (1, 130, 10, 16), (64, 130, 1, 1), stride=3, padding=1),
        _case("conv2d", (1, 1100, 7, 7), (70, 1100, 1, 1), bias=True, activation="relu"),
        _case("conv1d", (1, 64, 330), (48, 64, 2), dilation=16, padding=((16, 0),)),
        _case("conv3d", (1, 48, 4, 6, 15), (32, 48, 3, 1, 1), padding=(1, 0, 0)),
        _case("conv3d", (1, 3, 3, 12, 19), (32, 3, 3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3)),
    ]


def _conv_groups() -> list[Problem]:
    return [
        _case("conv2d", (2, 6, 7, 9), (4, 3, 3, 3), groups=2, padding=1, bias=True),
        _case("conv2d", (1, 10, 5, 7), (14, 5, 3, 3), groups=2, stride=2),
        _case("conv2d", (1, 9, 6, 6), (15, 3, 2, 3), groups=3, padding=1),
        _case("conv2d", (1, 34, 4, 5), (66, 17, 1, 1), groups=2),
        _case("conv2d", (1, 32, 6, 6), (32, 1, 3, 3), groups=32, padding=1, bias=True),
        _case("conv2d", (2, 17, 9, 10), (17, 1, 3, 3), groups=17, stride=2, padding=1),
        _case("conv2d", (1, 33, 12, 12), (33, 1, 3, 3), groups=33, dilation=4, padding=4),
        _case("conv2d", (1, 5, 8, 8), (5, 1, 7, 7), groups=5, padding=3),
        _case("conv2d", (1, 7, 9, 9), (14, 1, 3, 3), groups=7, padding=1, bias=True),
        _case("conv2d", (1, 5, 6, 7), (15, 1, 2, 2), groups=5, stride=2),
        _case("conv1d", (2, 12, 50), (12, 1, 31), groups=12, padding=15),
        _case("conv3d", (1, 6, 3, 4, 5), (6, 1, 3, 3, 3), groups=6, padding=1),
        _case("conv3d", (1, 4, 3, 4, 5), (6, 2, 2, 2, 2), groups=2, bias=True),
    ]


def _conv_depthwise() -> list[Problem]:
    """Register tiles of the depthwise kernels and of those for few channels per group.

    Rows and columns around the tiles' sizes, kernels with and without rows unrolled, edges that
    reach into every vector of a tile, and outputs that share inputs at a distance.
    """

    def depthwise(
        channels: int, size: Shape, kernel: Shape, times: int = 1, **options: Any
    ) -> Problem:
        weight = (channels * times, 1, *kernel)
        op = f"conv{len(size)}d"
        return _case(op, (1, channels, *size), weight, groups=channels, **options)

    return [
        *(depthwise(19, (n, n), (k, k), padding=k // 2) for n in (7, 14, 15) for k in (3, 5, 7)),
        *(depthwise(3, (9, n), (3, 3), padding=1) for n in (28, 56, 70, 80, 112, 130)),
        *(depthwise(17, (9, n), (3, 3), padding=1, stride=2) for n in (7, 14, 33, 63, 130)),
        *(depthwise(3, (13, n), (5, 5), padding=2, stride=2) for n in (28, 65, 129)),
        *(depthwise(2, (n, 40), (9, 9), padding=4, bias=True) for n in (1, 5, 6, 11)),
        *(depthwise(2, (8, 9), (k, 4), padding=(k // 2, 2)) for k in (2, 4, 6, 8)),
        depthwise(2, (31, 70), (31, 31), padding=15),
        depthwise(17, (7, 7), (13, 13), padding=6, activation="silu"),
        depthwise(18, (16, 20), (3, 3), dilation=12, padding=12),
        depthwise(18, (16, 90), (3, 5), dilation=(2, 20), padding=(2, 40)),
        depthwise(17, (12, 17), (4, 4), stride=(2, 3), dilation=(3, 2), padding=4),
        depthwise(17, (12, 17), (5, 3), stride=(1, 2), dilation=(2, 4), padding=3),
        depthwise(17, (20, 21), (7, 7), stride=2, padding=((0, 6), (5, 1)), bias=True),
        depthwise(17, (6, 5), (3, 3), padding=9),
        *(depthwise(5, (14, 18), (3, 3), times, padding=1) for times in (2, 3, 4)),
        *(depthwise(17, (n,), (k,), padding=k // 2) for n in (99, 300) for k in (3, 31, 63)),
        depthwise(3, (300,), (9,), stride=2, dilation=3),
        depthwise(17, (5, 9, 18), (3, 3, 3), padding=1, bias=True),
        depthwise(5, (6, 9, 18), (2, 3, 3), stride=2, padding=1),
        _case("conv2d", (1, 4, 9, 40), (3, 4, 3, 3), padding=1, bias=True),
        _case("conv3d", (1, 6, 4, 9, 40), (4, 3, 3, 3, 3), groups=2, padding=1),
        _case("conv_transpose2d", (1, 19, 9, 16), (19, 1, 3, 3), groups=19, stride=2, padding=1),
        _case("conv_transpose2d", (1, 19, 5, 31), (19, 1, 4, 9), groups=19, stride=(1, 3)),
        _case("conv_transpose2d", (1, 19, 5, 16), (19, 1, 3, 5), groups=19, dilation=2, padding=2),
    ]


def _conv_other_ranks() -> list[Problem]:
    return [
        _case("conv1d", (1, 1, 1), (1, 1, 1)),
        _case("conv1d", (3, 20), (7, 3, 4), bias=True),
        _case("conv1d", (2, 16, 70), (32, 16, 2), dilation=16, padding=((16, 0),)),
        _case("conv1d", (1, 8, 600), (8, 8, 2), dilation=512, padding=((512, 0),)),
        _case("conv1d", (1, 3, 101), (5, 3, 9), stride=4, padding=4),
        _case("conv1d", (4, 2, 33), (3, 2, 5), stride=7),
        _case("conv1d", (1, 2, 30), (3, 2, 6), padding="same", dilation=3),
        _case("conv3d", (1, 2, 4, 5, 6), (3, 2, 3, 3, 3), padding=1, bias=True),
        _case("conv3d", (2, 3, 5, 6, 17), (9, 3, 3, 3, 3), stride=(1, 2, 2), padding=(1, 0, 1)),
        _case("conv3d", (1, 3, 6, 7, 8), (4, 3, 2, 3, 4), dilation=(2, 1, 2), padding="same"),
        _case("conv3d", (1, 2, 3, 3, 3), (4, 2, 3, 3, 3)),
        _case("conv3d", (1, 5, 3, 4, 33), (17, 5, 1, 1, 1)),
        _case("conv3d", (1, 2, 2, 2, 2), (3, 2, 3, 1, 2), padding=((2, 0), (0, 1), (3, 3))),
        _case("conv3d", (2, 4, 4, 5, 6), (3, 4, 3, 2, 2), padding=1),
    ]


def _conv_empty() -> list[Problem]:
    return [
        _case("conv1d", (0, 3, 9), (4, 3, 3), bias=True),
        _case("conv2d", (0, 3, 7, 7), (4, 3, 3, 3), padding=1),
        _case("conv3d", (0, 3, 4, 4, 4), (4, 3, 3, 3, 3)),
        _case("conv2d", (2, 0, 5, 5), (4, 0, 3, 3)),
        _case("conv2d", (2, 0, 5, 5), (4, 0, 3, 3), bias=True, groups=2),
    ]


def _conv_transforms() -> list[Problem]:
    """Tiles of 2 x 2 and 4 x 4 that overhang, blocks of tiles that end inside rows and images."""
    return [
        _case("conv2d", (5, 18, 7, 7), (35, 18, 3, 3), padding=1, bias=True),
        _case("conv2d", (2, 33, 14, 30), (40, 33, 3, 3), padding=((0, 2), (1, 0))),
        _case("conv2d", (1, 40, 4, 100), (24, 20, 3, 3), groups=2, padding=1, activation="relu"),
        _case("conv2d", (2, 16, 13, 12), (16, 16, 3, 3), dilation=(2, 3), padding=(2, 3)),
        _case("conv2d", (2, 20, 9, 6), (19, 20, 3, 1), padding=(1, 0)),
        _case("conv2d", (2, 20, 6, 9), (19, 20, 1, 3), padding=(0, 1), dilation=(1, 2)),
        _case("conv1d", (2, 33, 75), (50, 33, 3), padding=1, bias=True),
        # Bands of residues: narrow and wide, cut by blocks of tiles, wider than the row.
        *(
            _case("conv1d", (1, 18, 150), (34, 18, 3), dilation=d, padding=((2 * d, 0),), bias=True)
            for d in (2, 7, 16, 37, 75, 149)
        ),
        _case("conv1d", (3, 16, 9), (16, 16, 3), dilation=20, padding=20),
        _case("conv1d", (1, 16, 41), (16, 16, 3), dilation=20),
        _case("conv2d", (2, 16, 9, 60), (20, 16, 3, 3), dilation=(1, 17), padding=(1, 17)),
        _case("conv2d", (1, 16, 11, 11), (16, 16, 3, 3), dilation=9, padding=9, activation="relu"),
        _case("conv3d", (1, 17, 4, 6, 7), (20, 17, 3, 3, 3), padding=1, stride=(2, 1, 1)),
    ]


def _conv_activations() -> list[Problem]:
    cases = []
    for name in ACTIVATIONS:
        cases += [
            _case("conv2d", (2, 3, 7, 19), (5, 3, 3, 3), bias=True, padding=1, activation=name),
            _case("conv2d", (1, 8, 5, 5), (8, 1, 3, 3), groups=8, activation=name),
        ]
    return [
        *cases,
        _case("conv1d", (1, 3, 40), (17, 3, 3), bias=True, activation="gelu"),
        _case("conv3d", (1, 2, 3, 4, 5), (3, 2, 2, 2, 2), bias=True, activation="silu"),
    ]


def _transposed() -> list[Problem]:
    x, weight = (2, 5, 6, 7), (5, 4, 3, 3)
    op = "conv_transpose2d"
    return [
        _case(op, x, weight),
        _case(op, x, weight, bias=True, stride=2, padding=1),
        _case(op, x, weight, stride=2, padding=1, output_padding=1),
        _case(op, x, weight, stride=(3, 2), padding=(0, 2), output_padding=(2, 0), bias=True),
        _case(op, x, weight, stride=4),
        _case(op, x, weight, padding=((0, 1), (2, 1))),
        _case(op, x, weight, dilation=2, padding=2),
        _case(op, x, weight, stride=2, dilation=(3, 2), output_padding=(2, 1)),
        _case(op, x, weight, stride=1, dilation=3, output_padding=2),
        _case(op, x, (5, 4, 2, 2), stride=2, bias=True, activation="relu"),
        _case(op, x, (5, 4, 4, 4), stride=2, padding=1),
        _case(op, x, (5, 4, 1, 1), bias=True),
        _case(op, x, (5, 4, 1, 1), stride=3, bias=True),
        _case(op, x, (5, 4, 2, 5), stride=(2, 1), padding=(1, 4)),
        _case(op, (5, 6, 7), weight, stride=2),
        _case(op, (1, 6, 5, 5), (6, 2, 3, 3), groups=2, stride=2, padding=1, bias=True),
        _case(op, (1, 7, 5, 5), (7, 1, 3, 3), groups=7, stride=2, output_padding=1),
        _case(op, (1, 4, 5, 5), (4, 3, 2, 2), groups=4),
        _case(op, (1, 2, 1, 1), (2, 3, 4, 4)),
        _case(op, (1, 100, 1, 1), (100, 33, 4, 4)),
        _case(op, (1, 33, 4, 4), (33, 17, 4, 4), stride=2, padding=1, bias=True),
        _case(op, (1, 64, 7, 7), (64, 48, 2, 2), stride=2),
        _case(op, (0, 5, 6, 7), weight, stride=2),
        _case(op, (2, 20, 9, 7), (20, 33, 3, 3), padding=1, bias=True),
        _case(op, (1, 18, 6, 8), (18, 10, 3, 3), groups=2, dilation=2, padding=1, bias=True),
        *(_case(op, (1, 2, 2, width), (2, 3, 3, 3), stride=2) for width in WIDTHS[::3]),
        # Strides whose phases are interleaved in vectors, in fours and one by one; kernels that the
        # stride divides, that zeros fill up, and that are smaller than the stride.
        *(
            _case(op, (1, 3, 3, width), (3, 5, k, k), stride=s, padding=pad, bias=True)
            for width in (2, 16, 37, 50)
            for k, s, pad in ((2, 2, 0), (4, 2, 1), (3, 3, 2), (4, 4, 3), (8, 4, 2), (2, 5, 1))
        ),
        _case(op, (1, 20, 9, 11), (20, 9, 4, 4), stride=2, padding=1, activation="relu"),
        _case(op, (2, 18, 5, 7), (18, 12, 3, 3), stride=2, padding=1, output_padding=1, bias=True),
        _case(op, (1, 40, 6, 6), (40, 36, 2, 2), stride=2),
        _case(op, (1, 70, 5, 6), (70, 65, 4, 4), stride=2, padding=1, bias=True),
        _case(op, (1, 130, 4, 13), (130, 32, 3, 3), stride=2, padding=1, output_padding=1),
        _case(op, (3, 20, 1, 1), (20, 5, 4, 3), stride=2, activation="relu"),
        _case(op, (1, 20, 1, 1), (20, 1, 2, 2), stride=3),
        _case(op, (1, 3, 5, 4), (3, 1, 16, 16), groups=3, stride=8, padding=4, bias=True),
        _case(op, (1, 3, 3, 3), (3, 3, 16, 16), stride=8, padding=4),
        _case(op, (1, 2, 3, 2), (2, 2, 10, 40), stride=(5, 20), padding=(7, 11)),
        _case(op, (1, 18, 4, 9), (18, 4, 3, 2), stride=(2, 1), padding=1, output_padding=(1, 0)),
        _case(op, (1, 2, 4, 5), (2, 4, 2, 3), stride=(3, 5), output_padding=(2, 3), bias=True),
        _case(op, (1, 4, 6, 5), (4, 1, 3, 3), groups=4, stride=2, dilation=2, padding=2),
        # Lots of output channels whose kernel elements do and do not fill whole vectors; positions
        # that end inside a vector, a tile of positions, and eight of these.
        *(
            _case(op, (1, 17, h, w), (17, out, k, k), stride=s, padding=k // 4, bias=True)
            for h, w, out, k, s in (
                (4, 4, 5, 4, 2),
                (9, 13, 19, 2, 2),
                (3, 47, 34, 3, 2),
                (11, 12, 7, 5, 2),
                (5, 6, 33, 1, 2),
                (2, 9, 3, 7, 4),
            )
        ),
        _case(op, (2, 34, 6, 5), (34, 20, 4, 4), groups=2, stride=2, padding=1, dilation=(1, 3)),
        _case("conv_transpose1d", (1, 35, 45), (35, 20, 16), stride=8, padding=4, bias=True),
        _case("conv_transpose3d", (1, 20, 3, 4, 5), (20, 9, 2, 2, 2), stride=2, bias=True),
        _case("conv_transpose3d", (1, 18, 3, 5, 4), (18, 5, 3, 3, 3), stride=2, padding=1),
        _case("conv_transpose1d", (1, 1, 1), (1, 1, 1)),
        _case("conv_transpose1d", (2, 3, 16), (3, 5, 4), stride=2, padding=1, bias=True),
        _case("conv_transpose1d", (3, 17), (3, 5, 16), stride=8, padding=4, bias=True),
        _case("conv_transpose1d", (1, 6, 10), (6, 2, 3), groups=3, dilation=4, padding=3),
        _case("conv_transpose3d", (1, 3, 2, 3, 4), (3, 4, 2, 2, 2), stride=2, bias=True),
        _case("conv_transpose3d", (2, 4, 3, 3, 3), (4, 2, 3, 3, 3), stride=2, padding=1, groups=2),
        _case(
            "conv_transpose3d",
            (1, 2, 3, 2, 4),
            (2, 3, 3, 1, 2),
            stride=(1, 2, 3),
            padding=((1, 0), (0, 0), (1, 1)),
            output_padding=(0, 1, 2),
            activation="tanh",
        ),
        # Most kernel elements meet another phase of depth than the first.
        _case(
            "conv_transpose3d",
            (1, 9, 3, 5, 30),
            (9, 8, 3, 1, 1),
            stride=(2, 1, 1),
            padding=(1, 0, 0),
        ),
    ]


def _max_and_min() -> list[Problem]:
    cases = []
    for kind in ("max", "min"):
        op = f"{kind}_pool2d"
        image = (2, 3, 11, 13)
        cases += [
            _case(op, image, kernel_size=2),
            _case(op, image, kernel_size=3, stride=2, padding=1),
            _case(op, image, kernel_size=3, stride=1, padding=1),
            _case(op, image, kernel_size=3, stride=2, ceil_mode=True),
            _case(op, image, kernel_size=(3, 2), stride=(2, 3), padding=(1, 0)),
            _case(op, image, kernel_size=3, stride=2, padding=1, return_indices=True),
            _case(op, image, kernel_size=2, ceil_mode=True, return_indices=True),
            _case(op, image, kernel_size=3, stride=1, dilation=2, padding=1, return_indices=True),
            _case(op, image, kernel_size=(2, 3), stride=2, dilation=(5, 3), padding=(0, 2)),
            _case(op, image, kernel_size=3, stride=2, padding=((1, 0), (0, 1)), ceil_mode=True),
            _case(op, image, kernel_size=4, stride=1, padding="same", return_indices=True),
            _case(op, image, kernel_size=2, stride=5, padding="valid"),
            _case(op, image, kernel_size=(11, 13), return_indices=True),
            _case(op, image, kernel_size=1),
            _case(op, image, kernel_size=1, stride=2, return_indices=True),
            _case(op, image, kernel_size=7, stride=1, padding=3),
            _case(op, image, kernel_size=5, stride=4, padding=2, ceil_mode=True),
            _case(op, (3, 6, 7), kernel_size=2, stride=()),
            _case(op, (1, 2, 1, 1), kernel_size=2, stride=1, padding=1, return_indices=True),
            _case(op, (1, 2, 3, 2), kernel_size=4, stride=3, padding=1, ceil_mode=True),
            _case(op, (1, 130, 7, 7), kernel_size=7),
            _case(op, (1, 65, 4, 5), kernel_size=3, stride=2, return_indices=True),
            _case(op, (0, 3, 8, 8), kernel_size=2, return_indices=True),
            _case(f"{kind}_pool1d", (2, 3, 50), kernel_size=5, stride=3, padding=2),
            _case(f"{kind}_pool1d", (3, 21), kernel_size=4, return_indices=True, ceil_mode=True),
            _case(f"{kind}_pool1d", (1, 2, 40), kernel_size=3, dilation=7, stride=2, padding=7),
            _case(f"{kind}_pool1d", (1, 2, 70), kernel_size=33, stride=1, padding=16),
            _case(f"{kind}_pool3d", (1, 3, 4, 5, 6), kernel_size=2, return_indices=True),
            _case(f"{kind}_pool3d", (2, 2, 5, 6, 7), kernel_size=3, stride=2, padding=1),
            _case(
                f"{kind}_pool3d",
                (1, 2, 5, 6, 9),
                kernel_size=(1, 3, 2),
                stride=(2, 1, 3),
                dilation=(1, 2, 3),
                padding=(0, 1, 1),
                ceil_mode=True,
                return_indices=True,
            ),
        ]
    for width in WIDTHS:
        cases += [
            _case("max_pool2d", (1, 3, 5, width), kernel_size=3, stride=2, padding=1),
            _case("max_pool2d", (2, 1, 4, width), kernel_size=(2, 1), return_indices=True),
            _case("max_pool2d", (1, width, 4, 4), kernel_size=2),
        ]
    return cases


def _averages() -> list[Problem]:
    image = (2, 3, 11, 13)
    cases = [
        _case("avg_pool2d", image, kernel_size=2),
        _case("avg_pool2d", image, kernel_size=3, stride=1, padding=1),
        _case("avg_pool2d", image, kernel_size=3, stride=1, padding=1, count_include_pad=False),
        _case("avg_pool2d", image, kernel_size=3, stride=2, padding=1, ceil_mode=True),
        _case(
            "avg_pool2d",
            image,
            kernel_size=(3, 4),
            stride=(2, 3),
            padding=(1, 2),
            ceil_mode=True,
            count_include_pad=False,
        ),
        _case("avg_pool2d", image, kernel_size=3, divisor_override=4, padding=1),
        _case("avg_pool2d", image, kernel_size=4, stride=1, padding="same"),
        _case("avg_pool2d", image, kernel_size=3, stride=2, padding=((1, 0), (0, 1))),
        _case(
            "avg_pool2d",
            image,
            kernel_size=3,
            stride=2,
            padding=((0, 1), (1, 0)),
            count_include_pad=False,
        ),
        _case("avg_pool2d", image, kernel_size=(11, 13)),
        _case("avg_pool2d", image, kernel_size=1, stride=3),
        _case("avg_pool2d", image, kernel_size=2, stride=6, padding="valid"),
        _case("avg_pool2d", (3, 6, 7), kernel_size=2, stride=()),
        _case("avg_pool2d", (1, 130, 7, 7), kernel_size=7),
        _case("avg_pool2d", (1, 5, 30, 31), kernel_size=15, stride=1, padding=7),
        _case("avg_pool2d", (0, 3, 8, 8), kernel_size=2),
        _case("avg_pool1d", (2, 3, 50), kernel_size=5, stride=2, padding=2),
        _case("avg_pool1d", (3, 21), kernel_size=4, ceil_mode=True),
        _case("avg_pool1d", (1, 2, 30), kernel_size=3, divisor_override=2),
        _case("avg_pool3d", (1, 3, 4, 5, 6), kernel_size=2),
        _case("avg_pool3d", (2, 2, 5, 6, 7), kernel_size=3, stride=2, padding=1, ceil_mode=True),
        _case(
            "avg_pool3d",
            (1, 2, 5, 4, 17),
            kernel_size=(1, 2, 3),
            stride=(1, 2, 1),
            padding=(0, 1, 1),
            count_include_pad=False,
        ),
        _case("avg_pool3d", (1, 2, 4, 4, 4), kernel_size=3, stride=1, divisor_override=5),
    ]
    for width in WIDTHS:
        cases += [
            _case("avg_pool2d", (1, 3, 5, width), kernel_size=3, stride=2, padding=1),
            _case("avg_pool2d", (1, width, 4, 5), kernel_size=2, stride=1),
        ]
    return cases


def _norms() -> list[Problem]:
    return [
        _case("lp_pool2d", (2, 3, 8, 9), norm_type=2, kernel_size=2),
        _case("lp_pool2d", (2, 3, 8, 9), norm_type=1, kernel_size=3, stride=2),
        _case("lp_pool2d", (2, 3, 8, 9), norm_type=2.0, kernel_size=3, stride=2, ceil_mode=True),
        _case("lp_pool2d", (3, 8, 17), norm_type=3, kernel_size=(2, 3), stride=(1, 2)),
        _case("lp_pool2d", (1, 2, 6, 6), norm_type=1.5, kernel_size=2),
        _case("lp_pool2d", (1, 2, 6, 6), norm_type=0.5, kernel_size=2),
        _case("lp_pool1d", (2, 3, 20), norm_type=2, kernel_size=4, stride=3),
        _case("lp_pool1d", (3, 20), norm_type=4, kernel_size=3, ceil_mode=True),
        _case("lp_pool3d", (1, 2, 4, 5, 6), norm_type=2, kernel_size=2, stride=(1, 2, 2)),
    ]


def _adaptive() -> list[Problem]:
    cases = []
    for kind, more in (("avg", {}), ("max", {}), ("max", {"return_indices": True})):
        op = f"adaptive_{kind}_pool"
        cases += [
            _case(f"{op}1d", (2, 3, 20), output_size=7, **more),
            _case(f"{op}1d", (3, 5), output_size=12, **more),
            _case(f"{op}2d", (2, 3, 11, 13), output_size=1, **more),
            _case(f"{op}2d", (2, 3, 11, 13), output_size=(4, 5), **more),
            _case(f"{op}2d", (2, 3, 11, 13), output_size=(11, 13), **more),
            _case(f"{op}2d", (2, 3, 11, 13), output_size=(None, 4), **more),
            _case(f"{op}2d", (2, 3, 11, 13), output_size=(22, 1), **more),
            _case(f"{op}2d", (1, 65, 4, 6), output_size=2, **more),
            _case(f"{op}2d", (3, 1, 1), output_size=3, **more),
            _case(f"{op}2d", (0, 3, 6, 6), output_size=2, **more),
            _case(f"{op}2d", (2, 3, 6, 6), output_size=(0, 2), **more),
            _case(f"{op}3d", (1, 2, 4, 5, 6), output_size=(2, 3, 4), **more),
            _case(f"{op}3d", (1, 2, 4, 5, 6), output_size=1, **more),
        ]
    cases.append(_case("adaptive_avg_pool2d", (1, 0, 6, 6), output_size=2))
    return cases


def _unpool() -> list[Problem]:
    return [
        _case("max_unpool1d", (2, 3, 8), kernel_size=2),
        _case("max_unpool1d", (3, 8), kernel_size=3, stride=2, padding=1, output_size=(16,)),
        _case("max_unpool2d", (2, 3, 4, 5), kernel_size=2),
        _case("max_unpool2d", (3, 4, 5), kernel_size=2, stride=2, output_size=(9, 10)),
        _case("max_unpool2d", (2, 3, 4, 5), kernel_size=3, stride=(2, 3), padding=1),
        _case("max_unpool2d", (0, 3, 4, 5), kernel_size=2),
        _case("max_unpool3d", (1, 2, 3, 4, 5), kernel_size=2),
        _case("max_unpool3d", (1, 2, 2, 2, 3), kernel_size=(1, 2, 3), stride=(1, 2, 2)),
    ]


def _fold() -> list[Problem]:
    return [
        _case("unfold", (2, 3, 7, 9), kernel_size=3),
        _case("unfold", (2, 3, 7, 9), kernel_size=(2, 3), stride=(2, 1), padding=(1, 2)),
        _case("unfold", (2, 3, 7, 9), kernel_size=3, dilation=2, padding=2, stride=2),
        _case("unfold", (2, 3, 7, 9), kernel_size=(7, 9)),
        _case("unfold", (2, 3, 7, 9), kernel_size=1, stride=3),
        _case("unfold", (2, 3, 7, 9), kernel_size=2, padding=((1, 0), (0, 2))),
        _case("unfold", (2, 3, 7, 9), kernel_size=2, padding="same"),
        _case("unfold", (3, 5, 33), kernel_size=3, padding=5),
        _case("unfold", (1, 5, 4, 100), kernel_size=3, padding=1),
        _case("unfold", (0, 3, 7, 9), kernel_size=3),
        _case("fold", (2, 27, 35), output_size=(7, 9), kernel_size=3),
        _case("fold", (1, 8, 16), output_size=(8, 8), kernel_size=2, stride=2),
        _case(
            "fold",
            (2, 18, 44),
            output_size=(7, 9),
            kernel_size=(2, 3),
            stride=(2, 1),
            padding=(1, 2),
        ),
        _case(
            "fold", (2, 9, 20), output_size=(7, 9), kernel_size=3, dilation=2, padding=2, stride=2
        ),
        _case("fold", (12, 12), output_size=(5, 4), kernel_size=2),
        _case("fold", (1, 12, 24), output_size=(4, 5), kernel_size=2, padding=((1, 0), (0, 2))),
        _case("fold", (1, 4, 4), output_size=5, kernel_size=2, stride=3),
        _case("fold", (0, 12, 16), output_size=5, kernel_size=2),
    ]


def _images() -> list[Problem]:
    cases = []
    for op in ("convolve2d", "correlate2d"):
        for mode in ("full", "same", "valid"):
            for boundary in ("fill", "reflect", "nearest", "wrap"):
                cases += [
                    _case(op, (9, 17), (3, 3), mode=mode, boundary=boundary),
                    _case(op, (8, 10, 3), (4, 2), mode=mode, boundary=boundary),
                ]
        cases += [
            _case(op, (6, 7), (3, 5)),
            _case(op, (6, 7), (2, 2), mode="same", fill_value=2.5),
            _case(op, (6, 7, 3), (4, 3), fill_value=-1.5),
            _case(op, (1, 1), (3, 3), mode="same", boundary="reflect"),
            _case(op, (3, 4), (7, 9), mode="same", boundary="nearest"),
            _case(op, (3, 4), (6, 8), mode="full"),
            _case(op, (20, 33), (15, 15), mode="same", boundary="reflect"),
            _case(op, (40, 100), (31, 31), mode="valid"),
            _case(op, (9, 33, 1), (1, 1)),
            _case(op, (5, 9, 4), (1, 7), mode="same"),
            _case(op, (12, 5, 2), (7, 1), mode="same", boundary="wrap"),
            *(_case(op, (4, width), (3, 3), mode="same") for width in WIDTHS[::2]),
            *(_case(op, (3, w, 3), (3, 3), mode="same", boundary="reflect") for w in WIDTHS[::4]),
        ]
    return cases


CONV_CASES = [
    *_conv_widths(),
    *_conv_channels(),
    *_conv_geometry(),
    *_conv_groups(),
    *_conv_depthwise(),
    *_conv_other_ranks(),
    *_conv_empty(),
    *_conv_activations(),
    *_conv_transforms(),
]
TRANSPOSED_CASES = _transposed()
POOL_CASES = [*_max_and_min(), *_averages(), *_norms(), *_adaptive()]
UNPOOL_CASES = _unpool()
FOLD_CASES = _fold()
IMAGE_CASES = _images()
ALL_CASES = [
    *CONV_CASES,
    *TRANSPOSED_CASES,
    *POOL_CASES,
    *UNPOOL_CASES,
    *FOLD_CASES,
    *IMAGE_CASES,
]


class Operands(NamedTuple):
    """The arrays of a problem; None for those that its operator does not take."""

    x: NDArray[Any]
    weight: NDArray[Any] | None = None
    bias: NDArray[Any] | None = None
    indices: NDArray[np.int64] | None = None

    @property
    def positional(self) -> tuple[NDArray[Any], ...]:
        """The arrays in the order of the call."""
        return tuple(array for array in self if array is not None)


def call(namespace: Any, problem: Problem, operands: Operands, **extra: Any) -> Any:
    """Call the problem's operator in ``namespace``: fastconv, fastconv.reference, torch's F."""
    function = getattr(namespace, problem.op)
    return function(*operands.positional, **{**problem.options, **extra})


def output_gradient(problem: Problem, operands: Operands, *, whole: bool = False) -> NDArray[Any]:
    """A gradient of the problem's result: standard normal, or whole numbers from -2 to 2."""
    generator = _generator(problem, 7)
    shape = output_shape(problem)
    values = generator.integers(-2, 3, shape) if whole else generator.standard_normal(shape)
    return values.astype(operands.x.dtype)


def convolution_gradients(
    namespace: Any, problem: Problem, operands: Operands, grad: NDArray[Any], **extra: Any
) -> Any:
    """The gradients of x, weight and bias of a convolution; the activation is left out."""
    function = getattr(namespace, problem.op + "_backward")
    options = {name: value for name, value in problem.options.items() if name != "activation"}
    return function(grad, operands.x, operands.weight, **{**options, **extra})


def output_shape(problem: Problem) -> Shape:
    """Shape of the problem's result (of the values, where there are also indices)."""
    return _geometry.output_shape(
        problem.op, problem.x_shape, problem.weight_shape, **problem.options
    )


def gaussian(problem: Problem, dtype: DTypeLike = np.float32, seed: int = 0) -> Operands:
    """Standard normal inputs; weights scaled so that convolution outputs have variance near 1."""
    generator = _generator(problem, seed)

    def draw(shape: Shape, deviation: float = 1.0) -> NDArray[Any]:
        return (generator.standard_normal(shape) * deviation).astype(dtype)

    taps = math.prod(problem.weight_shape[1:]) if problem.weight_shape else 1
    return _operands(problem, generator, draw, 1.0 / math.sqrt(max(1, taps)))


def exact_integers(problem: Problem, dtype: DTypeLike = np.float32) -> Operands:
    """Whole numbers from -3 to 3: every partial sum of products is exact in float32.

    The largest sum of the list has 9 * 130 * 25 < 2**24 units, so no order of summation rounds.
    """
    generator = _generator(problem, 0)

    def draw(shape: Shape, deviation: float = 1.0) -> NDArray[Any]:
        return generator.integers(-3, 4, shape).astype(dtype)

    return _operands(problem, generator, draw, 1.0)


def rounded(values: Any, dtype: Any) -> NDArray[Any]:
    """float64 values in a 16-bit type, rounded once, to nearest even.

    ml_dtypes goes from float64 to bfloat16 by way of float32, which rounds twice.
    """
    limits = ml_dtypes.finfo(dtype)
    wide = np.asarray(values, np.float64)
    exponent = np.maximum(np.frexp(wide)[1] - 1, limits.minexp)
    step = np.ldexp(1.0, exponent - limits.nmant)
    with np.errstate(invalid="ignore"):
        near = np.where(np.isfinite(wide), np.rint(wide / step) * step, wide)
        near = np.where(np.abs(near) > float(limits.max), np.copysign(np.inf, near), near)
        return near.astype(dtype)


def _generator(problem: Problem, seed: int) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(problem.name.encode()), seed])


def _operands(
    problem: Problem, generator: np.random.Generator, draw: Any, weight_deviation: float
) -> Operands:
    x = draw(problem.x_shape)
    # Powers of negative numbers are NaN unless the exponent is even.
    if problem.options.get("norm_type", 2) % 2:
        x = np.abs(x)
    weight = bias = indices = None
    if problem.weight_shape is not None:
        weight = draw(problem.weight_shape, weight_deviation)
    if problem.bias:
        channels = problem.out_channels
        bias = draw((channels,))
    if problem.op.startswith("max_unpool"):
        indices = _distinct_positions(problem, generator)
    return Operands(x, weight, bias, indices)


def _distinct_positions(problem: Problem, generator: np.random.Generator) -> NDArray[np.int64]:
    rank = problem.rank
    lead, sizes = problem.x_shape[:-rank], problem.x_shape[-rank:]
    plane = math.prod(output_shape(problem)[-rank:])
    positions = np.tile(np.arange(plane), (*lead, 1))
    shuffled = generator.permuted(positions, axis=-1)[..., : math.prod(sizes)]
    return shuffled.reshape(problem.x_shape)
