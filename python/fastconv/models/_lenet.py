"""LeNet-5 (Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998)."""

from __future__ import annotations

from fastconv import nn
from fastconv._arguments import choice, integer

_ACTIVATIONS: dict[str, type[nn.Activation]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
}


class LeNet(nn.Block):
    """The form that textbooks use: 1x28x28 input, 6 and 16 filters of 5x5, 120 and 84 neurons."""

    def __init__(self, num_classes: int = 10, activation: str = "sigmoid") -> None:
        integer("num_classes", num_classes, minimum=1)
        act = _ACTIVATIONS[choice("activation", activation, tuple(_ACTIVATIONS))]
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.act1 = act()
        self.pool1 = nn.AvgPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.act2 = act()
        self.pool2 = nn.AvgPool2d(2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(400, 120)
        self.act3 = act()
        self.fc2 = nn.Linear(120, 84)
        self.act4 = act()
        self.fc3 = nn.Linear(84, num_classes)
        self.arrange(nn.Sequential(*(child for _, child in self.children())))


def lenet(num_classes: int = 10, activation: str = "sigmoid") -> LeNet:
    """Make a LeNet for images (N, 1, 28, 28).

    Args:
        num_classes: Outputs: scores to be passed to a softmax or to CrossEntropyLoss.
        activation: "sigmoid" as in the textbooks, or "tanh" or "relu", which train faster.

    Returns:
        A network with the parameters conv1, conv2, fc1, fc2 and fc3.
    """
    return LeNet(num_classes, activation)
