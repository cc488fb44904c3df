"""The rule of each family of operators for the shape of its result, with every check of sizes."""

from __future__ import annotations

import math
from typing import Any, SupportsFloat

from fastconv import _arguments
from fastconv._arguments import Ints
from fastconv._window import (
    conv_window,
    output_padding_sizes,
    pool_window,
    transposed_window,
    unfold_window,
)
from fastconv.errors import ArgumentTypeError, OptionError, ShapeError

MODES = ("full", "same", "valid")
BOUNDARIES = ("fill", "reflect", "nearest", "wrap")


def conv_shape(
    rank: int,
    x_shape: Ints,
    weight_shape: Ints,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: Any = 1,
) -> Ints:
    """Output shape of conv1d, conv2d and conv3d."""
    lead, sizes = split(rank, x_shape)
    channels = lead[-1]
    groups = _arguments.integer("groups", groups, minimum=1)
    kernel = _kernel_sizes(rank, weight_shape)
    out_channels, group_in = weight_shape[:2]
    if out_channels < 1 or out_channels % groups:
        raise ShapeError(
            f"weight has {out_channels} output channels (first axis) with groups={groups}; they "
            "must be a positive multiple of groups: change groups or the weight"
        )
    if channels != group_in * groups:
        raise ShapeError(
            f"x has {channels} channels, but weight of shape {weight_shape} with groups={groups} "
            f"needs {group_in * groups} (= weight.shape[1] * groups); weights are "
            "(out, in/groups, *kernel): change x, weight or groups"
        )
    window = conv_window(kernel, stride, padding, dilation)
    # torch gives an output without channels for an input without channels.
    return (*lead[:-1], out_channels if channels else 0, *window.output_sizes(sizes))


def conv_transpose_shape(
    rank: int,
    x_shape: Ints,
    weight_shape: Ints,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: Any = 1,
    dilation: Any = 1,
) -> Ints:
    """Output shape of conv_transpose1d, conv_transpose2d and conv_transpose3d."""
    lead, sizes = split(rank, x_shape)
    groups = _arguments.integer("groups", groups, minimum=1)
    kernel = _kernel_sizes(rank, weight_shape)
    in_channels, group_out = weight_shape[:2]
    if in_channels < 1 or group_out < 1 or in_channels % groups:
        raise ShapeError(
            f"weight of shape {weight_shape} with groups={groups} does not fit; a transposed "
            "convolution has weights (in, out/groups, *kernel), none of them 0, and in is a "
            "multiple of groups: change groups or the weight"
        )
    if lead[-1] != in_channels:
        raise ShapeError(
            f"x has {lead[-1]} channels, but weight of shape {weight_shape} needs {in_channels} "
            "(= weight.shape[0]); weights are (in, out/groups, *kernel): change x or weight"
        )
    window = transposed_window(kernel, stride, padding, dilation)
    extra = output_padding_sizes(output_padding, window)
    return (*lead[:-1], group_out * groups, *window.transposed_sizes(sizes, extra))


def pool_shape(
    rank: int, x_shape: Ints, kernel_size: Any, ceil_mode: Any = False, **options: Any
) -> Ints:
    """Output shape of max, min, average and Lp pooling."""
    lead, sizes = split(rank, x_shape)
    require_elements(lead, sizes)
    window = pool_window(rank, kernel_size, **options)
    return (*lead, *window.pooled_sizes(sizes, _arguments.flag("ceil_mode", ceil_mode)))


def lp_pool_shape(rank: int, x_shape: Ints, norm_type: Any = 2, **options: Any) -> Ints:
    """Output shape of Lp pooling; the norm must be finite and positive."""
    if isinstance(norm_type, bool) or not isinstance(norm_type, SupportsFloat):
        raise ArgumentTypeError(f"norm_type must be a number, got {norm_type!r}; pass a float")
    if not (0 < float(norm_type) < math.inf):
        raise OptionError(
            f"norm_type must be finite and greater than 0, got {norm_type}; use max_pool for the "
            "infinity norm"
        )
    return pool_shape(rank, x_shape, **options)


def avg_pool_shape(
    rank: int,
    x_shape: Ints,
    count_include_pad: Any = True,
    divisor_override: Any = None,
    **options: Any,
) -> Ints:
    """Output shape of average pooling."""
    _arguments.flag("count_include_pad", count_include_pad)
    if (
        divisor_override is not None
        and _arguments.integer("divisor_override", divisor_override) == 0
    ):
        raise OptionError("divisor_override must not be 0; pass None to divide by the window size")
    return pool_shape(rank, x_shape, **options)


def adaptive_shape(rank: int, x_shape: Ints, output_size: Any) -> Ints:
    """Output shape of adaptive pooling; None keeps the size of an axis."""
    lead, sizes = split(rank, x_shape)
    require_elements((), sizes)
    given = (output_size,) * rank
    if _arguments.is_sequence(output_size):
        given = _arguments.elements("output_size", output_size)
    if len(given) != rank:
        raise ShapeError(
            f"output_size must have one entry per spatial axis ({rank}), got {output_size!r}; "
            "pass a single int or None, or one per axis"
        )
    return (
        *lead,
        *(
            size if want is None else _arguments.integer(f"output_size[{axis}]", want, minimum=0)
            for axis, (size, want) in enumerate(zip(sizes, given, strict=True))
        ),
    )


def adaptive_max_shape(rank: int, x_shape: Ints, output_size: Any) -> Ints:
    """Output shape of adaptive max pooling, which has no value for an input without channels."""
    lead, sizes = split(rank, x_shape)
    require_elements(lead, sizes)
    return adaptive_shape(rank, x_shape, output_size)


def unpool_shape(
    rank: int,
    x_shape: Ints,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Ints:
    """Output shape of max unpooling: (n-1)*s - lo - hi + k, or output_size within one stride."""
    lead, sizes = split(rank, x_shape)
    require_elements(lead, sizes)
    window = pool_window(rank, kernel_size, stride, padding)
    default = tuple(
        (n - 1) * s - lo - hi + k
        for n, s, (lo, hi), k in zip(
            sizes, window.stride, window.padding, window.kernel, strict=True
        )
    )
    wanted = default
    if output_size is not None:
        wanted = _arguments.shape("output_size", output_size)
        if len(wanted) == rank + 2:
            wanted = wanted[2:]
        if len(wanted) != rank:
            raise ShapeError(
                f"output_size must have {rank} entries (or {rank + 2}, the whole shape), got "
                f"{output_size!r}; pass the spatial sizes"
            )
    for axis, (size, usual, s) in enumerate(zip(wanted, default, window.stride, strict=True)):
        if not usual - s < size < usual + s:
            raise ShapeError(
                f"output_size must lie between {usual - s + 1} and {usual + s - 1} on spatial "
                f"axis {axis}, got {size}; pass the input size of the pooling"
            )
        if size < 1:
            raise ShapeError(
                f"the output is empty on spatial axis {axis} (size {size}); use less padding or a "
                "larger kernel_size"
            )
    return (*lead, *wanted)


def unfold_shape(
    x_shape: Ints, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Ints:
    """Output shape of unfold: (N, C*kh*kw, number of window positions)."""
    lead, sizes = split(2, x_shape)
    require_elements(lead, sizes)
    window = unfold_window(kernel_size, dilation, padding, stride)
    rows, columns = window.kernel
    return (*lead[:-1], lead[-1] * rows * columns, math.prod(window.output_sizes(sizes)))


def fold_shape(
    x_shape: Ints,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Ints:
    """Output shape of fold: (N, C, *output_size)."""
    if len(x_shape) not in (2, 3) or 0 in x_shape[-2:]:
        raise ShapeError(
            f"x must be (N, C*kh*kw, L) or (C*kh*kw, L) with no axis but N empty, got {x_shape}"
        )
    window = unfold_window(kernel_size, dilation, padding, stride)
    sizes = _arguments.per_axis("output_size", output_size, 2, minimum=1)
    taps, positions = math.prod(window.kernel), math.prod(window.output_sizes(sizes))
    if x_shape[-2] % taps or x_shape[-1] != positions:
        raise ShapeError(
            f"x of shape {x_shape} does not fit: its last two axes must be a multiple of {taps} "
            f"(the kernel's elements) and {positions} (window positions in output_size {sizes}); "
            "pass the output_size and the options that unfold was called with"
        )
    return (*x_shape[:-2], x_shape[-2] // taps, *sizes)


def filter_shape(
    x_shape: Ints, kernel_shape: Ints, mode: Any = "full", boundary: Any = "fill"
) -> Ints:
    """Output shape of convolve2d and correlate2d."""
    _arguments.choice("mode", mode, MODES)
    _arguments.choice("boundary", boundary, BOUNDARIES)
    if len(x_shape) not in (2, 3) or 0 in x_shape:
        raise ShapeError(f"the image must be (H, W) or (H, W, C), none of them 0, got {x_shape}")
    if len(kernel_shape) != 2 or 0 in kernel_shape:
        raise ShapeError(f"the kernel must be (kh, kw), none of them 0, got {kernel_shape}")
    grow = {"full": 1, "same": 0, "valid": -1}[mode]
    sizes = tuple(n + grow * (k - 1) for n, k in zip(x_shape[:2], kernel_shape, strict=True))
    if min(sizes) < 1:
        raise ShapeError(
            f"mode 'valid' needs a kernel no larger than the image, got a kernel of "
            f"{kernel_shape} and an image of {x_shape[:2]}; use mode 'same' or 'full'"
        )
    return (*sizes, *x_shape[2:])


def split(rank: int, x_shape: Ints) -> tuple[Ints, Ints]:
    """Shape as leading axes, (N, C) or (C,), and spatial sizes."""
    if len(x_shape) not in (rank + 1, rank + 2):
        spatial = "DHW"[-rank:]
        raise ShapeError(
            f"x must have {rank + 2} axes (N, C, {', '.join(spatial)}) or {rank + 1} without N, "
            f"got shape {x_shape}; add or remove axes of size 1"
        )
    return x_shape[:-rank], x_shape[-rank:]


def require_elements(lead: Ints, sizes: Ints) -> None:
    """Only the batch may be empty, as in torch."""
    if 0 in lead[-1:] or 0 in sizes:
        raise ShapeError(
            f"x must have at least 1 element on every axis but the batch, got {(*lead, *sizes)}"
        )


def _kernel_sizes(rank: int, weight_shape: Ints) -> Ints:
    if len(weight_shape) != rank + 2:
        raise ShapeError(
            f"weight must have {rank + 2} axes (two for channels, {rank} for the kernel), got "
            f"shape {weight_shape}; add or remove axes of size 1"
        )
    kernel = weight_shape[2:]
    if 0 in kernel:
        raise ShapeError(f"the kernel must not be empty, got weight shape {weight_shape}")
    return kernel
