"""VGG (K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks", 2014)."""

from __future__ import annotations

from fastconv import nn
from fastconv._arguments import integer
from fastconv.models._initial import convolutions_fan_out, linears_normal

# Output channels of each convolution of 3x3; None is a max pooling that halves the size.
_VGG16 = (
    64, 64, None, 128, 128, None, 256, 256, 256, None, 512, 512, 512, None, 512, 512, 512, None,
)  # fmt: skip


class VGG(nn.Block):
    """Convolutions of 3x3 in five stages and three dense layers, for images (N, 3, 224, 224)."""

    def __init__(
        self, stages: tuple[int | None, ...], num_classes: int = 1000, dropout: float = 0.5
    ) -> None:
        integer("num_classes", num_classes, minimum=1)
        layers: list[nn.Module] = []
        channels = 3
        for size in stages:
            if size is None:
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(channels, size, 3, padding=1), nn.ReLU()]
                channels = size
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            nn.Linear(channels * 7 * 7, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        self.arrange(nn.Sequential(self.features, self.avgpool, self.flatten, self.classifier))
        convolutions_fan_out(self)
        linears_normal(self, 0.01)


def vgg16(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """Make a VGG with 16 layers for images (N, 3, 224, 224); other sizes from 32 on work too.

    Args:
        num_classes: Outputs.
        dropout: Probability of both dropout layers.

    Returns:
        A network with torchvision's parameter names.
    """
    return VGG(_VGG16, num_classes, dropout)
