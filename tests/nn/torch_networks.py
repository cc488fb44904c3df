"""The networks of fastconv.models in torch, with torchvision's parameter names.

Written from the papers and torchvision's documentation, in torch's own way: functions call layers,
nothing of fastconv's arrangement is shared.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


def lenet(activation: str = "sigmoid") -> nn.Module:
    class LeNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
            self.conv2 = nn.Conv2d(6, 16, 5)
            self.fc1 = nn.Linear(400, 120)
            self.fc2 = nn.Linear(120, 84)
            self.fc3 = nn.Linear(84, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            act = getattr(torch, activation)
            x = functional.avg_pool2d(act(self.conv1(x)), 2)
            x = functional.avg_pool2d(act(self.conv2(x)), 2)
            return self.fc3(act(self.fc2(act(self.fc1(x.flatten(1))))))

    return LeNet()


class Plain(nn.Module):
    """features, average pooling to a fixed size, classifier."""

    def __init__(self, features: list[nn.Module], size: int, classifier: list[nn.Module]) -> None:
        super().__init__()
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d((size, size))
        self.classifier = nn.Sequential(*classifier)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def alexnet() -> nn.Module:
    features = [
        nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2), nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(64, 192, kernel_size=5, padding=2), nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(192, 384, kernel_size=3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, kernel_size=3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, kernel_size=3, padding=1), nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
    ]  # fmt: skip
    classifier = [
        nn.Dropout(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(),
        nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000),
    ]  # fmt: skip
    return Plain(features, 6, classifier)


def vgg16() -> nn.Module:
    features: list[nn.Module] = []
    channels = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            features += [nn.Conv2d(channels, width, kernel_size=3, padding=1), nn.ReLU()]
            channels = width
        features.append(nn.MaxPool2d(kernel_size=2, stride=2))
    classifier = [
        nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 1000),
    ]  # fmt: skip
    return Plain(features, 7, classifier)


class ResidualBlock(nn.Module):
    """Convolutions ``(kernel, width, stride)`` with batch normalisation, around a shortcut."""

    def __init__(self, channels: int, layers: list[tuple[int, int, int]]) -> None:
        super().__init__()
        stride, outputs = max(s for _, _, s in layers), layers[-1][1]
        self.depth = len(layers)
        self.downsample: Any = None
        inputs = channels
        for index, (kernel, width, step) in enumerate(layers, 1):
            layer = nn.Conv2d(inputs, width, kernel, step, kernel // 2, bias=False)
            self.add_module(f"conv{index}", layer)
            self.add_module(f"bn{index}", nn.BatchNorm2d(width))
            inputs = width
        if stride > 1 or channels != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for index in range(1, self.depth + 1):
            y = getattr(self, f"bn{index}")(getattr(self, f"conv{index}")(y))
            if index < self.depth:
                y = functional.relu(y)
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, bottleneck: bool, depths: tuple[int, ...]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        channels = 64
        for stage, depth in enumerate(depths):
            width, blocks = 64 << stage, []
            for index in range(depth):
                stride = 2 if stage and not index else 1
                layers = [(3, width, stride), (3, width, 1)]
                if bottleneck:
                    layers = [(1, width, 1), (3, width, stride), (1, 4 * width, 1)]
                blocks.append(ResidualBlock(channels, layers))
                channels = layers[-1][1]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(x.mean((2, 3)))


def resnet18() -> nn.Module:
    return ResNet(False, (2, 2, 2, 2))


def resnet34() -> nn.Module:
    return ResNet(False, (3, 4, 6, 3))


def resnet50() -> nn.Module:
    return ResNet(True, (3, 4, 6, 3))


class Unit(nn.Module):
    def __init__(self, channels: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    def __init__(self, c: int, a: int, b1: int, b2: int, c1: int, c2: int, d: int) -> None:
        super().__init__()
        self.branch1 = Unit(c, a, 1)
        self.branch2 = nn.Sequential(Unit(c, b1, 1), Unit(b1, b2, 3))
        self.branch3 = nn.Sequential(Unit(c, c1, 1), Unit(c1, c2, 3))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), Unit(c, d, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([getattr(self, f"branch{i}")(x) for i in (1, 2, 3, 4)], 1)


class Auxiliary(nn.Module):
    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.conv = Unit(channels, 128, 1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, 1000)
        self.dropout = dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(functional.adaptive_avg_pool2d(x, 4)).flatten(1)
        return self.fc2(functional.dropout(functional.relu(self.fc1(x)), self.dropout))


class GoogLeNet(nn.Module):
    def __init__(self, dropout: float = 0.2, dropout_aux: float = 0.7) -> None:
        super().__init__()
        self.conv1 = Unit(3, 64, 7, 2)
        self.conv2 = Unit(64, 64, 1)
        self.conv3 = Unit(64, 192, 3)
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128)
        self.aux1 = Auxiliary(512, dropout_aux)
        self.aux2 = Auxiliary(528, dropout_aux)
        self.fc = nn.Linear(1024, 1000)
        self.dropout = dropout

    def forward(self, x: torch.Tensor) -> Any:
        x = functional.max_pool2d(self.conv1(x), 3, 2, ceil_mode=True)
        x = functional.max_pool2d(self.conv3(self.conv2(x)), 3, 2, ceil_mode=True)
        x = functional.max_pool2d(self.inception3b(self.inception3a(x)), 3, 2, ceil_mode=True)
        x = self.inception4a(x)
        aux1 = self.aux1(x) if self.training else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        aux2 = self.aux2(x) if self.training else None
        x = functional.max_pool2d(self.inception4e(x), 2, 2, ceil_mode=True)
        x = self.inception5b(self.inception5a(x)).mean((2, 3))
        y = self.fc(functional.dropout(x, self.dropout, self.training))
        return (y, aux2, aux1) if self.training else y


def googlenet() -> nn.Module:
    return GoogLeNet()
