"""Layers and networks in NumPy arrays: forward and backward, training, files, fast inference.

Names, arguments, defaults, initial distributions and state dicts are those of ``torch.nn``. See
docs/layers.md.
"""

from fastconv.nn._activation import (
    GELU,
    Activation,
    Dropout,
    Hardswish,
    Identity,
    LeakyReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from fastconv.nn._blocks import Block, Concat, Residual, Sequential
from fastconv.nn._compile import CompiledNetwork, compile
from fastconv.nn._conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from fastconv.nn._linear import Flatten, Linear
from fastconv.nn._loss import CrossEntropyLoss, Loss, MSELoss
from fastconv.nn._module import Buffer, Module, Parameter, no_grad
from fastconv.nn._norm import BatchNorm1d, BatchNorm2d, BatchNorm3d, LayerNorm
from fastconv.nn._optimizer import SGD, Adam, Optimizer
from fastconv.nn._pool import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)
from fastconv.nn._random import manual_seed
from fastconv.nn._receptive import Field
from fastconv.nn._state import load, save
from fastconv.nn._summary import LayerRow, Summary, summary

__all__ = [
    "GELU",
    "SGD",
    "Activation",
    "Adam",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Block",
    "Buffer",
    "CompiledNetwork",
    "Concat",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "CrossEntropyLoss",
    "Dropout",
    "Field",
    "Flatten",
    "Hardswish",
    "Identity",
    "LayerNorm",
    "LayerRow",
    "LeakyReLU",
    "Linear",
    "Loss",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Module",
    "Optimizer",
    "Parameter",
    "ReLU",
    "ReLU6",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Summary",
    "Tanh",
    "compile",
    "load",
    "manual_seed",
    "no_grad",
    "save",
    "summary",
]
