"""GoogLeNet as torchvision has it (C. Szegedy et al., "Going Deeper with Convolutions", 2014)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastconv import nn
from fastconv._arguments import flag, integer
from fastconv.errors import ArgumentTypeError
from fastconv.models._initial import all_truncated_normal
from fastconv.nn._module import Array

# Channels of each inception block: input; 1x1; 3x3 reduced, 3x3; third branch reduced, third
# branch; after pooling.
_INCEPTIONS = {
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}

# torchvision's weights were trained for inputs in -1 to 1; these are the usual mean and deviation.
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


class GoogLeNetOutputs(NamedTuple):
    """What GoogLeNet with auxiliary classifiers gives in training, and takes as gradients."""

    logits: Array
    aux_logits2: Array
    aux_logits1: Array


class BasicConv2d(nn.Block):
    """Convolution without bias, batch normalisation with eps 1e-3, ReLU."""

    def __init__(self, channels: int, outputs: int, kernel_size: int, **options: Any) -> None:
        self.conv = nn.Conv2d(channels, outputs, kernel_size, bias=False, **options)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        self.arrange(nn.Sequential(self.conv, self.bn, nn.ReLU()))


class Inception(nn.Block):
    """Four branches side by side.

    The third has kernels of 3x3, not the paper's 5x5: so have torchvision's trained weights.
    """

    def __init__(
        self,
        channels: int,
        one: int,
        reduced3: int,
        three: int,
        reduced5: int,
        five: int,
        pool: int,
    ) -> None:
        self.branch1 = BasicConv2d(channels, one, 1)
        self.branch2 = nn.Sequential(
            BasicConv2d(channels, reduced3, 1), BasicConv2d(reduced3, three, 3, padding=1)
        )
        self.branch3 = nn.Sequential(
            BasicConv2d(channels, reduced5, 1), BasicConv2d(reduced5, five, 3, padding=1)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True), BasicConv2d(channels, pool, 1)
        )
        self.arrange(nn.Concat(self.branch1, self.branch2, self.branch3, self.branch4))


class InceptionAux(nn.Block):
    """Auxiliary classifier, for training."""

    def __init__(self, channels: int, num_classes: int, dropout: float) -> None:
        self.conv = BasicConv2d(channels, 128, 1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(dropout)
        self.arrange(
            nn.Sequential(
                nn.AdaptiveAvgPool2d(4), self.conv, nn.Flatten(),
                self.fc1, nn.ReLU(), self.dropout, self.fc2,
            )
        )  # fmt: skip


class GoogLeNet(nn.Block):
    """Nine inception blocks, and two auxiliary classifiers that take part in training only."""

    aux1: InceptionAux
    aux2: InceptionAux

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ) -> None:
        integer("num_classes", num_classes, minimum=1)
        self.aux_logits = flag("aux_logits", aux_logits)
        self.transform_input = flag("transform_input", transform_input)
        self.conv1 = BasicConv2d(3, 64, 7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = BasicConv2d(64, 64, 1)
        self.conv3 = BasicConv2d(64, 192, 3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for name in ("3a", "3b"):
            setattr(self, f"inception{name}", Inception(*_INCEPTIONS[name]))
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for name in ("4a", "4b", "4c", "4d", "4e"):
            setattr(self, f"inception{name}", Inception(*_INCEPTIONS[name]))
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        for name in ("5a", "5b"):
            setattr(self, f"inception{name}", Inception(*_INCEPTIONS[name]))
        trunk = [child for _, child in self.children()]
        if self.aux_logits:
            self.aux1 = InceptionAux(512, num_classes, dropout_aux)
            self.aux2 = InceptionAux(528, num_classes, dropout_aux)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        head = (self.avgpool, self.flatten, self.dropout, self.fc)
        # The auxiliary classifiers look at the outputs of 4a and 4d.
        first = [name for name, _ in self.children()].index("inception4a") + 1
        second = first + 3
        self._parts = (
            nn.Sequential(*trunk[:first]),
            nn.Sequential(*trunk[first:second]),
            nn.Sequential(*trunk[second:], *head),
        )
        layers = nn.Sequential(*trunk, *head)
        self.arrange(nn.Sequential(_Recolour(), layers) if self.transform_input else layers)
        all_truncated_normal(self, 0.01, 2.0)

    def forward(self, x: Array) -> Any:
        """Give scores (N, num_classes); in training with auxiliary classifiers all three scores."""
        if not (self.training and self.aux_logits):
            return super().forward(x)
        recoloured = _Recolour()(x) if self.transform_input else x
        fourth_a = self._parts[0](recoloured)
        fourth_d = self._parts[1](fourth_a)
        logits = self._parts[2](fourth_d)
        aux1, aux2 = self.aux1(fourth_a), self.aux2(fourth_d)
        return GoogLeNetOutputs(self.keep(logits, "all"), aux2, aux1)

    def backward(self, grad_output: Any) -> Array:
        """See :meth:`Module.backward`; after all three scores, takes a gradient for each.

        Raises:
            ArgumentTypeError: Three gradients are needed and something else is given.
        """
        if self._kept is None or not self._kept[2]:
            return super().backward(grad_output)
        if not isinstance(grad_output, tuple) or len(grad_output) != 3:
            raise ArgumentTypeError(
                "grad_output must be GoogLeNetOutputs, the gradients of the three scores that the "
                f"forward pass gave, got {type(grad_output).__name__}; pass one for each"
            )
        main, aux2, aux1 = grad_output
        self.take(main)
        grad = self._parts[2].backward(main) + self.aux2.backward(aux2)
        grad = self._parts[1].backward(grad) + self.aux1.backward(aux1)
        grad = self._parts[0].backward(grad)
        return grad * _channels(_SCALE, grad) if self.transform_input else grad


_SCALE = np.array(_DEVIATION) / 0.5
_SHIFT = (np.array(_MEAN) - 0.5) / 0.5


class _Recolour(nn.Module):
    """From the usual normalisation of images to that of -1 to 1."""

    def forward(self, x: Array) -> Array:
        """Rescale each colour."""
        nn._module.require_array("x", x)
        return self.keep(x * _channels(_SCALE, x) + _channels(_SHIFT, x))

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`."""
        self.take(grad_output)
        return grad_output * _channels(_SCALE, grad_output)

    def output_shape(self, x_shape: nn._module.Shape) -> nn._module.Shape:
        """See :meth:`Module.output_shape`."""
        return x_shape


def _channels(values: Array, x: Array) -> Array:
    return values.astype(x.dtype).reshape(3, 1, 1)


def googlenet(
    num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False
) -> GoogLeNet:
    """Make a GoogLeNet for images (N, 3, 224, 224); other sizes work too.

    Args:
        num_classes: Outputs.
        aux_logits: Whether there are auxiliary classifiers. In training the network then gives
            :class:`GoogLeNetOutputs`, and its ``backward`` takes one.
        transform_input: Whether images normalised with ImageNet's mean and deviation are brought
            to -1 to 1, for which torchvision's weights were trained.

    Returns:
        A network with torchvision's parameter names.
    """
    return GoogLeNet(num_classes, aux_logits, transform_input)
