"""A problem as data: one operator call with its shapes and options, without any array."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FILTER_OPS = frozenset({"convolve2d", "correlate2d"})


@dataclass(frozen=True)
class Problem:
    """One call of an operator of ``fastconv``.

    Attributes:
        name: Label in tables; also part of the seed of the inputs.
        op: Name of the functional operator, such as ``"conv2d"`` or ``"correlate2d"``.
        x_shape: Shape of the first argument: (N, C, *spatial), (C, *spatial), or (H, W[, C]) for
            the image filters.
        weight_shape: (out, in/groups, *kernel); (in, out/groups, *kernel) when transposed;
            (kh, kw) for the image filters; None for pooling.
        bias: Whether a bias of one value per output channel is passed.
        options: Keyword arguments of the call.
    """

    name: str
    op: str
    x_shape: tuple[int, ...]
    weight_shape: tuple[int, ...] | None = None
    bias: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return int(self.op[-2]) if self.op.endswith("d") and self.op[-2].isdigit() else 2

    @property
    def groups(self) -> int:
        """Channel groups of the convolution."""
        return int(self.options.get("groups", 1))

    @property
    def is_transposed(self) -> bool:
        """Whether the operator is a transposed convolution."""
        return self.op.startswith("conv_transpose")

    @property
    def is_filter(self) -> bool:
        """Whether the operator filters an (H, W[, C]) image."""
        return self.op in FILTER_OPS

    @property
    def is_convolution(self) -> bool:
        """Whether the operator takes (out, in/groups, *kernel) weights, transposed or not."""
        return self.weight_shape is not None and not self.is_filter

    @property
    def out_channels(self) -> int:
        """Channels of the output of a convolution."""
        if self.weight_shape is None or self.is_filter:
            raise ValueError(f"{self.op} has no weight that sets its output channels")
        if self.is_transposed:
            return self.weight_shape[1] * self.groups
        return self.weight_shape[0]


class Arrays(NamedTuple):
    """The array arguments of a problem, in call order."""

    x: NDArray[Any]
    weight: NDArray[Any] | None
    bias: NDArray[Any] | None


def per_axis(value: Any, rank: int) -> tuple[int, ...]:
    """Return an option as one number per spatial axis."""
    return (int(value),) * rank if np.isscalar(value) else tuple(int(v) for v in value)


def padding_pairs(problem: Problem) -> tuple[tuple[int, int], ...]:
    """Return the padding before and after each spatial axis, whatever its form."""
    rank, value = problem.rank, problem.options.get("padding", 0)
    if value == "valid":
        return ((0, 0),) * rank
    if value == "same":
        assert problem.weight_shape is not None
        dilation = per_axis(problem.options.get("dilation", 1), rank)
        totals = [d * (k - 1) for d, k in zip(dilation, problem.weight_shape[-rank:], strict=True)]
        return tuple((t // 2, t - t // 2) for t in totals)
    if np.isscalar(value):
        return ((int(value), int(value)),) * rank
    return tuple((int(p), int(p)) if np.isscalar(p) else (int(p[0]), int(p[1])) for p in value)


def window(problem: Problem) -> tuple[int, ...]:
    """Kernel or pooling window, one size per spatial axis."""
    if problem.weight_shape is not None:
        return problem.weight_shape[-problem.rank :]
    return per_axis(problem.options["kernel_size"], problem.rank)


def output_shape(problem: Problem) -> tuple[int, ...]:
    """Shape of the result of a convolution, transposed convolution, pooling or filter."""
    if problem.is_filter:
        return _filter_shape(problem)
    rank, options = problem.rank, problem.options
    lead, sizes = problem.x_shape[:-rank], problem.x_shape[-rank:]
    if problem.is_convolution:
        lead = (*lead[:-1], problem.out_channels)
    if problem.op.startswith("adaptive"):
        wanted = options["output_size"]
        wanted = (wanted,) * rank if wanted is None or np.isscalar(wanted) else wanted
        return (*lead, *(n if w is None else int(w) for n, w in zip(sizes, wanted, strict=True)))
    kernel = window(problem)
    default_stride = 1 if problem.is_convolution else kernel
    stride = per_axis(options.get("stride") or default_stride, rank)
    dilation = per_axis(options.get("dilation", 1), rank)
    extra = per_axis(options.get("output_padding", 0), rank)
    spatial = []
    for axis, (lo, hi) in enumerate(padding_pairs(problem)):
        extent = dilation[axis] * (kernel[axis] - 1) + 1
        size, step = sizes[axis], stride[axis]
        if problem.is_transposed:
            spatial.append((size - 1) * step - lo - hi + extent + extra[axis])
            continue
        room = size + lo + hi - extent
        out = room // step + 1
        if options.get("ceil_mode"):
            out = -(-room // step) + 1
            if (out - 1) * step >= size + lo:
                out -= 1
        spatial.append(out)
    return (*lead, *spatial)


def _filter_shape(problem: Problem) -> tuple[int, ...]:
    assert problem.weight_shape is not None
    grow = {"full": 1, "same": 0, "valid": -1}[problem.options.get("mode", "full")]
    rows, cols = problem.x_shape[:2]
    kh, kw = problem.weight_shape
    return (rows + grow * (kh - 1), cols + grow * (kw - 1), *problem.x_shape[2:])


def multiply_adds(problem: Problem) -> int:
    """Multiply-adds of the textbook algorithm, padded taps included.

    Pooling counts one operation for each element of each window.
    """
    if problem.is_transposed:
        assert problem.weight_shape is not None
        return math.prod(problem.x_shape) * math.prod(problem.weight_shape[1:])
    outputs = math.prod(output_shape(problem))
    if problem.op.startswith("adaptive"):
        # Windows [floor(o*in/out), ceil((o+1)*in/out)) overlap where `out` does not divide `in`.
        lead = math.prod(problem.x_shape[: -problem.rank])
        sizes = problem.x_shape[-problem.rank :]
        wanted = output_shape(problem)[-problem.rank :]
        taps = (
            sum(-(-(o + 1) * n // w) - o * n // w for o in range(w))
            for n, w in zip(sizes, wanted, strict=True)
        )
        return lead * math.prod(taps)
    taps_per_output = math.prod(window(problem))
    if problem.is_convolution:
        assert problem.weight_shape is not None
        taps_per_output *= problem.weight_shape[1]
    return outputs * taps_per_output


def bytes_moved(problem: Problem, dtype: str = "float32") -> int:
    """Bytes of inputs and output, each touched once: the least traffic that a call can have."""
    elements = math.prod(problem.x_shape) + math.prod(output_shape(problem))
    if problem.weight_shape is not None:
        elements += math.prod(problem.weight_shape)
    if problem.bias:
        elements += problem.out_channels
    return elements * np.dtype(dtype).itemsize


def make_arrays(problem: Problem, dtype: str = "float32", *, fill: str = "normal") -> Arrays:
    """Deterministic arguments of the problem; the same on every machine and in every run.

    Args:
        problem: What to make arguments for.
        dtype: Element type of every array.
        fill: ``"normal"``: x standard normal, weights scaled so that outputs have variance near 1.
            ``"integer"``: small whole numbers, with which every partial sum is exact in float32.
    """
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(problem.name.encode())))

    def draw(shape: tuple[int, ...], scale: float = 1.0) -> NDArray[Any]:
        if fill == "integer":
            return generator.integers(-3, 4, shape).astype(dtype)
        if fill != "normal":
            raise ValueError(f"fill must be 'normal' or 'integer', got {fill!r}")
        return (generator.standard_normal(shape, np.float32) * np.float32(scale)).astype(dtype)

    x = draw(problem.x_shape)
    if problem.weight_shape is None:
        return Arrays(x, None, None)
    taps = problem.weight_shape if problem.is_filter else problem.weight_shape[1:]
    weight = draw(problem.weight_shape, 1 / math.sqrt(max(1, math.prod(taps))))
    return Arrays(x, weight, draw((problem.out_channels,)) if problem.bias else None)


def call(namespace: Any, problem: Problem, arrays: Arrays, **extra: Any) -> Any:
    """Call the problem's operator from ``namespace`` (``fastconv``, ``fastconv.reference``)."""
    function = getattr(namespace, problem.op)
    options = {**problem.options, **extra}
    if arrays.weight is None:
        return function(arrays.x, **options)
    if problem.is_filter:
        return function(arrays.x, arrays.weight, **options)
    return function(arrays.x, arrays.weight, arrays.bias, **options)
