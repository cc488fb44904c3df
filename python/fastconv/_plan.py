"""Plans (weights kept for many calls) and explanations of how a call would be computed."""

from __future__ import annotations

import importlib
import itertools
import operator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastconv import _core
from fastconv._arguments import choice, flag, given, integer, per_axis, shape
from fastconv._conv import Activation, Algorithm, PaddingLike, PerAxis, Precision
from fastconv._device._described import on_device
from fastconv.errors import (
    ArgumentTypeError,
    BackendUnavailableError,
    OptionError,
    OutOfMemoryError,
)

Array = NDArray[Any]
MemoryFormat = Literal["contiguous", "channels_last"]

# In the explanation of what follows a measurement.
_TUNED = "fastconv.tune measured"

_CONVOLUTIONS = {
    f"{name}{rank}d": (rank, name == "conv_transpose")
    for name in ("conv", "conv_transpose")
    for rank in (1, 2, 3)
}


@dataclass(frozen=True)
class Explanation:
    """How a convolution would be computed; printing it gives the whole story.

    Attributes:
        algorithm: "direct", "im2col", "winograd" or "fft".
        kernel: The kernel family.
        reason: Why it was chosen.
        isa: The instruction set, or the architecture of the GPU, such as "sm_90".
        precision: The accuracy asked for.
        threads: Threads of the CPU that take part.
        tile: Register tile.
        tasks: Independent pieces of work of these threads.
        workspace_bytes: Memory beyond inputs and output, all threads together.
        output_shape: Shape of the result.
        text: All of this and more, for people.
    """

    algorithm: str
    kernel: str
    reason: str
    isa: str
    precision: str
    threads: int
    tile: tuple[int, int]
    tasks: int
    workspace_bytes: int
    output_shape: tuple[int, ...]
    text: str

    def __str__(self) -> str:
        return self.text


def plan(
    op: str,
    x_shape: tuple[int, ...],
    weight: Array,
    bias: Array | None = None,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    *,
    output_padding: PerAxis = 0,
    algorithm: Algorithm = "auto",
    activation: Activation | None = None,
    precision: Precision | None = None,
    memory_format: MemoryFormat = "contiguous",
    tune: bool = False,
) -> _core.ConvPlan:
    """Prepare a convolution for many calls with inputs of one shape.

    Weights and bias are copied, and packed where the kernel wants that; the caller may change its
    own afterwards.

    Args:
        op: "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d" or
            "conv_transpose3d".
        x_shape: Shape of the inputs to come.
        weight: As for the operator; its dtype is the plan's.
        bias: As for the operator.
        stride: As for the operator.
        padding: As for the operator.
        dilation: As for the operator.
        groups: As for the operator.
        output_padding: As for the transposed operator; 0 for the others.
        algorithm: As for the operator.
        activation: As for the operator.
        precision: As for the operator.
        memory_format: Layout for which the plan is made, "contiguous" (NCHW) or "channels_last".
            Inputs in another layout are copied first.
        tune: Measure first which kernel is fastest, as :func:`tune` does, unless that is known.

    Returns:
        A callable ``plan(x, out=None)`` with the attributes ``output_shape`` and ``explanation``.

    Raises:
        OptionError: An unknown op or memory_format.
        FastconvError: Whatever the operator raises for such arguments.

    Example:
        >>> import numpy as np, fastconv
        >>> weight = np.ones((8, 3, 3, 3), dtype=np.float32)
        >>> blur = fastconv.plan("conv2d", (1, 3, 32, 32), weight, padding=1)
        >>> blur(np.ones((1, 3, 32, 32), dtype=np.float32)).shape
        (1, 8, 32, 32)
    """
    arguments = _arguments(
        op,
        x_shape,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        dilation,
        groups,
        algorithm,
        activation,
        precision,
        memory_format,
    )
    made = _core.prepare_conv(*arguments)
    if flag("tune", tune) and _TUNED not in made.explanation:
        from fastconv._tuning import tune_arguments

        tune_arguments(arguments, x_shape, weight, memory_format)
        made = _core.prepare_conv(*arguments)
    return made


def plan_with_addend(
    op: str,
    x_shape: tuple[int, ...],
    weight: Array,
    bias: Array | None = None,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    *,
    output_padding: PerAxis = 0,
    algorithm: Algorithm = "auto",
    activation: Activation | None = None,
    memory_format: MemoryFormat = "contiguous",
) -> _core.ConvPlan:
    """Plan a convolution that adds an array to its results before the activation.

    For compiled networks; float32 and float64. The plan is called with x, the array for the
    result, and the addend, which must lie in memory as the result does, apart from it.
    """
    return _core.prepare_sum(
        *_arguments(
            op,
            x_shape,
            weight,
            bias,
            stride,
            padding,
            output_padding,
            dilation,
            groups,
            algorithm,
            activation,
            None,
            memory_format,
        )
    )


def explain(
    op: str,
    x_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    *,
    bias: bool = False,
    dtype: Any = np.float32,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    output_padding: PerAxis = 0,
    algorithm: Algorithm = "auto",
    activation: Activation | None = None,
    precision: Precision | None = None,
    memory_format: MemoryFormat = "contiguous",
    device: str = "cpu",
) -> Explanation:
    """Tell how a convolution would be computed, without computing it.

    Args:
        op: As for :func:`plan`.
        x_shape: Shape of the input.
        weight_shape: Shape of the weight.
        bias: Whether there is a bias.
        dtype: float32, float64, float16 or bfloat16; a NumPy dtype or its name.
        stride: As for the operator.
        padding: As for the operator.
        dilation: As for the operator.
        groups: As for the operator.
        output_padding: As for the transposed operator.
        algorithm: As for the operator.
        activation: As for the operator.
        precision: As for the operator.
        memory_format: "contiguous" or "channels_last".
        device: "cpu", or a GPU: "cuda" for the first one, "cuda:1" and so on.

    Returns:
        An :class:`Explanation`.

    Raises:
        OptionError: An unknown device.
        BackendUnavailableError: A GPU where CUDA is off.
        FastconvError: Whatever the operator raises for such arguments.
    """
    sizes = shape("weight_shape", weight_shape)
    weight = _weightless("weight_shape", sizes, _float(dtype))
    transposed = op.startswith("conv_transpose") if isinstance(op, str) else False
    parts = integer("groups", groups, minimum=1) if transposed else 1
    channels = (sizes[1] * parts if transposed else sizes[0]) if len(sizes) > 1 else 0
    has_bias = flag("bias", bias)
    described = on_device(device)
    facts = _core.explain_conv(
        *_arguments(
            op,
            x_shape,
            described(weight),
            described(_weightless("bias", (channels,), weight.dtype)) if has_bias else None,
            stride,
            padding,
            output_padding,
            dilation,
            groups,
            algorithm,
            activation,
            precision,
            memory_format,
        )
    )
    return Explanation(**facts)


def _weightless(name: str, sizes: tuple[int, ...], dtype: Any) -> Array:
    """Return what describes a contiguous array and takes no memory: nobody may read it."""
    try:
        one = np.broadcast_to(np.zeros((), dtype), sizes)
        steps = itertools.accumulate(reversed(sizes), operator.mul, initial=one.itemsize)
        strides = tuple(itertools.islice(steps, len(sizes)))[::-1]
        return np.lib.stride_tricks.as_strided(one, strides=strides, writeable=False)
    except ValueError:
        raise OutOfMemoryError(
            f"{name} {sizes} is more than an array can have; pass smaller sizes"
        ) from None


def _float(dtype: Any) -> Any:
    try:
        if isinstance(dtype, str) and dtype == "bfloat16":
            # The package that adds the type to NumPy may be there and not yet imported.
            return np.dtype(importlib.import_module("ml_dtypes").bfloat16)
        return np.dtype(dtype)
    except ImportError:
        raise BackendUnavailableError(
            "dtype 'bfloat16' needs the package ml_dtypes, which is not installed; install it, or "
            "pass numpy.float32"
        ) from None
    except TypeError:
        raise ArgumentTypeError(
            f"dtype must be a NumPy dtype, got {given(dtype)}; pass numpy.float32 or another"
        ) from None


def _arguments(
    op: str,
    x_shape: tuple[int, ...],
    weight: Array,
    bias: Array | None,
    stride: PerAxis,
    padding: PaddingLike,
    output_padding: PerAxis,
    dilation: PerAxis,
    groups: int,
    algorithm: Algorithm,
    activation: Activation | None,
    precision: Precision | None,
    memory_format: MemoryFormat,
) -> tuple[Any, ...]:
    rank, transposed = _CONVOLUTIONS[choice("op", op, tuple(_CONVOLUTIONS))]
    choice("memory_format", memory_format, ("contiguous", "channels_last"))
    if not transposed and any(per_axis("output_padding", output_padding, rank, minimum=0)):
        raise OptionError(
            f"output_padding must be 0 for {op}, got {output_padding!r}; only a transposed "
            "convolution has it"
        )
    return (
        rank,
        transposed,
        shape("x_shape", x_shape),
        weight,
        bias,
        stride,
        padding,
        output_padding,
        dilation,
        groups,
        algorithm,
        activation,
        precision,
        memory_format == "channels_last",
    )
