"""The convolutions that every kernel is tested on, forward and transposed."""

from __future__ import annotations

from typing import Any

from case_names import WIDTHS, Shape, named_case
from fastconv.benchmarks.problem import Problem

ACTIVATIONS = ("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "gelu", "hardswish")
CHANNELS = (1, 2, 3, 5, 8, 16, 17, 33, 48, 64, 65, 100, 130)


def _conv_widths() -> list[Problem]:
    cases = []
    for index, width in enumerate(WIDTHS):
        out = (4, 9, 17)[index % 3]
        cases += [
            named_case("conv2d", (1, 3, 4, width), (out, 3, 3, 3), padding=1),
            named_case("conv2d", (2, 5, 2, width), (out, 5, 1, 1), bias=True),
            named_case("conv2d", (1, 1, 3, width), (3, 1, 3, 3), padding=(1, 2), stride=(1, 2)),
            named_case("conv2d", (1, 6, 3, width), (6, 1, 3, 3), groups=6, padding=1),
            named_case("conv1d", (2, 4, width), (5, 4, 3), padding=2, dilation=2),
        ]
    return cases


def _conv_channels() -> list[Problem]:
    cases = []
    for index, channels in enumerate(CHANNELS):
        out = CHANNELS[-1 - index]
        cases += [
            named_case("conv2d", (1, channels, 5, 6), (out, channels, 3, 3), padding=1),
            named_case("conv2d", (2, channels, 3, 7), (out, channels, 1, 1), bias=True),
            named_case(
                "conv2d", (1, channels, 6, 5), (channels, 1, 3, 3), groups=channels, padding=1
            ),
            named_case(
                "conv1d", (1, channels, 20), (out, channels, 2), dilation=4, padding=((4, 0),)
            ),
        ]
    return cases


def _conv_geometry() -> list[Problem]:
    image, kernel = (2, 3, 11, 13), (5, 3, 3, 3)
    return [
        *(
            named_case("conv2d", image, kernel, stride=stride)
            for stride in (2, 3, 4, (1, 2), (4, 3))
        ),
        *(
            named_case("conv2d", image, kernel, dilation=d, padding=d)
            for d in (2, 3, (1, 4), (5, 2))
        ),
        *(
            named_case("conv2d", image, kernel, bias=True, padding=padding)
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
        named_case("conv2d", image, kernel, padding="same", dilation=(2, 3)),
        named_case("conv2d", image, (5, 3, 2, 4), padding="same"),
        named_case("conv2d", image, (5, 3, 2, 4), stride=2, padding=((1, 2), (2, 1)), dilation=2),
        named_case("conv2d", image, (5, 3, 4, 2), bias=True),
        named_case("conv2d", image, (5, 3, 1, 5), padding=(0, 2)),
        named_case("conv2d", image, (5, 3, 5, 1), padding=(2, 0)),
        named_case("conv2d", image, (5, 3, 11, 13)),
        named_case("conv2d", image, (5, 3, 7, 7), stride=2, padding=3),
        named_case("conv2d", image, (5, 3, 1, 1), stride=2),
        named_case("conv2d", image, (5, 3, 1, 1), padding=2, bias=True),
        named_case("conv2d", image, (5, 3, 2, 2), stride=5),
        named_case("conv2d", (1, 2, 2, 3), (4, 2, 5, 5), padding=2),
        named_case("conv2d", (1, 2, 1, 1), (4, 2, 3, 3), padding=1),
        named_case("conv2d", (1, 2, 1, 1), (4, 2, 3, 3), padding=4, stride=2),
        named_case("conv2d", (1, 2, 3, 3), (4, 2, 3, 3), dilation=6, padding=6),
        named_case("conv2d", (3, 11, 13), kernel, padding=1, bias=True),
        named_case("conv2d", (1, 3, 27, 27), (7, 3, 11, 11), stride=4, bias=True),
        named_case("conv2d", (1, 1, 40, 41), (1, 1, 15, 15), padding=7),
        named_case("conv2d", (5, 4, 9, 9), (6, 4, 3, 3), padding=1),
        named_case("conv2d", (1, 2, 70, 3), (3, 2, 3, 3), padding=1),
        # Rows that need more than one block of pixels, and more taps than one packed panel holds.
        named_case("conv2d", (1, 4, 3, 300), (7, 4, 3, 3), padding=1),
        named_case("conv2d", (1, 130, 6, 6), (10, 130, 5, 5), padding=2),
        named_case("conv2d", (1, 256, 1, 1), (256, 256, 1, 1), bias=True),
        named_case("conv2d", (3, 256, 2, 2), (64, 256, 3, 3), padding=1),
        named_case("conv2d", (1, 256, 7, 7), (256, 256, 3, 3), padding=1, bias=True),
        named_case("conv2d", (1, 256, 7, 7), (128, 256, 1, 1), stride=2),
        # Few pixels: one, two and several tiles of them; sums of more than one block, and with a
        # rest; output channels that do not fill a tile.
        named_case("conv2d", (1, 70, 1, 1), (21, 70, 1, 1), bias=True, activation="relu"),
        named_case("conv2d", (2, 2100, 1, 1), (11, 2100, 1, 1), bias=True),
        named_case("conv2d", (16, 129, 1, 1), (9, 129, 1, 1)),
        named_case("conv2d", (2, 33, 5, 5), (7, 33, 1, 1), stride=2, bias=True),
        named_case("conv2d", (1, 40, 2, 4), (5, 40, 1, 1), padding=1),
        named_case("conv2d", (3, 6, 5, 5), (19, 6, 5, 5), bias=True),
        named_case("conv2d", (1, 40, 3, 3), (14, 20, 3, 3), groups=2, padding=1),
        named_case("conv3d", (1, 12, 2, 2, 2), (10, 12, 2, 2, 2), bias=True),
        named_case("conv1d", (1, 300, 7), (16, 300, 3), dilation=2),
        *(named_case("conv2d", (2, 40, 9, 31), (n, 40, 1, 1), bias=True) for n in (1, 5, 14)),
        # Rows taken one by one: of whole vectors over several blocks of channels; moved back to end
        # with the row; strided. Pointwise with more pixels and output channels than one tile's.
        named_case("conv2d", (1, 130, 6, 64), (24, 130, 3, 3), padding=1),
        named_case("conv2d", (1, 3, 7, 79), (17, 3, 3, 3), padding=1, bias=True, activation="relu"),
        named_case("conv2d", (1, 3, 11, 95), (24, 3, 3, 3), stride=2, padding=1, bias=True),
        named_case("conv2d", (2, 200, 10, 30), (40, 200, 1, 1), bias=True),
        # Pixels broadcast: several blocks of channels; kernel columns of their own where padding is
        # wide; kernel rows as one run; rows in pairs; pixels one, two and three inputs apart.
        named_case("conv2d", (1, 260, 9, 17), (40, 260, 3, 3), dilation=5, padding=5, bias=True),
        named_case("conv2d", (1, 70, 20, 33), (33, 70, 3, 3), dilation=(12, 8), padding=(12, 8)),
        named_case(
            "conv2d", (2, 130, 7, 5), (48, 130, 3, 3), padding=1, bias=True, activation="silu"
        ),
        named_case("conv2d", (1, 3, 23, 70), (40, 3, 11, 11), stride=4, padding=2, bias=True),
        named_case("conv2d", (1, 2, 9, 131), (32, 2, 8, 8), padding=3),
        named_case("conv2d", (1, 128, 14, 30), (130, 128, 1, 1), stride=2, bias=True),
        named_case("conv2d", (1, 130, 10, 16), (64, 130, 1, 1), stride=3, padding=1),
        named_case("conv2d", (1, 1100, 7, 7), (70, 1100, 1, 1), bias=True, activation="relu"),
        named_case("conv1d", (1, 64, 330), (48, 64, 2), dilation=16, padding=((16, 0),)),
        named_case("conv3d", (1, 48, 4, 6, 15), (32, 48, 3, 1, 1), padding=(1, 0, 0)),
        named_case(
            "conv3d", (1, 3, 3, 12, 19), (32, 3, 3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3)
        ),
    ]


def _conv_groups() -> list[Problem]:
    return [
        named_case("conv2d", (2, 6, 7, 9), (4, 3, 3, 3), groups=2, padding=1, bias=True),
        named_case("conv2d", (1, 10, 5, 7), (14, 5, 3, 3), groups=2, stride=2),
        named_case("conv2d", (1, 9, 6, 6), (15, 3, 2, 3), groups=3, padding=1),
        named_case("conv2d", (1, 34, 4, 5), (66, 17, 1, 1), groups=2),
        named_case("conv2d", (1, 32, 6, 6), (32, 1, 3, 3), groups=32, padding=1, bias=True),
        named_case("conv2d", (2, 17, 9, 10), (17, 1, 3, 3), groups=17, stride=2, padding=1),
        named_case("conv2d", (1, 33, 12, 12), (33, 1, 3, 3), groups=33, dilation=4, padding=4),
        named_case("conv2d", (1, 5, 8, 8), (5, 1, 7, 7), groups=5, padding=3),
        named_case("conv2d", (1, 7, 9, 9), (14, 1, 3, 3), groups=7, padding=1, bias=True),
        named_case("conv2d", (1, 5, 6, 7), (15, 1, 2, 2), groups=5, stride=2),
        named_case("conv1d", (2, 12, 50), (12, 1, 31), groups=12, padding=15),
        named_case("conv3d", (1, 6, 3, 4, 5), (6, 1, 3, 3, 3), groups=6, padding=1),
        named_case("conv3d", (1, 4, 3, 4, 5), (6, 2, 2, 2, 2), groups=2, bias=True),
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
        return named_case(op, (1, channels, *size), weight, groups=channels, **options)

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
        depthwise(3, (17, 35), (3, 3), dilation=7, padding=7, bias=True),
        depthwise(3, (10, 66), (3, 3), dilation=4, padding=4, activation="relu"),
        *(depthwise(3, (n, 50), (3, 3), padding=1) for n in (3, 5, 6)),
        depthwise(18, (16, 90), (3, 5), dilation=(2, 20), padding=(2, 40)),
        depthwise(17, (12, 17), (4, 4), stride=(2, 3), dilation=(3, 2), padding=4),
        depthwise(17, (12, 17), (5, 3), stride=(1, 2), dilation=(2, 4), padding=3),
        depthwise(17, (20, 21), (7, 7), stride=2, padding=((0, 6), (5, 1)), bias=True),
        depthwise(17, (6, 5), (3, 3), padding=9),
        *(depthwise(5, (14, 18), (3, 3), times, padding=1) for times in (2, 3, 4)),
        *(depthwise(17, (n,), (k,), padding=k // 2) for n in (99, 300) for k in (3, 31, 63)),
        *(depthwise(3, (n,), (k,), padding=k // 2) for n in (140, 255) for k in (12, 24, 25, 130)),
        depthwise(3, (300,), (9,), stride=2, dilation=3),
        depthwise(17, (5, 9, 18), (3, 3, 3), padding=1, bias=True),
        depthwise(5, (6, 9, 18), (2, 3, 3), stride=2, padding=1),
        named_case("conv2d", (1, 4, 9, 40), (3, 4, 3, 3), padding=1, bias=True),
        named_case("conv3d", (1, 6, 4, 9, 40), (4, 3, 3, 3, 3), groups=2, padding=1),
        named_case(
            "conv_transpose2d", (1, 19, 9, 16), (19, 1, 3, 3), groups=19, stride=2, padding=1
        ),
        named_case("conv_transpose2d", (1, 19, 5, 31), (19, 1, 4, 9), groups=19, stride=(1, 3)),
        named_case(
            "conv_transpose2d", (1, 19, 5, 16), (19, 1, 3, 5), groups=19, dilation=2, padding=2
        ),
    ]


def _conv_other_ranks() -> list[Problem]:
    return [
        named_case("conv1d", (1, 1, 1), (1, 1, 1)),
        named_case("conv1d", (3, 20), (7, 3, 4), bias=True),
        named_case("conv1d", (2, 16, 70), (32, 16, 2), dilation=16, padding=((16, 0),)),
        named_case("conv1d", (1, 8, 600), (8, 8, 2), dilation=512, padding=((512, 0),)),
        named_case("conv1d", (1, 3, 100), (19, 3, 31), dilation=32, padding=480, bias=True),
        named_case("conv2d", (1, 3, 6, 70), (9, 3, 3, 3), dilation=(1, 60), padding=(1, 60)),
        named_case("conv1d", (1, 3, 101), (5, 3, 9), stride=4, padding=4),
        named_case("conv1d", (4, 2, 33), (3, 2, 5), stride=7),
        named_case("conv1d", (1, 2, 30), (3, 2, 6), padding="same", dilation=3),
        named_case("conv3d", (1, 2, 4, 5, 6), (3, 2, 3, 3, 3), padding=1, bias=True),
        named_case(
            "conv3d", (2, 3, 5, 6, 17), (9, 3, 3, 3, 3), stride=(1, 2, 2), padding=(1, 0, 1)
        ),
        named_case("conv3d", (1, 3, 6, 7, 8), (4, 3, 2, 3, 4), dilation=(2, 1, 2), padding="same"),
        named_case("conv3d", (1, 2, 3, 3, 3), (4, 2, 3, 3, 3)),
        named_case("conv3d", (1, 5, 3, 4, 33), (17, 5, 1, 1, 1)),
        named_case("conv3d", (1, 2, 2, 2, 2), (3, 2, 3, 1, 2), padding=((2, 0), (0, 1), (3, 3))),
        named_case("conv3d", (2, 4, 4, 5, 6), (3, 4, 3, 2, 2), padding=1),
    ]


def _conv_empty() -> list[Problem]:
    return [
        named_case("conv1d", (0, 3, 9), (4, 3, 3), bias=True),
        named_case("conv2d", (0, 3, 7, 7), (4, 3, 3, 3), padding=1),
        named_case("conv3d", (0, 3, 4, 4, 4), (4, 3, 3, 3, 3)),
        named_case("conv2d", (2, 0, 5, 5), (4, 0, 3, 3)),
        named_case("conv2d", (2, 0, 5, 5), (4, 0, 3, 3), bias=True, groups=2),
    ]


def _conv_transforms() -> list[Problem]:
    """Tiles of 2 x 2 and 4 x 4 that overhang, blocks of tiles that end inside rows and images."""
    return [
        named_case("conv2d", (5, 18, 7, 7), (35, 18, 3, 3), padding=1, bias=True),
        named_case("conv2d", (2, 33, 14, 30), (40, 33, 3, 3), padding=((0, 2), (1, 0))),
        named_case(
            "conv2d", (1, 40, 4, 100), (24, 20, 3, 3), groups=2, padding=1, activation="relu"
        ),
        named_case("conv2d", (2, 16, 13, 12), (16, 16, 3, 3), dilation=(2, 3), padding=(2, 3)),
        named_case("conv2d", (2, 20, 9, 6), (19, 20, 3, 1), padding=(1, 0)),
        named_case("conv2d", (2, 20, 6, 9), (19, 20, 1, 3), padding=(0, 1), dilation=(1, 2)),
        named_case("conv1d", (2, 33, 75), (50, 33, 3), padding=1, bias=True),
        # Bands of residues: narrow and wide, cut by blocks of tiles, wider than the row.
        *(
            named_case(
                "conv1d", (1, 18, 150), (34, 18, 3), dilation=d, padding=((2 * d, 0),), bias=True
            )
            for d in (2, 7, 16, 37, 75, 149)
        ),
        named_case("conv1d", (3, 16, 9), (16, 16, 3), dilation=20, padding=20),
        named_case("conv1d", (1, 16, 41), (16, 16, 3), dilation=20),
        named_case("conv2d", (2, 16, 9, 60), (20, 16, 3, 3), dilation=(1, 17), padding=(1, 17)),
        named_case(
            "conv2d", (1, 16, 11, 11), (16, 16, 3, 3), dilation=9, padding=9, activation="relu"
        ),
        named_case("conv3d", (1, 17, 4, 6, 7), (20, 17, 3, 3, 3), padding=1, stride=(2, 1, 1)),
        # Kernels of two and of five elements along an axis.
        named_case("conv2d", (2, 18, 11, 13), (20, 18, 2, 2), padding=((1, 0), (0, 1)), bias=True),
        named_case("conv2d", (1, 16, 9, 14), (33, 16, 2, 2), dilation=(2, 3), padding=2),
        named_case("conv1d", (2, 33, 75), (50, 33, 2), padding=((16, 0),), dilation=16),
        named_case("conv2d", (2, 17, 9, 12), (20, 17, 5, 5), padding=2, bias=True),
        named_case("conv2d", (1, 36, 13, 8), (20, 18, 5, 5), groups=2, dilation=2, padding=4),
        named_case("conv2d", (1, 20, 6, 9), (19, 20, 5, 1), padding=(2, 0), activation="relu"),
        named_case("conv1d", (1, 33, 75), (18, 33, 5), padding=2),
        named_case("conv3d", (1, 16, 4, 7, 6), (17, 16, 3, 5, 5), padding=(1, 2, 2)),
        # Stride 2, in phases: both axes or one, phases of one length and of two.
        *(
            named_case("conv2d", (2, 18, 12, 17), (35, 18, k, k), stride=2, padding=k // 2)
            for k in (3, 4, 5, 6)
        ),
        named_case("conv2d", (2, 20, 9, 15), (34, 20, 1, 3), stride=(1, 2), bias=True),
        named_case("conv2d", (2, 20, 15, 9), (34, 20, 4, 1), stride=(2, 1), padding=(1, 0)),
        named_case("conv2d", (1, 20, 15, 9), (18, 20, 3, 2), stride=(2, 1), padding=(1, 0)),
        named_case("conv2d", (1, 32, 7, 30), (36, 16, 3, 3), groups=2, stride=2, activation="relu"),
        named_case("conv1d", (2, 33, 75), (50, 33, 5), stride=2, padding=2, bias=True),
        named_case("conv3d", (1, 17, 5, 7, 8), (20, 17, 3, 3, 3), stride=2, padding=1),
    ]


def _conv_tiles_of_transforms() -> list[Problem]:
    """Fourier tiles: one and several, an odd one left over, wider than high and the reverse."""
    return [
        named_case("conv2d", (1, 1, 40, 300), (1, 1, 9, 9), padding=4),
        named_case("conv2d", (3, 2, 70, 33), (2, 1, 17, 5), groups=2, padding=(8, 2), bias=True),
        named_case("conv2d", (1, 2, 30, 31), (3, 2, 11, 8), padding=((0, 3), (9, 1)), bias=True),
        named_case("conv2d", (2, 6, 20, 24), (4, 3, 7, 7), groups=2, dilation=(2, 3), padding=9),
        named_case(
            "conv2d", (1, 3, 25, 25), (3, 1, 25, 25), groups=3, padding=12, activation="relu"
        ),
        named_case("conv1d", (2, 2, 700), (2, 1, 129), groups=2, padding=64),
        named_case("conv1d", (1, 1, 300), (1, 1, 200), padding=((199, 0),), bias=True),
        named_case("conv3d", (1, 2, 3, 12, 14), (2, 1, 1, 7, 9), groups=2, padding=(1, 3, 4)),
    ]


def _conv_activations() -> list[Problem]:
    cases = []
    for name in ACTIVATIONS:
        cases += [
            named_case(
                "conv2d", (2, 3, 7, 19), (5, 3, 3, 3), bias=True, padding=1, activation=name
            ),
            named_case("conv2d", (1, 8, 5, 5), (8, 1, 3, 3), groups=8, activation=name),
        ]
    return [
        *cases,
        named_case("conv1d", (1, 3, 40), (17, 3, 3), bias=True, activation="gelu"),
        named_case("conv3d", (1, 2, 3, 4, 5), (3, 2, 2, 2, 2), bias=True, activation="silu"),
    ]


def _transposed() -> list[Problem]:
    x, weight = (2, 5, 6, 7), (5, 4, 3, 3)
    op = "conv_transpose2d"
    return [
        named_case(op, x, weight),
        named_case(op, x, weight, bias=True, stride=2, padding=1),
        named_case(op, x, weight, stride=2, padding=1, output_padding=1),
        named_case(op, x, weight, stride=(3, 2), padding=(0, 2), output_padding=(2, 0), bias=True),
        named_case(op, x, weight, stride=4),
        named_case(op, x, weight, padding=((0, 1), (2, 1))),
        named_case(op, x, weight, dilation=2, padding=2),
        named_case(op, x, weight, stride=2, dilation=(3, 2), output_padding=(2, 1)),
        named_case(op, x, weight, stride=1, dilation=3, output_padding=2),
        named_case(op, x, (5, 4, 2, 2), stride=2, bias=True, activation="relu"),
        named_case(op, x, (5, 4, 4, 4), stride=2, padding=1),
        named_case(op, x, (5, 4, 1, 1), bias=True),
        named_case(op, x, (5, 4, 1, 1), stride=3, bias=True),
        named_case(op, x, (5, 4, 2, 5), stride=(2, 1), padding=(1, 4)),
        named_case(op, (5, 6, 7), weight, stride=2),
        named_case(op, (1, 6, 5, 5), (6, 2, 3, 3), groups=2, stride=2, padding=1, bias=True),
        named_case(op, (1, 7, 5, 5), (7, 1, 3, 3), groups=7, stride=2, output_padding=1),
        named_case(op, (1, 4, 5, 5), (4, 3, 2, 2), groups=4),
        named_case(op, (1, 2, 1, 1), (2, 3, 4, 4)),
        named_case(op, (1, 100, 1, 1), (100, 33, 4, 4)),
        named_case(op, (1, 33, 4, 4), (33, 17, 4, 4), stride=2, padding=1, bias=True),
        named_case(op, (1, 64, 7, 7), (64, 48, 2, 2), stride=2),
        named_case(op, (0, 5, 6, 7), weight, stride=2),
        named_case(op, (2, 20, 9, 7), (20, 33, 3, 3), padding=1, bias=True),
        *(
            named_case(op, (2, 18, 7, 9), (18, 33, k, k), stride=2, padding=pad, output_padding=1)
            for k in (3, 4, 5, 6)
            for pad in (0, 1)
        ),
        named_case(op, (1, 20, 6, 11), (20, 17, 1, 4), stride=(1, 2), padding=(0, 1), bias=True),
        named_case(op, (1, 20, 11, 6), (20, 33, 3, 1), stride=(2, 1), activation="relu"),
        named_case(op, (1, 20, 11, 6), (20, 33, 3, 2), stride=(2, 1)),
        named_case(op, (1, 34, 9, 7), (34, 10, 4, 4), groups=2, stride=2, padding=1, bias=True),
        named_case(op, (2, 17, 8, 6), (17, 20, 2, 2), dilation=(1, 2), padding=1),
        named_case(op, (2, 17, 8, 6), (17, 20, 5, 5), padding=2),
        named_case("conv_transpose1d", (1, 33, 40), (33, 18, 4), stride=2, padding=1, bias=True),
        named_case(
            "conv_transpose3d", (1, 17, 3, 5, 6), (17, 18, 3, 4, 4), stride=(1, 2, 2), padding=1
        ),
        named_case(op, (1, 18, 6, 8), (18, 10, 3, 3), groups=2, dilation=2, padding=1, bias=True),
        *(named_case(op, (1, 2, 2, width), (2, 3, 3, 3), stride=2) for width in WIDTHS[::3]),
        # Strides whose phases are interleaved in vectors, in fours and one by one; kernels that the
        # stride divides, that zeros fill up, and that are smaller than the stride.
        *(
            named_case(op, (1, 3, 3, width), (3, 5, k, k), stride=s, padding=pad, bias=True)
            for width in (2, 16, 37, 50)
            for k, s, pad in ((2, 2, 0), (4, 2, 1), (3, 3, 2), (4, 4, 3), (8, 4, 2), (2, 5, 1))
        ),
        named_case(op, (1, 20, 9, 11), (20, 9, 4, 4), stride=2, padding=1, activation="relu"),
        named_case(
            op, (2, 18, 5, 7), (18, 12, 3, 3), stride=2, padding=1, output_padding=1, bias=True
        ),
        named_case(op, (1, 40, 6, 6), (40, 36, 2, 2), stride=2),
        named_case(op, (1, 70, 5, 6), (70, 65, 4, 4), stride=2, padding=1, bias=True),
        named_case(op, (1, 130, 4, 13), (130, 32, 3, 3), stride=2, padding=1, output_padding=1),
        named_case(op, (3, 20, 1, 1), (20, 5, 4, 3), stride=2, activation="relu"),
        named_case(op, (1, 20, 1, 1), (20, 1, 2, 2), stride=3),
        named_case(op, (1, 3, 5, 4), (3, 1, 16, 16), groups=3, stride=8, padding=4, bias=True),
        named_case(op, (1, 3, 3, 3), (3, 3, 16, 16), stride=8, padding=4),
        named_case(op, (1, 2, 3, 2), (2, 2, 10, 40), stride=(5, 20), padding=(7, 11)),
        named_case(
            op, (1, 18, 4, 9), (18, 4, 3, 2), stride=(2, 1), padding=1, output_padding=(1, 0)
        ),
        named_case(op, (1, 2, 4, 5), (2, 4, 2, 3), stride=(3, 5), output_padding=(2, 3), bias=True),
        named_case(op, (1, 4, 6, 5), (4, 1, 3, 3), groups=4, stride=2, dilation=2, padding=2),
        # Lots of output channels whose kernel elements do and do not fill whole vectors; positions
        # that end inside a vector, a tile of positions, and eight of these.
        *(
            named_case(op, (1, 17, h, w), (17, out, k, k), stride=s, padding=k // 4, bias=True)
            for h, w, out, k, s in (
                (4, 4, 5, 4, 2),
                (9, 13, 19, 2, 2),
                (3, 47, 34, 3, 2),
                (11, 12, 7, 5, 2),
                (5, 6, 33, 1, 2),
                (2, 9, 3, 7, 4),
            )
        ),
        named_case(
            op, (2, 34, 6, 5), (34, 20, 4, 4), groups=2, stride=2, padding=1, dilation=(1, 3)
        ),
        named_case("conv_transpose1d", (1, 35, 45), (35, 20, 16), stride=8, padding=4, bias=True),
        named_case("conv_transpose3d", (1, 20, 3, 4, 5), (20, 9, 2, 2, 2), stride=2, bias=True),
        named_case("conv_transpose3d", (1, 18, 3, 5, 4), (18, 5, 3, 3, 3), stride=2, padding=1),
        named_case("conv_transpose1d", (1, 1, 1), (1, 1, 1)),
        named_case("conv_transpose1d", (2, 3, 16), (3, 5, 4), stride=2, padding=1, bias=True),
        named_case("conv_transpose1d", (3, 17), (3, 5, 16), stride=8, padding=4, bias=True),
        named_case("conv_transpose1d", (1, 6, 10), (6, 2, 3), groups=3, dilation=4, padding=3),
        named_case("conv_transpose3d", (1, 3, 2, 3, 4), (3, 4, 2, 2, 2), stride=2, bias=True),
        named_case(
            "conv_transpose3d", (2, 4, 3, 3, 3), (4, 2, 3, 3, 3), stride=2, padding=1, groups=2
        ),
        named_case(
            "conv_transpose3d",
            (1, 2, 3, 2, 4),
            (2, 3, 3, 1, 2),
            stride=(1, 2, 3),
            padding=((1, 0), (0, 0), (1, 1)),
            output_padding=(0, 1, 2),
            activation="tanh",
        ),
        # Most kernel elements meet another phase of depth than the first.
        named_case(
            "conv_transpose3d",
            (1, 9, 3, 5, 30),
            (9, 8, 3, 1, 1),
            stride=(2, 1, 1),
            padding=(1, 0, 0),
        ),
    ]


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
    *_conv_tiles_of_transforms(),
]
TRANSPOSED_CASES = _transposed()
