"""Layers: those of ``torch.nn``, computed by fastconv.

Every class derives from the one of the same name in ``torch.nn``: same arguments, parameters,
``state_dict`` and ``repr``. In eval mode, where no gradient is asked for, a convolution packs its
weights once per input shape.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn import functional as torch_functional

from fastconv.torch import functional
from fastconv.torch._plans import PlanCache

Tensor: TypeAlias = torch.Tensor

PLANS = "_fastconv_plans"


def _planned(
    layer: nn.Module,
    op: str,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    options: tuple[Any, ...],
) -> Tensor | None:
    """Compute by a plan where one serves, and drop plans while the layer is trained."""
    if torch.compiler.is_compiling():
        return None
    plans = layer.__dict__.get(PLANS)
    if layer.training:
        if plans is not None:
            plans.clear()
        return None
    if not isinstance(x, torch.Tensor):
        return None
    if plans is None:
        plans = layer.__dict__[PLANS] = PlanCache()
    y: Tensor | None = plans.run(op, x, weight, bias, options)
    return y


class _Conv(nn.modules.conv._ConvNd):
    """What the forward pass of convolutions shares; the class next in line gives the rest."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        op = f"conv{len(self.kernel_size)}d"
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            sides = self._reversed_padding_repeated_twice
            input = torch_functional.pad(input, sides, mode=self.padding_mode)
            padding = 0
        options = (self.stride, padding, self.dilation, self.groups, 0)
        y = _planned(self, op, input, weight, bias, options)
        if y is None:
            y = getattr(functional, op)(input, weight, bias, *options[:-1])
        return y


class _ConvTranspose(nn.modules.conv._ConvTransposeNd):
    """What the forward pass of transposed convolutions shares."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        rank = len(self.kernel_size)
        op = f"conv_transpose{rank}d"
        extra: Any = self.output_padding
        padding: Any = self.padding
        if output_size is not None:
            kernel = list(self.kernel_size)
            extra = self._output_padding(
                input, output_size, list(self.stride), list(padding), kernel, rank,
                list(self.dilation),
            )  # fmt: skip
        extra = tuple(extra)
        options = (self.stride, self.padding, self.dilation, self.groups, extra)
        y = _planned(self, op, input, self.weight, self.bias, options)
        if y is None:
            y = getattr(functional, op)(
                input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
                self.dilation,
            )  # fmt: skip
        return y


class Conv1d(_Conv, nn.Conv1d):
    """:class:`torch.nn.Conv1d`, computed by fastconv."""


class Conv2d(_Conv, nn.Conv2d):
    """:class:`torch.nn.Conv2d`, computed by fastconv."""


class Conv3d(_Conv, nn.Conv3d):
    """:class:`torch.nn.Conv3d`, computed by fastconv."""


class ConvTranspose1d(_ConvTranspose, nn.ConvTranspose1d):
    """:class:`torch.nn.ConvTranspose1d`, computed by fastconv."""


class ConvTranspose2d(_ConvTranspose, nn.ConvTranspose2d):
    """:class:`torch.nn.ConvTranspose2d`, computed by fastconv."""


class ConvTranspose3d(_ConvTranspose, nn.ConvTranspose3d):
    """:class:`torch.nn.ConvTranspose3d`, computed by fastconv."""


def _max_pool(layer: Any, rank: int, x: Tensor) -> Any:
    return getattr(functional, f"max_pool{rank}d")(
        x, layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode,
        layer.return_indices,
    )  # fmt: skip


def _avg_pool(layer: Any, rank: int, x: Tensor) -> Any:
    divisor = None if rank == 1 else layer.divisor_override
    return getattr(functional, f"avg_pool{rank}d")(
        x, layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode,
        layer.count_include_pad, divisor,
    )  # fmt: skip


class MaxPool1d(nn.MaxPool1d):
    """:class:`torch.nn.MaxPool1d`, computed by fastconv."""

    def forward(self, input: Tensor) -> Any:
        return _max_pool(self, 1, input)


class MaxPool2d(nn.MaxPool2d):
    """:class:`torch.nn.MaxPool2d`, computed by fastconv."""

    def forward(self, input: Tensor) -> Any:
        return _max_pool(self, 2, input)


class MaxPool3d(nn.MaxPool3d):
    """:class:`torch.nn.MaxPool3d`, computed by fastconv."""

    def forward(self, input: Tensor) -> Any:
        return _max_pool(self, 3, input)


class AvgPool1d(nn.AvgPool1d):
    """:class:`torch.nn.AvgPool1d`, computed by fastconv."""

    def forward(self, input: Tensor) -> Any:
        return _avg_pool(self, 1, input)


class AvgPool2d(nn.AvgPool2d):
    """:class:`torch.nn.AvgPool2d`, computed by fastconv."""

    def forward(self, input: Tensor) -> Any:
        return _avg_pool(self, 2, input)


class AvgPool3d(nn.AvgPool3d):
    """:class:`torch.nn.AvgPool3d`, computed by fastconv."""

    def forward(self, input: Tensor) -> Any:
        return _avg_pool(self, 3, input)


class AdaptiveAvgPool1d(nn.AdaptiveAvgPool1d):
    """:class:`torch.nn.AdaptiveAvgPool1d`, computed by fastconv."""

    def forward(self, input: Tensor) -> Any:
        return functional.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(nn.AdaptiveAvgPool2d):
    """:class:`torch.nn.AdaptiveAvgPool2d`, computed by fastconv."""

    def forward(self, input: Tensor) -> Any:
        return functional.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(nn.AdaptiveAvgPool3d):
    """:class:`torch.nn.AdaptiveAvgPool3d`, computed by fastconv."""

    def forward(self, input: Tensor) -> Any:
        return functional.adaptive_avg_pool3d(input, self.output_size)


class AdaptiveMaxPool1d(nn.AdaptiveMaxPool1d):
    """:class:`torch.nn.AdaptiveMaxPool1d`, computed by fastconv."""

    def forward(self, input: Tensor) -> Any:
        return functional.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(nn.AdaptiveMaxPool2d):
    """:class:`torch.nn.AdaptiveMaxPool2d`, computed by fastconv."""

    def forward(self, input: Tensor) -> Any:
        return functional.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(nn.AdaptiveMaxPool3d):
    """:class:`torch.nn.AdaptiveMaxPool3d`, computed by fastconv."""

    def forward(self, input: Tensor) -> Any:
        return functional.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class Unfold(nn.Unfold):
    """:class:`torch.nn.Unfold`, computed by fastconv."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(nn.Fold):
    """:class:`torch.nn.Fold`, computed by fastconv."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )


COUNTERPARTS: dict[type[nn.Module], type[nn.Module]] = {
    getattr(nn, layer.__name__): layer
    for layer in (
        Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d,
        MaxPool1d, MaxPool2d, MaxPool3d, AvgPool1d, AvgPool2d, AvgPool3d,
        AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d,
        AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d, Unfold, Fold,
    )
}  # fmt: skip
