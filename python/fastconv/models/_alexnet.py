"""AlexNet as torchvision has it (A. Krizhevsky, "One weird trick", 2014)."""

from __future__ import annotations

from fastconv import nn
from fastconv._arguments import integer


class AlexNet(nn.Block):
    """Five convolutions and three dense layers for images (N, 3, 224, 224)."""

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        integer("num_classes", num_classes, minimum=1)
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, num_classes),
        )
        self.arrange(nn.Sequential(self.features, self.avgpool, self.flatten, self.classifier))


def alexnet(num_classes: int = 1000, dropout: float = 0.5) -> AlexNet:
    """Make an AlexNet for images (N, 3, 224, 224); other sizes from 63 on work too.

    Args:
        num_classes: Outputs.
        dropout: Probability of both dropout layers.

    Returns:
        A network with torchvision's parameter names.
    """
    return AlexNet(num_classes, dropout)
