"""ResNet (K. He et al., "Deep Residual Learning for Image Recognition", 2015)."""

from __future__ import annotations

from fastconv import nn
from fastconv._arguments import integer
from fastconv.models._initial import convolutions_fan_out


class BasicBlock(nn.Block):
    """Two convolutions of 3x3 and a shortcut."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _downsample(channels, width, stride)
        body = nn.Sequential(self.conv1, self.bn1, nn.ReLU(), self.conv2, self.bn2)
        self.arrange(nn.Sequential(nn.Residual(body, self.downsample), nn.ReLU()))


class Bottleneck(nn.Block):
    """Convolutions of 1x1, 3x3 (with the stride, as in torchvision) and 1x1, and a shortcut."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        outputs = width * self.expansion
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _downsample(channels, outputs, stride)
        body = nn.Sequential(
            self.conv1, self.bn1, nn.ReLU(),
            self.conv2, self.bn2, nn.ReLU(),
            self.conv3, self.bn3,
        )  # fmt: skip
        self.arrange(nn.Sequential(nn.Residual(body, self.downsample), nn.ReLU()))


def _downsample(channels: int, outputs: int, stride: int) -> nn.Sequential | None:
    """Make a shortcut that changes the shape, or None where the input already has the right one."""
    if stride == 1 and channels == outputs:
        return None
    return nn.Sequential(
        nn.Conv2d(channels, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
    )


class ResNet(nn.Block):
    """Four stages of residual blocks, for images (N, 3, 224, 224)."""

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: tuple[int, int, int, int],
        num_classes: int = 1000,
    ) -> None:
        integer("num_classes", num_classes, minimum=1)
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = 64
        for stage, depth in enumerate(depths):
            width = 64 * 2**stage
            blocks: list[nn.Module] = []
            for index in range(depth):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(block(channels, width, stride))
                channels = width * block.expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)
        self.arrange(nn.Sequential(*(child for _, child in self.children())))
        convolutions_fan_out(self)


def resnet18(num_classes: int = 1000) -> ResNet:
    """Make a ResNet with 18 layers for images (N, 3, 224, 224); other sizes work too.

    Args:
        num_classes: Outputs.

    Returns:
        A network with torchvision's parameter names.
    """
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes)


def resnet34(num_classes: int = 1000) -> ResNet:
    """Make a ResNet with 34 layers, of basic blocks; see :func:`resnet18`."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes)


def resnet50(num_classes: int = 1000) -> ResNet:
    """Make a ResNet with 50 layers, of bottlenecks; see :func:`resnet18`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes)
