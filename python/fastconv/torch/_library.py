"""The namespace ``torch.ops.fastconv``: each operator's schema, kernel, shapes and gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

_LIBRARY = torch.library.Library("fastconv", "DEF")


def define(
    schema: str,
    *,
    compute: Callable[..., Any],
    fake: Callable[..., Any],
    backward: Callable[..., Any] | None = None,
    setup_context: Callable[..., None] | None = None,
) -> Any:
    """Register an operator and return its overload for calls through the dispatcher.

    Args:
        schema: Name and arguments, as ``torch.library.define`` takes them.
        compute: Computes the result, on the CPU and on GPUs.
        fake: Makes an empty result of the same shape, strides and dtype, for meta tensors and
            tracing.
        backward: Gradients of the arguments; None where the operator has no gradient.
        setup_context: Saves what ``backward`` needs.
    """
    name = schema.partition("(")[0]
    _LIBRARY.define(schema, tags=(torch.Tag.pt2_compliant_tag,))
    for kind in ("CPU", "CUDA"):
        _LIBRARY.impl(name, compute, kind)
    torch.library.register_fake(f"fastconv::{name}", fake, lib=_LIBRARY)
    if backward is not None:
        torch.library.register_autograd(
            f"fastconv::{name}", backward, setup_context=setup_context, lib=_LIBRARY
        )
    return getattr(torch.ops.fastconv, name).default


def pairwise(padding: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Padding (lo, hi) of each axis, from the flat list that operators take."""
    return zip(padding[::2], padding[1::2], strict=True)
