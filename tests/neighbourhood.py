"""What errors of transforms, which mix pixels and kernel elements first, are relative to."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

import cases
from fastconv import reference
from fastconv._window import conv_window, output_padding_sizes, transposed_window
from fastconv.benchmarks.problem import Problem

# Pixels of a phase that a Winograd kernel may mix: tiles of F(4x4, 3x3) are 6 wide.
REACH = 5


def neighbourhood(problem: Problem, operands: cases.Operands) -> NDArray[np.float64]:
    """S of docs/numerics.md, for each output.

    The sum over the channels of the largest |x| under the kernel or within REACH steps of it (of
    dilation, or of a convolution's stride), times the sum of |w| over the kernel's elements; |bias|
    is one of the terms.
    """
    rank, options = problem.rank, problem.options
    kernel = problem.weight_shape[2:]
    geometry = (options.get("stride", 1), options.get("padding", 0), options.get("dilation", 1))
    x = np.abs(operands.x)
    spatial = range(x.ndim - rank, x.ndim)
    if problem.is_transposed:
        window = transposed_window(kernel, *geometry)
        added = output_padding_sizes(options.get("output_padding", 0), window)
    else:
        window = conv_window(kernel, *geometry)
        added = (0,) * rank
    for i, axis in enumerate(spatial):
        covered, (low, high) = window.dilation[i] * (kernel[i] - 1), window.padding[i]
        stride, size = window.stride[i], x.shape[axis]
        # The first input that an output's kernel meets, and how many it covers.
        if problem.is_transposed:
            count = (size - 1) * stride + covered + 1 - low - high + added[i]
            covered = -(-covered // stride)
            first = (np.arange(count) + low) // stride - covered
            reach = REACH * window.dilation[i]
        else:
            count = (size + low + high - covered - 1) // stride + 1
            first = np.arange(count) * stride - low
            reach = REACH * max(stride, window.dilation[i])
        before = reach + max(0, -int(first.min(initial=0)))
        after = reach + covered + 1 + max(0, int(first.max(initial=0)) - size + 1)
        x = np.pad(x, [(before, after) if a == axis else (0, 0) for a in range(x.ndim)])
        around = sliding_window_view(x, covered + 1 + 2 * reach, axis).max(-1)
        x = np.take(around, before - reach + first, axis)
    weight = np.abs(operands.weight).sum(tuple(range(2, 2 + rank)), keepdims=True)
    groups = options.get("groups", 1)
    scale: NDArray[np.float64] = reference.magnitude(
        problem.op, x, weight, operands.bias, groups=groups
    )
    return scale


def plane_scale(problem: Problem, operands: cases.Operands) -> NDArray[np.float64]:
    """S of docs/numerics.md for Fourier transforms, for each output.

    The sum over the channels of the largest |x| of the image, times the sum of |w| over the
    kernel's elements; |bias| is one of the terms.
    """
    x, rank = np.abs(operands.x), problem.rank
    largest = x.max(tuple(range(x.ndim - rank, x.ndim)), keepdims=True, initial=0.0)
    weight = np.abs(operands.weight).sum(tuple(range(2, 2 + rank)), keepdims=True)
    y = cases.call(reference, problem, operands)
    scale: NDArray[np.float64] = reference.magnitude(
        problem.op, largest, weight, operands.bias, groups=problem.options.get("groups", 1)
    )
    return np.broadcast_to(scale, y.shape).copy()
