"""Well-known networks, with the parameter names of torchvision.

Each function makes a network with fresh weights; ``load_state_dict`` takes torchvision's weights
as they are. Weights are not downloaded.
"""

from fastconv.models._alexnet import AlexNet, alexnet
from fastconv.models._googlenet import GoogLeNet, GoogLeNetOutputs, googlenet
from fastconv.models._lenet import LeNet, lenet
from fastconv.models._resnet import ResNet, resnet18, resnet34, resnet50
from fastconv.models._vgg import VGG, vgg16

__all__ = [
    "VGG",
    "AlexNet",
    "GoogLeNet",
    "GoogLeNetOutputs",
    "LeNet",
    "ResNet",
    "alexnet",
    "googlenet",
    "lenet",
    "resnet18",
    "resnet34",
    "resnet50",
    "vgg16",
]
