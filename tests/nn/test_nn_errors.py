"""Wrong use of layers, losses and optimisers: clear errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from layer_cases import CASES, Case

from fastconv import models, nn
from fastconv.errors import (
    ArgumentTypeError,
    BackwardError,
    DTypeError,
    NonFiniteError,
    OptionError,
    ShapeError,
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_backward_once_per_forward_and_of_the_right_kind(case: Case) -> None:
    layer = case.ours()
    x = np.random.default_rng(0).standard_normal(case.shape).astype(np.float32)
    grad = np.ones(layer.output_shape(x.shape), np.float32)
    with pytest.raises(BackwardError, match=f"{case.type}.backward needs a forward pass"):
        layer.backward(grad)
    layer(x)
    with pytest.raises(ShapeError, match=f"grad_output of {case.type} must have the shape"):
        layer.backward(np.ones((*grad.shape, 2), np.float32))
    with pytest.raises(DTypeError, match="must have the dtype float32"):
        layer.backward(grad.astype(np.float64))
    with pytest.raises(ArgumentTypeError, match="grad_output must be a NumPy array"):
        layer.backward(grad.tolist())
    layer.backward(grad)  # the wrong ones did no harm
    with pytest.raises(BackwardError, match="once for each backward pass"):
        layer.backward(grad)
    with nn.no_grad():
        layer(x)
    with pytest.raises(BackwardError, match="outside of no_grad"):
        layer.backward(grad)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_inputs_that_are_no_float_arrays(case: Case) -> None:
    layer = case.ours()
    with pytest.raises(ArgumentTypeError, match="x must be a NumPy array"):
        layer(np.zeros(case.shape).tolist())  # type: ignore[arg-type]
    with pytest.raises(DTypeError, match="x must be float32 or float64, got int64"):
        layer(np.zeros(case.shape, np.int64))


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: nn.Conv2d(0, 1, 3), OptionError, "in_channels must be at least 1, got 0"),
        (lambda: nn.Conv2d(4, 6, 3, groups=3), OptionError, "groups must divide"),
        (lambda: nn.Conv2d(4, 6, (3, 3, 3)), ShapeError, "kernel_size must have one entry"),
        (lambda: nn.Conv2d(4, 6, 3, 2, "same"), OptionError, "'same' needs stride 1"),
        (lambda: nn.Conv2d(4, 6, 3, padding="full"), OptionError, "padding must be"),
        (lambda: nn.Conv2d(4, 6, 3, bias=1), ArgumentTypeError, "bias must be True or False"),
        (lambda: nn.Conv2d(4, 6.0, 3), ArgumentTypeError, "out_channels must be an integer"),
        (lambda: nn.ConvTranspose2d(4, 6, 3, output_padding=1), OptionError, "output_padding"),
        (lambda: nn.MaxPool2d(2, padding=2), OptionError, "at most half"),
        (lambda: nn.MaxPool2d(0), OptionError, "kernel_size must be at least 1"),
        (lambda: nn.AvgPool2d(2, divisor_override=0), OptionError, "must not be 0"),
        (lambda: nn.AdaptiveAvgPool2d((1, 2, 3)), ShapeError, "one entry per spatial axis"),
        (lambda: nn.Linear(3, "a"), ArgumentTypeError, "out_features must be an integer"),
        (lambda: nn.BatchNorm2d(3, eps=-1), OptionError, "eps must lie between"),
        (lambda: nn.BatchNorm2d(3, momentum=2), OptionError, "momentum must lie between"),
        (lambda: nn.LayerNorm(()), ShapeError, "at least one axis"),
        (lambda: nn.Dropout(1.5), OptionError, "p must lie between 0.0 and 1.0, got 1.5"),
        (lambda: nn.Dropout("a"), ArgumentTypeError, "p must be a number"),
        (lambda: nn.LeakyReLU(float("nan")), OptionError, "negative_slope"),
        (lambda: nn.manual_seed(-1), OptionError, "seed must be at least 0"),
        (lambda: nn.Linear(3, 3).train(1), ArgumentTypeError, "mode must be True or False"),
        (lambda: nn.Linear(3, 3).astype(np.float16), DTypeError, "float32 or float64"),
        (lambda: nn.CrossEntropyLoss(reduction="none"), OptionError, "'mean', 'sum'"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=2), OptionError, "label_smoothing"),
        (lambda: nn.SGD([]), OptionError, "params must not be empty"),
        (lambda: nn.SGD([np.zeros(3)]), ArgumentTypeError, r"params\[0\] must be a Parameter"),
        (lambda: nn.SGD(3), ArgumentTypeError, "params must be parameters"),
        (lambda: nn.SGD(nn.Linear(2, 2).parameters(), lr=-1), OptionError, "lr must lie"),
        (
            lambda: nn.SGD(nn.Linear(2, 2).parameters(), nesterov=True),
            OptionError,
            "nesterov needs momentum",
        ),
        (
            lambda: nn.Adam(nn.Linear(2, 2).parameters(), betas=(0.9, 1.0)),
            OptionError,
            r"betas\[1\] must be below 1",
        ),
        (lambda: nn.Adam(nn.Linear(2, 2).parameters(), betas=(1,)), OptionError, "two numbers"),
        (lambda: models.lenet(activation="gelu"), OptionError, "'sigmoid', 'tanh', 'relu'"),
        (lambda: models.resnet18(0), OptionError, "num_classes must be at least 1"),
        (lambda: nn.compile(nn.Linear(2, 2)), OptionError, r"call net\.eval\(\)"),
        (lambda: nn.compile(nn.Linear(2, 2).eval(), memory_format="x"), OptionError, "x"),
        (lambda: nn.compile(3), ArgumentTypeError, "net must be a module"),
        (lambda: nn.summary(nn.Linear(2, 2), (2,)), ShapeError, "input_shape must be"),
        (lambda: nn.summary(nn.Linear(2, 2), (1, 3)), ShapeError, "in_features=2"),
    ],
)
def test_bad_arguments(make: Callable[[], Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (nn.Conv2d(3, 4, 3), (1, 4, 8, 8), "channels"),
        (nn.Conv2d(3, 4, 3), (1, 3, 2, 2), "kernel"),
        (nn.Linear(3, 4), (2, 5), "a Flatten may be missing"),
        (nn.BatchNorm2d(3), (2, 4, 5, 5), r"\(N, C, H, W\) with C=3"),
        (nn.BatchNorm2d(3), (2, 3, 5), r"\(N, C, H, W\)"),
        (nn.BatchNorm1d(3), (1, 3), "more than 1 value per channel"),
        (nn.LayerNorm(3), (2, 4), "normalized_shape"),
        (nn.Softmax(2), (2, 4), "dim must be an axis"),
        (nn.Flatten(3), (2, 4), "must be axes of x"),
        (nn.MaxPool2d(5), (1, 1, 3, 3), "kernel"),
    ],
)
def test_inputs_of_the_wrong_shape(layer: nn.Module, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        layer(np.zeros(shape, np.float32))


def test_network_and_input_of_different_dtypes() -> None:
    for layer, shape in ((nn.Conv2d(1, 1, 1), (1, 1, 2, 2)), (nn.Linear(2, 2), (1, 2))):
        with pytest.raises(DTypeError, match="float32"):
            layer(np.zeros(shape))
    with pytest.raises(DTypeError, match="dtype float32 of the network, got float64"):
        nn.compile(nn.Linear(2, 2).eval())(np.zeros((1, 2)))


@pytest.mark.parametrize(
    ("output", "target", "kind", "words"),
    [
        (np.zeros((2, 3)), np.zeros(3, int), ShapeError, "one class per sample"),
        (np.zeros((2, 3)), np.zeros(2), DTypeError, "integer array of classes"),
        (np.zeros((2, 3)), np.array([0, 3]), OptionError, "0 to 2 .*got 3"),
        (np.zeros((2, 3)), [0, 1], ArgumentTypeError, "target must be a NumPy array"),
        (np.full((2, 3), np.nan), np.zeros(2, int), NonFiniteError, "lower the learning rate"),
        (np.full((2, 3), np.inf), np.zeros(2, int), NonFiniteError, "got nan"),
        (np.zeros((2, 3)), np.array([-100, -100]), NonFiniteError, "got nan"),
    ],
)
def test_bad_losses(output: Any, target: Any, kind: type[Exception], words: str) -> None:
    criterion = nn.CrossEntropyLoss()
    with np.errstate(invalid="ignore"), pytest.raises(kind, match=words):
        criterion(output, target)
    with pytest.raises(BackwardError, match="call the loss first"):
        criterion.backward()


def test_bad_squared_errors() -> None:
    criterion = nn.MSELoss()
    with pytest.raises(ShapeError, match="reshape"):
        criterion(np.zeros(3), np.zeros((3, 1)))
    with pytest.raises(DTypeError, match="dtype float64 of output"):
        criterion(np.zeros(3), np.zeros(3, np.float32))
    with pytest.raises(NonFiniteError, match="must be finite, got inf"):
        criterion(np.array([np.inf]), np.zeros(1))
    criterion(np.ones(3), np.zeros(3))
    criterion.backward()
    with pytest.raises(BackwardError, match="once for each"):
        criterion.backward()


def test_googlenet_wants_three_gradients() -> None:
    net = models.googlenet(4)
    out = net(np.zeros((2, 3, 32, 32), np.float32))
    with pytest.raises(ArgumentTypeError, match="gradients of the three scores"):
        net.backward(out.logits)
