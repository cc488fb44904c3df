"""A problem as data: one operator call with its shapes and options, without any array."""

from __future__ import annotations

import importlib
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastconv._output_shape import output_shape as shape_of
from fastconv._window import (
    conv_window,
    output_padding_sizes,
    pool_window,
    transposed_window,
)

FILTER_OPS = frozenset({"convolve2d", "correlate2d"})
FILLS = ("normal", "integer", "infinite")
GRADIENTS = ("", "x", "weight")


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
        gradient: "x" or "weight": what is computed is not the operator but the gradient of its
            result with respect to this argument. Empty: the operator.
    """

    name: str
    op: str
    x_shape: tuple[int, ...]
    weight_shape: tuple[int, ...] | None = None
    bias: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    gradient: str = ""

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for problems that are the same computation, whatever they are called."""
        options = tuple(sorted(self.options.items()))
        return (self.op, self.gradient, self.x_shape, self.weight_shape, self.bias, options)

    @property
    def has_plan(self) -> bool:
        """Whether a plan with packed weights can compute it."""
        return self.is_convolution and not self.gradient

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


class Geometry(NamedTuple):
    """Window, steps and borders of a problem, one number per spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pad_lo: tuple[int, ...]
    pad_hi: tuple[int, ...]
    output_padding: tuple[int, ...]


class Arrays(NamedTuple):
    """The array arguments of a problem, in call order."""

    x: NDArray[Any]
    weight: NDArray[Any] | None
    bias: NDArray[Any] | None
    grad: NDArray[Any] | None = None  # of the operator's result, where a gradient is computed


def geometry(problem: Problem) -> Geometry:
    """Return window, steps and borders of a convolution or of a pooling with fixed windows."""
    options = problem.options
    border = (options.get("padding", 0), options.get("dilation", 1))
    if problem.weight_shape is None:
        w = pool_window(problem.rank, options["kernel_size"], options.get("stride"), *border)
    else:
        make = transposed_window if problem.is_transposed else conv_window
        w = make(problem.weight_shape[-problem.rank :], options.get("stride", 1), *border)
    lo, hi = zip(*w.padding, strict=True)
    extra = output_padding_sizes(options.get("output_padding", 0), w)
    return Geometry(w.kernel, w.stride, w.dilation, lo, hi, extra)


@singledispatch
def output_shape(problem: Problem) -> tuple[int, ...]:
    """Shape of the operator's result."""
    return shape_of(problem.op, problem.x_shape, problem.weight_shape, **problem.options)


def result_shape(problem: Problem) -> tuple[int, ...]:
    """Shape of what is computed: the operator's result, or a gradient."""
    if problem.gradient == "x":
        return problem.x_shape
    if problem.gradient == "weight":
        assert problem.weight_shape is not None
        return problem.weight_shape
    return output_shape(problem)


@singledispatch
def multiply_adds(problem: Problem) -> int:
    """Multiply-adds of the textbook algorithm, padded taps included.

    Pooling counts one operation for each element of each window. A gradient has as many as the
    operator.
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
    if problem.weight_shape is None:
        return outputs * math.prod(geometry(problem).kernel)
    # (kh, kw) of a filter, (out, in/groups, *kernel) of a convolution.
    return outputs * math.prod(problem.weight_shape[0 if problem.is_filter else 1 :])


@singledispatch
def operations(problem: Problem) -> int:
    """Arithmetic operations: two for a multiply-add, one for an element of a pooling window."""
    return multiply_adds(problem) * (1 if problem.weight_shape is None else 2)


@singledispatch
def bytes_moved(problem: Problem, dtype: str = "float32") -> int:
    """Bytes of inputs and output, each touched once: the least traffic that a call can have.

    A convolution's gradient touches input, output and weight too, each as argument or result.
    """
    elements = math.prod(problem.x_shape) + math.prod(output_shape(problem))
    if problem.weight_shape is not None:
        elements += math.prod(problem.weight_shape)
    if problem.bias and not problem.gradient:
        elements += problem.out_channels
    return elements * element_type(dtype).itemsize


def element_type(name: str) -> np.dtype[Any]:
    """Return the dtype of a name; NumPy knows "bfloat16" once ml_dtypes is imported."""
    if name == "bfloat16":
        importlib.import_module("ml_dtypes")
    return np.dtype(name)


@singledispatch
def make_arrays(problem: Problem, dtype: str = "float32", *, fill: str = "normal") -> Arrays:
    """Deterministic arguments of the problem; the same on every machine and in every run.

    Args:
        problem: What to make arguments for.
        dtype: Element type of every array.
        fill: ``"normal"``: x standard normal, weights scaled so that outputs have variance near 1.
            ``"integer"``: small whole numbers, with which every partial sum is exact in float32.
            ``"infinite"``: normal, but the very first weight is infinite.
    """
    if fill not in FILLS:
        raise ValueError(f"fill must be one of {', '.join(FILLS)}, got {fill!r}")
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(problem.name.encode())))

    element = element_type(dtype)
    wide = element == np.float64

    def draw(shape: tuple[int, ...], scale: float = 1.0) -> NDArray[Any]:
        if fill == "integer":
            return generator.integers(-3, 4, shape).astype(element)
        values = generator.standard_normal(shape, np.float64 if wide else np.float32)
        return (values * values.dtype.type(scale)).astype(element, copy=False)

    x = draw(problem.x_shape)
    if problem.weight_shape is None:
        grad = draw(output_shape(problem)) if problem.gradient else None
        return Arrays(x, None, None, grad)
    taps = problem.weight_shape if problem.is_filter else problem.weight_shape[1:]
    weight = draw(problem.weight_shape, 1 / math.sqrt(max(1, math.prod(taps))))
    if fill == "infinite":
        weight.flat[0] = np.inf
    bias = draw((problem.out_channels,)) if problem.bias else None
    return Arrays(x, weight, bias, draw(output_shape(problem)) if problem.gradient else None)


def call(namespace: Any, problem: Problem, arrays: Arrays, **extra: Any) -> Any:
    """Call the problem's operator from ``namespace`` (``fastconv``, ``fastconv.reference``)."""
    if problem.gradient:
        return _call_gradient(namespace, problem, arrays, **extra)
    function = getattr(namespace, problem.op)
    options = {**problem.options, **extra}
    if arrays.weight is None:
        return function(arrays.x, **options)
    if problem.is_filter:
        return function(arrays.x, arrays.weight, **options)
    return function(arrays.x, arrays.weight, arrays.bias, **options)


def _call_gradient(namespace: Any, problem: Problem, arrays: Arrays, **extra: Any) -> Any:
    function = getattr(namespace, f"{problem.op}_backward")
    options = {**problem.options, **extra}
    if arrays.weight is None:
        return function(arrays.grad, arrays.x, **options)
    gradients = function(
        arrays.grad, arrays.x, arrays.weight, bias=False, wanted=(problem.gradient,), **options
    )
    return gradients[("x", "weight").index(problem.gradient)]
