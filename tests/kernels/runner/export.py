"""Writes the problems of tests/cases.py, with expected results, for the C++ kernel tests.

Usage: export.py [--every N] [--break-one] FILE

Every problem is written twice: filled with whole numbers, where the kernels must be exact, and with
normal random numbers, where each result may differ by its limit. The format stands in
problem_file.h.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cases
from fastconv import reference
from fastconv._window import (
    conv_window,
    output_padding_sizes,
    pool_window,
    transposed_window,
    unfold_window,
)
from fastconv.benchmarks.problem import Problem
from fastconv.reference.magnitude import magnitude
from neighbourhood import neighbourhood, plane_scale

Options = dict[str, Any]
Array = NDArray[Any]
AXES = 3
# Activations that only choose between, or cut, values keep whole numbers exact.
EXACT_ACTIVATIONS = {None, "relu", "relu6"}
# An activation raises the error of its argument at most by its steepest slope (hardswish: 1.5), and
# adds a few roundings of its own.
STEEPEST, OWN_ROUNDINGS = 1.5, 8.0


@dataclass
class Record:
    """One problem as the C++ program reads it."""

    name: str
    options: Options
    arrays: dict[str, Array]


def axes(values: tuple[int, ...], missing: int) -> str:
    """Spatial values as depth, height, width; absent leading axes get ``missing``."""
    return ",".join(map(str, (missing,) * (AXES - len(values)) + tuple(values)))


def spatial(shape: tuple[int, ...], rank: int) -> tuple[int, tuple[int, ...], int]:
    """Batch, spatial sizes and channels of a shape with or without a batch axis."""
    lead, sizes = shape[:-rank], shape[-rank:]
    return (lead[0] if len(lead) == 2 else 1), sizes, lead[-1]


def sum_limit(terms: int, size: Array) -> Array:
    """Bound of a sum's rounding error, in units of epsilon.

    Any order, one more rounding, and what a matrix unit leaves out of float32 products.
    """
    return (0.5 * terms + 2.0) * size


def window_options(window: Any) -> Options:
    """The fields of a window, one value per axis."""
    return {
        "kernel": axes(window.kernel, 1),
        "stride": axes(window.stride, 1),
        "dilation": axes(window.dilation, 1),
        "pad_lo": axes(tuple(lo for lo, _ in window.padding), 0),
        "pad_hi": axes(tuple(hi for _, hi in window.padding), 0),
    }


def conv_record(problem: Problem, operands: Any, exact: bool) -> Record:
    """A convolution or transposed convolution."""
    rank, options = problem.rank, dict(problem.options)
    weight_shape = problem.weight_shape
    assert weight_shape is not None
    kernel = weight_shape[2:]
    output_padding: tuple[int, ...] = (0,) * rank
    geometry = (options.get("stride", 1), options.get("padding", 0), options.get("dilation", 1))
    if problem.is_transposed:
        window = transposed_window(kernel, *geometry)
        output_padding = output_padding_sizes(options.get("output_padding", 0), window)
    else:
        window = conv_window(kernel, *geometry)
    batch, sizes, channels = spatial(problem.x_shape, rank)
    activation = options.get("activation")
    y = cases.call(reference, problem, operands)
    if channels == 0:
        # The Python functions answer this case themselves; below them it is a sum of no terms.
        y = np.zeros((batch, problem.out_channels, *y.shape[-rank:]))
        if operands.bias is not None:
            y += operands.bias.reshape(-1, *[1] * rank)
    taps = int(np.prod(kernel)) * weight_shape[0 if problem.is_transposed else 1]
    if channels == 0 or (exact and activation in EXACT_ACTIVATIONS):
        limit = np.zeros_like(y)
    else:
        size = magnitude(problem.op, operands.x, operands.weight, operands.bias, **options)
        limit = STEEPEST * sum_limit(taps + 1, size) + OWN_ROUNDINGS * np.abs(y)
    arrays = {"x": operands.x, "w": operands.weight, "y": y, "limit": limit}
    steps = window.stride if problem.is_transposed else window.stride[-2:]
    if channels > 0 and set(steps) == {1} and set(kernel[-2:]) <= {1, 3}:
        size = neighbourhood(problem, operands)
        arrays["transform_limit"] = STEEPEST * sum_limit(taps + 1, size) + OWN_ROUNDINGS * np.abs(y)
    if channels > 0 and not problem.is_transposed and set(steps) == {1}:
        # Whole numbers stay exact: see docs/numerics.md.
        size = plane_scale(problem, operands)
        arrays["fft_limit"] = limit
        if not exact or activation not in EXACT_ACTIVATIONS:
            arrays["fft_limit"] = STEEPEST * sum_limit(taps + 1, size) + OWN_ROUNDINGS * np.abs(y)
    if operands.bias is not None:
        arrays["bias"] = operands.bias
    fields: Options = {
        "op": "conv",
        "rank": rank,
        "transposed": int(problem.is_transposed),
        "has_bias": int(operands.bias is not None),
        "activation": activation or "none",
        "boundary": "fill",
        "fill_value": 0.0,
        "samples_per_pixel": 1,
        "batch": batch,
        "in_channels": channels,
        "out_channels": problem.out_channels,
        "groups": problem.groups,
        "in": axes(sizes, 1),
        "output_padding": axes(output_padding, 0),
        **window_options(window),
    }
    return Record(problem.name, fields, arrays)


def filter_margins(kernel: int, mode: str, rotated: bool) -> tuple[int, int]:
    """Padding of an image filter, centred as SciPy centres convolve2d and correlate2d."""
    before = kernel // 2 if rotated else (kernel - 1) // 2
    return {
        "full": (kernel - 1, kernel - 1),
        "same": (before, kernel - 1 - before),
        "valid": (0, 0),
    }[mode]


def filter_record(problem: Problem, operands: Any, exact: bool) -> Record:
    """An image filter: a one-channel convolution whose rows hold whole pixels."""
    options = dict(problem.options)
    height, width, *rest = problem.x_shape
    samples = rest[0] if rest else 1
    assert problem.weight_shape is not None
    kernel = problem.weight_shape
    mode, rotated = options.get("mode", "full"), problem.op == "convolve2d"
    (top, bottom), (left, right) = (filter_margins(k, mode, rotated) for k in kernel)
    weight = operands.weight
    y = cases.call(reference, problem, operands)
    size = magnitude(problem.op, operands.x, operands.weight, **options)
    limit = np.zeros_like(y) if exact else sum_limit(kernel[0] * kernel[1], size)
    fields: Options = {
        "op": "conv",
        "rank": 2,
        "transposed": 0,
        "has_bias": 0,
        "activation": "none",
        "boundary": options.get("boundary", "fill"),
        "fill_value": float(options.get("fill_value", 0.0)),
        "samples_per_pixel": samples,
        "batch": 1,
        "in_channels": 1,
        "out_channels": 1,
        "groups": 1,
        "in": axes((height, width * samples), 1),
        "kernel": axes(kernel, 1),
        "stride": axes((), 1),
        "dilation": axes((1, samples), 1),
        "pad_lo": axes((top, left * samples), 0),
        "pad_hi": axes((bottom, right * samples), 0),
        "output_padding": axes((), 0),
    }
    if rotated:
        weight = weight[::-1, ::-1]
    arrays = {"x": operands.x, "w": weight, "y": y, "limit": limit}
    around = float(options.get("fill_value", 0.0))
    wide = np.full_like(y, max(np.abs(operands.x).max(), abs(around)) * np.abs(weight).sum())
    whole = exact and around.is_integer()
    arrays["fft_limit"] = limit if whole else sum_limit(kernel[0] * kernel[1], wide)
    if set(kernel) <= {1, 3}:
        padding = ((top, bottom), (left * samples, right * samples))
        size = neighbourhood(
            Problem(
                problem.name,
                "conv2d",
                (1, 1, height, width * samples),
                (1, 1, *kernel),
                options={"padding": padding, "dilation": (1, samples)},
            ),
            cases.Operands(operands.x.reshape(1, 1, height, -1), weight[None, None], None),
        )
        arrays["transform_limit"] = STEEPEST * sum_limit(kernel[0] * kernel[1], size)
    return Record(problem.name, fields, arrays)


def pool_record(problem: Problem, operands: Any, exact: bool) -> Record:
    """A maximum, minimum, average, Lp or adaptive pooling."""
    rank, options = problem.rank, dict(problem.options)
    kind = next(k for k in ("max", "min", "avg", "lp") if k in problem.op.split("_"))
    adaptive = problem.op.startswith("adaptive")
    batch, sizes, channels = spatial(problem.x_shape, rank)
    result = cases.call(reference, problem, operands)
    with_indices = bool(options.get("return_indices", False))
    y, indices = result if with_indices else (result, None)
    limit = np.zeros_like(y)
    if kind == "avg":
        count = int(np.prod(sizes)) if adaptive else int(np.prod(pool(problem).kernel))
        size = magnitude(problem.op, operands.x, **options)
        limit = sum_limit(count + 1, size)
    elif kind == "lp":
        # All terms are positive: relative error of a sum, and of two powers.
        limit = (int(np.prod(pool(problem).kernel)) + 16.0) * np.abs(y)
    fields: Options = {
        "op": "pool",
        "rank": rank,
        "kind": kind,
        "adaptive": int(adaptive),
        "ceil_mode": int(options.get("ceil_mode", False)),
        "count_include_pad": int(options.get("count_include_pad", True)),
        "with_indices": int(with_indices),
        "divisor_override": int(options.get("divisor_override") or 0),
        "norm": float(options.get("norm_type", 2.0)),
        "batch": batch,
        "channels": channels,
        "in": axes(sizes, 1),
        "out": axes(y.shape[-rank:], 1),
    }
    if not adaptive:
        fields |= window_options(pool(problem))
    arrays = {"x": operands.x, "y": y, "limit": limit}
    if indices is not None:
        arrays["indices"] = indices
    return Record(problem.name, fields, arrays)


def pool(problem: Problem) -> Any:
    """The window of a pooling that is not adaptive."""
    names = ("kernel_size", "stride", "padding", "dilation")
    return pool_window(
        problem.rank, **{name: problem.options[name] for name in names if name in problem.options}
    )


def fold_record(problem: Problem, operands: Any, exact: bool) -> Record:
    """Unfold or fold; ``in`` is the image's size in both."""
    options = dict(problem.options)
    image = options.pop("output_size", None)
    window = unfold_window(
        options["kernel_size"],
        options.get("dilation", 1),
        options.get("padding", 0),
        options.get("stride", 1),
    )
    taps = int(np.prod(window.kernel))
    y = cases.call(reference, problem, operands)
    if problem.op == "unfold":
        batch, sizes, channels = spatial(problem.x_shape, 2)
        limit = np.zeros_like(y)
    else:
        batch, _, rows = spatial(problem.x_shape, 1)
        channels, sizes = rows // taps, y.shape[-2:]
        size = magnitude(problem.op, operands.x, output_size=image, **options)
        limit = np.zeros_like(y) if exact else sum_limit(taps, size)
    fields: Options = {
        "op": problem.op,
        "batch": batch,
        "channels": channels,
        "in": axes(sizes, 1),
        **window_options(window),
    }
    return Record(problem.name, fields, {"x": operands.x, "y": y, "limit": limit})


def unpool_record(problem: Problem, operands: Any, exact: bool) -> Record:
    """Max unpooling: values move, so both fills are exact."""
    rank = problem.rank
    batch, sizes, channels = spatial(problem.x_shape, rank)
    y = cases.call(reference, problem, operands)
    fields: Options = {
        "op": "unpool",
        "batch": batch,
        "channels": channels,
        "in": axes(sizes, 1),
        "out": axes(y.shape[-rank:], 1),
    }
    arrays = {"x": operands.x, "indices": operands.indices, "y": y, "limit": np.zeros_like(y)}
    return Record(problem.name, fields, arrays)


def records() -> Iterator[Record]:
    """Every problem that the C++ program can run, with both fills."""
    groups = (
        (conv_record, [*cases.CONV_CASES, *cases.TRANSPOSED_CASES]),
        (filter_record, cases.IMAGE_CASES),
        (pool_record, cases.POOL_CASES),
        (fold_record, cases.FOLD_CASES),
        (unpool_record, cases.UNPOOL_CASES),
    )
    for make, problems in groups:
        for problem in problems:
            for fill, operands in (
                ("integers", cases.exact_integers(problem)),
                ("gaussian", cases.gaussian(problem)),
            ):
                record = make(problem, operands, fill == "integers")
                record.name += f"-{fill}"
                yield record


def write(file: BinaryIO, record: Record) -> None:
    """Append one record."""
    lines = [f"name={record.name}", *(f"{key}={value}" for key, value in record.options.items())]
    file.write("".join(line + "\n" for line in lines).encode())
    for name, array in record.arrays.items():
        values = np.ascontiguousarray(array, dtype="<f8").reshape(-1)
        file.write(f"data {name} {values.size}\n".encode())
        file.write(values.tobytes())
    file.write(b"end\n")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--break-one", action="store_true", help="change one expected value, to test the program"
    )
    parser.add_argument(
        "--every",
        type=int,
        default=1,
        metavar="N",
        help="only every Nth problem, for slow machines",
    )
    arguments = parser.parse_args()
    with arguments.file.open("wb") as file:
        file.write(b"fastconv problems 1\n")
        for index, record in enumerate(itertools.islice(records(), 0, None, arguments.every)):
            if index == 0 and arguments.break_one:
                record.arrays["y"] = record.arrays["y"] + 1.0
            write(file, record)


if __name__ == "__main__":
    main()
