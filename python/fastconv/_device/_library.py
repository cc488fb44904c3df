"""What fastconv asks of the library that an array on a GPU is of."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from fastconv.errors import DTypeError, OptionError, OutOfMemoryError

# Element types by number: those of fastconv::DType, then of indices and of workspace.
DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "uint8")
SIZES = (4, 8, 2, 2, 8, 1)
WORKSPACE = DTYPES.index("uint8")
ALLOWED = "float32, float64, float16 or bfloat16"


class View(NamedTuple):
    """An array as the module ``_cuda`` reads it.

    Attributes:
        data: Address of element 0.
        shape: Sizes.
        strides: Steps in elements; None: C order without gaps.
        dtype: Number of the element type in DTYPES.
        writable: Whether it may be an output.
        device: Number of the device; None: to be told from the address, which is not trusted.
        stream: The stream that last worked on it, where that need not be the call's.
        keep: What must live as long as the view.
    """

    data: int
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    dtype: int
    writable: bool
    device: int | None
    stream: int | None = None
    keep: object = None


class Library(Protocol):
    """Views arrays, makes results and workspace in its own pool, knows its user's stream."""

    def holds(self, array: Any) -> bool:
        """Whether an object is an array of this library, on a GPU."""

    def device(self, array: Any) -> int:
        """Return the number of the device that an array lies on."""

    def stream(self, device: int) -> int:
        """Return the address of the stream that is current on a device."""

    def view(self, array: Any, name: str, stream: int) -> View:
        """View an array of this library for a call on a stream."""

    def empty(self, shape: tuple[int, ...], dtype: int, device: int, channel_axis: int) -> Any:
        """Make an array; with a ``channel_axis`` of 0 or more that axis varies fastest."""

    def moved(self, name: str) -> str:
        """How a user moves an array to where this library's are, for messages."""


def dtype_number(name: str, dtype: str) -> int:
    """Return the number of an element type that operators or indices have."""
    try:
        return DTYPES.index(dtype)
    except ValueError:
        raise DTypeError(
            f"{name} has dtype {dtype}; it must be {ALLOWED}: convert it with "
            f"{name}.astype('float32'), or .float() in PyTorch"
        ) from None


def in_elements(
    name: str, strides: tuple[int, ...], shape: tuple[int, ...], size: int
) -> tuple[int, ...]:
    """Strides in elements, from bytes."""
    for axis, (step, count) in enumerate(zip(strides, shape, strict=True)):
        if step % size and count > 1:
            raise OptionError(
                f"{name} has a stride of {step} bytes on axis {axis}, no multiple of its element "
                f"({size} bytes); pass a copy"
            )
    return tuple(step // size for step in strides)


def memory_order(axes: int, channel_axis: int) -> list[int]:
    """Axes from the slowest to the fastest, the channels last where there is such an axis."""
    order = list(range(axes))
    if channel_axis >= 0:
        order.append(order.pop(channel_axis))
    return order


def inverse(order: list[int]) -> list[int]:
    """The permutation that undoes another."""
    return sorted(range(len(order)), key=order.__getitem__)


def no_memory(shape: tuple[int, ...], dtype: int, device: int, error: Exception) -> Exception:
    """Make the error of an allocation that failed."""
    kind = "workspace" if dtype == WORKSPACE else "a result"
    return OutOfMemoryError(
        f"no memory on device {device} for {kind} of shape {tuple(shape)} ({DTYPES[dtype]}): "
        f"{error}; free arrays, or compute fewer images at a time"
    )
