"""Writes the problems of tests/cases.py, with expected results, for the C++ kernel tests.

Usage: export.py [--every N] [--break-one] FILE

Every problem is written twice: filled with whole numbers, where the kernels must be exact, and with
normal random numbers, where each result may differ by its limit. The format stands in
problem_file.h.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cases
from conv_cases import ACTIVATIONS
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


def gradients(problem: Problem, operands: Any) -> dict[str, Array]:
    """A gradient of the output of whole numbers, and those of the operands that follow from it."""
    options = {name: value for name, value in problem.options.items() if name != "activation"}
    linear = replace(problem, options=options)
    grad = cases.output_gradient(linear, operands, whole=True)
    x, weight, bias = cases.convolution_gradients(reference, linear, operands, grad)
    return {"grad": grad, "x_grad": x, "w_grad": weight, "bias_grad": bias}


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
    if channels > 0 and set(window.stride[-2:]) <= {1, 2} and max(kernel[-2:]) <= 6:
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
    if exact and channels > 0:
        arrays |= gradients(problem, operands)
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
    arrays |= pool_gradient(problem, operands, y)
    return Record(problem.name, fields, arrays)


def pool_gradient(problem: Problem, operands: Any, y: Array) -> dict[str, Array]:
    """Whole numbers as the gradient of a pooling's output, and that of its input."""
    backward = getattr(reference, problem.op + "_backward")
    options = {k: v for k, v in problem.options.items() if k != "return_indices"}
    grad = np.random.default_rng(len(problem.name)).integers(-4, 5, y.shape).astype(np.float64)
    result = backward(grad, operands.x, **options)
    limit = np.zeros_like(result)
    if "avg" in problem.op or "lp" in problem.op:
        limit = 8 * backward(np.abs(grad), operands.x, **options)
    if "lp" in problem.op:  # the slope of a norm has a power and a root of its own
        limit = 16 * np.abs(limit) + 8 * np.nanmax(np.abs(result), initial=0)
    return {"y_grad": grad, "x_grad": result, "x_grad_limit": limit}


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
    backward = getattr(reference, problem.op + "_backward")
    grad = np.random.default_rng(len(problem.name)).integers(-4, 5, y.shape).astype(np.float64)
    arrays |= {
        "y_grad": grad,
        "x_grad": backward(grad, operands.x, operands.indices, **problem.options),
        "x_grad_limit": np.zeros(problem.x_shape),
    }
    return Record(problem.name, fields, arrays)


def special_values(problem: Problem, operands: Any) -> Any:
    """A quarter of x NaN or infinite."""
    generator = np.random.default_rng(len(problem.name))
    x = operands.x.copy()
    chosen = generator.random(x.shape) < 0.25
    x[chosen] = generator.choice([np.nan, np.inf, -np.inf], np.count_nonzero(chosen))
    return operands._replace(x=x)


def repeated_indices(operands: Any) -> Any:
    """The same index for every third value of a plane."""
    indices = operands.indices.copy()
    flat = indices.reshape(len(indices), math.prod(indices.shape[1:]))
    flat[:, ::3] = flat[:, :1]
    return operands._replace(indices=flat.reshape(indices.shape))


def activation_record(kind: str, fill: str) -> Record:
    """An activation of many values, and its gradient. Sixteenths are elements of every type."""
    ends = [0.0, -0.0, 3.0, -3.0, 6.0, 80.0, -80.0, np.inf, -np.inf, np.nan]
    step = 0.0625 if fill == "integers" else 0.017
    values = np.arange(-12, 12, step).astype(np.float32).astype(np.float64)
    x = np.concatenate([values, ends])
    grad = np.random.default_rng(0).integers(-4, 5, x.shape).astype(np.float64)
    y = reference.activation(x, kind)
    slope = reference.activation_backward(grad, x, kind)
    fields: Options = {"op": "activation", "activation": kind, "batch": x.size}
    return Record(
        f"activation-{kind}-{fill}",
        fields,
        {
            "x": x,
            "y": y,
            "limit": 8 * np.abs(y) + 4,
            "y_grad": grad,
            "x_grad": slope,
            "x_grad_limit": 32 * np.abs(slope) + 32,
        },
    )


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
    # NaN and infinities are elements of every type, and are selected, not computed with.
    for problem in cases.POOL_CASES:
        if "max" in problem.op or "min" in problem.op:
            record = pool_record(
                problem, special_values(problem, cases.exact_integers(problem)), exact=True
            )
            record.name += "-special-integers"
            yield record
    for problem in cases.UNPOOL_CASES:
        record = unpool_record(problem, repeated_indices(cases.gaussian(problem)), exact=True)
        record.name += "-repeated"
        yield record
    for kind in ACTIVATIONS:
        yield activation_record(kind, "integers")
        yield activation_record(kind, "gaussian")


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
