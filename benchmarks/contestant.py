"""What the runner times: one library's way of solving a problem, fastconv's or a peer's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastconv._plan import MemoryFormat

from .problem import Arrays, Problem


@dataclass(frozen=True)
class Settings:
    """What every contestant of a run shares.

    Attributes:
        threads: Worker threads that each library is told to use.
        dtype: Element type of all arrays.
        algorithm: Algorithm forced on fastconv; peers ignore it.
        precision: Level that fastconv is asked for. At "medium" peers that have bfloat16
            arithmetic use it, at "high" all compute in float32.
        isa: Instruction set that fastconv is held to, where one was forced.
        memory_format: Layout of fastconv's arrays, "contiguous" (NCHW) or "channels_last"; peers
            keep theirs.
    """

    threads: int
    dtype: str = "float32"
    algorithm: str = "auto"
    precision: str = "highest"
    isa: str | None = None
    memory_format: MemoryFormat = "contiguous"

    def of(self, problem: Problem) -> Settings:
        """Return the settings of one problem: levels of precision concern products."""
        return self if problem.weight_shape is not None else replace(self, precision="highest")

    @property
    def peer_dtype(self) -> str:
        """Element type in which peers compute that have a choice."""
        matched = self.precision == "medium" and self.dtype == "float32"
        return "bfloat16" if matched else self.dtype


class DeclinedError(Exception):
    """The contestant cannot run this problem; the message says why."""


@dataclass(frozen=True)
class Prepared:
    """A problem made ready: weights packed, graphs compiled, inputs in the library's own form.

    Attributes:
        run: The timed call. It computes the whole output.
        fetch: Turns what ``run`` returned into an array in the reference's layout; not timed.
        calls: Calls of the operator that ``run`` makes.
    """

    run: Callable[[], Any]
    fetch: Callable[[Any], NDArray[Any]] = np.asarray
    calls: int = 1


class Contestant(Protocol):
    """One library in one mode of use."""

    @property
    def key(self) -> str:
        """Name on the command line and in figures."""

    @property
    def title(self) -> str:
        """Name in pictures."""

    @property
    def distributions(self) -> tuple[str, ...]:
        """Names under which pip knows what is used."""

    def prepare(self, problem: Problem, arrays: Arrays, settings: Settings) -> Prepared:
        """Make a problem ready, or raise DeclinedError."""


def forward_only(problem: Problem) -> None:
    """Decline gradients."""
    if problem.gradient:
        raise DeclinedError("computes no gradients")


def not_held(settings: Settings) -> None:
    """Decline where fastconv is held to AVX2 and the peer cannot be."""
    if settings.isa == "avx2":
        raise DeclinedError("has no switch that holds it to AVX2")


def only_float32(settings: Settings) -> None:
    """Decline other element types."""
    if settings.dtype != "float32":
        raise DeclinedError(f"computes in float32 only, not {settings.dtype}")


def as_convolution(problem: Problem, arrays: Arrays) -> tuple[Problem, Arrays]:
    """Write an image filter as a depthwise conv2d on (1, C, H, W); others come back unchanged.

    The input is a view of the image, so an (H, W, C) image gets channels-last strides.
    """
    if not problem.is_filter:
        return problem, arrays
    if problem.options.get("boundary", "fill") != "fill":
        raise DeclinedError(f"boundary {problem.options['boundary']!r} is not zero padding")
    if problem.op != "correlate2d":
        raise DeclinedError("true convolution would need a flipped kernel")
    assert problem.weight_shape is not None
    assert arrays.weight is not None
    # "full" has a border of k-1; of "same" the smaller half comes first, as in SciPy.
    grow = {"full": 1.0, "same": 0.5, "valid": 0.0}[problem.options.get("mode", "full")]
    lo = [int(np.floor((k - 1) * grow)) for k in problem.weight_shape]
    hi = [int(np.ceil((k - 1) * grow)) for k in problem.weight_shape]
    image = arrays.x if arrays.x.ndim == 3 else arrays.x[:, :, None]
    channels = image.shape[2]
    x = image.transpose(2, 0, 1)[None]
    weight = np.tile(arrays.weight, (channels, 1, 1, 1))
    options = {"padding": tuple(zip(lo, hi, strict=True)), "groups": channels}
    written = Problem(problem.name, "conv2d", x.shape, weight.shape, options=options)
    return written, Arrays(x, weight, None)


def as_image(problem: Problem, y: NDArray[Any]) -> NDArray[Any]:
    """Return the (1, C, H, W) result of ``as_convolution`` as the filter's (H, W[, C])."""
    if not problem.is_filter:
        return y
    image: NDArray[Any] = y[0].transpose(1, 2, 0)
    return image if len(problem.x_shape) == 3 else image[:, :, 0]
