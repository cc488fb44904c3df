"""Conv and ConvTranspose, and what they become when their weights are known in advance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnx.reference.op_run import OpRun

import fastconv
from fastconv._conv import Activation
from fastconv.errors import ShapeError
from fastconv.onnx._attributes import (
    Pairs,
    checked_auto_pad,
    explicit_padding,
    per_axis,
    rank_of,
    split_padding,
    window,
)

Options = dict[str, Any]

# Inputs of ever new shapes must not keep a packed copy of the weights each.
_MOST_PLANS = 8


def _check_kernel(weight: Any, kernel_shape: Sequence[int] | None) -> None:
    if kernel_shape and tuple(kernel_shape) != weight.shape[2:]:
        raise ShapeError(
            f"kernel_shape is {list(kernel_shape)} and the weight has shape {weight.shape}; they "
            "must agree"
        )


class Conv(OpRun):
    """ONNX Conv."""

    op_domain = ""
    transposed = False

    def _options(
        self,
        x: Any,
        weight: Any,
        auto_pad: str | None = None,
        dilations: Sequence[int] | None = None,
        group: int | None = None,
        kernel_shape: Sequence[int] | None = None,
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> Options:
        rank_of("Conv", x)
        _check_kernel(weight, kernel_shape)
        made = window(x.shape[2:], weight.shape[2:], auto_pad, dilations, pads, strides)
        return {
            "stride": made.stride,
            "padding": made.padding,
            "dilation": made.dilation,
            "groups": group or 1,
        }

    def _run(self, x: Any, weight: Any, bias: Any = None, **attributes: Any) -> tuple[Any]:
        options = self._options(x, weight, **attributes)
        operator = getattr(fastconv, f"conv{x.ndim - 2}d")
        return (operator(x, weight, bias, **options),)


class ConvTranspose(OpRun):
    """ONNX ConvTranspose."""

    op_domain = ""
    transposed = True

    def _options(
        self,
        x: Any,
        weight: Any,
        auto_pad: str | None = None,
        dilations: Sequence[int] | None = None,
        group: int | None = None,
        kernel_shape: Sequence[int] | None = None,
        output_padding: Sequence[int] | None = None,
        output_shape: Sequence[int] | None = None,
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> Options:
        rank = rank_of("ConvTranspose", x)
        _check_kernel(weight, kernel_shape)
        stride = per_axis("strides", strides, rank, 1)
        dilation = per_axis("dilations", dilations, rank, 1)
        extra = per_axis("output_padding", output_padding, rank, 0)
        mode = checked_auto_pad(auto_pad)
        whole = [
            (n - 1) * s + d * (k - 1) + 1 + e
            for n, s, d, k, e in zip(
                x.shape[2:], stride, dilation, weight.shape[2:], extra, strict=True
            )
        ]
        if output_shape or mode.startswith("SAME"):
            wanted = tuple(n * s for n, s in zip(x.shape[2:], stride, strict=True))
            if output_shape:
                wanted = per_axis("output_shape", output_shape[-rank:], rank, 0)
            padding, extra = _fitted(whole, wanted, extra, mode)
        else:
            padding = explicit_padding(None if mode == "VALID" else pads, rank)
        return {
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": group or 1,
            "output_padding": extra,
        }

    def _run(self, x: Any, weight: Any, bias: Any = None, **attributes: Any) -> tuple[Any]:
        options = self._options(x, weight, **attributes)
        operator = getattr(fastconv, f"conv_transpose{x.ndim - 2}d")
        return (operator(x, weight, bias, **options),)


def _fitted(
    whole: Sequence[int], wanted: Sequence[int], extra: Sequence[int], mode: str
) -> tuple[Pairs, tuple[int, ...]]:
    """Padding that cuts the whole output down to the wanted sizes.

    Where the wanted size is the larger one, elements are added at the end instead.
    """
    pairs, more = [], []
    for size, goal, given in zip(whole, wanted, extra, strict=True):
        pairs.append(split_padding(max(size - goal, 0), mode))
        more.append(given + max(goal - size, 0))
    return tuple(pairs), tuple(more)


class _Planned:
    """A convolution whose weights never change: packed once per input shape.

    The rewriting of a graph (``_rewrite.py``) puts it in the place of Conv and ConvTranspose, with
    the activation that followed.
    """

    op_domain = "fastconv"
    transposed: bool

    def _run(
        self,
        x: Any,
        weight: Any,
        bias: Any = None,
        activation: Activation | None = None,
        **attributes: Any,
    ) -> tuple[Any]:
        plans = self.__dict__.setdefault("plans", {})
        key = (x.shape, x.dtype, fastconv.get_precision())
        plan = plans.get(key)
        if plan is None:
            options = self._options(x, weight, **attributes)  # type: ignore[attr-defined]
            op = f"conv{'_transpose' if self.transposed else ''}{x.ndim - 2}d"
            if 0 in x.shape:  # nothing to plan
                operator = getattr(fastconv, op)
                return (operator(x, weight, bias, activation=activation, **options),)
            plan = fastconv.plan(op, x.shape, weight, bias, activation=activation, **options)
            if len(plans) == _MOST_PLANS:
                del plans[next(iter(plans))]
            plans[key] = plan
        return (plan(x),)


class PlannedConv(_Planned, Conv):
    """Conv with packed weights and an activation."""


class PlannedConvTranspose(_Planned, ConvTranspose):
    """ConvTranspose with packed weights and an activation."""
