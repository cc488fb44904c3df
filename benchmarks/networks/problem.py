"""A network as data: which one, how many images, inference or a training step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastconv import models, nn

from .. import problem as layers
from ..problem import Problem
from ..suites import Layer, SelectionError, matching
from .graph import multiply_adds, trace

# Name -> function of fastconv.models, its arguments, and the size of its images.
_NETWORKS: dict[str, tuple[Any, dict[str, Any], tuple[int, int, int]]] = {
    "lenet": (models.lenet, {}, (1, 28, 28)),
    "alexnet": (models.alexnet, {}, (3, 224, 224)),
    "vgg16": (models.vgg16, {}, (3, 224, 224)),
    "resnet18": (models.resnet18, {}, (3, 224, 224)),
    "resnet50": (models.resnet50, {}, (3, 224, 224)),
    # The auxiliary classifiers take part in training only, and would be most of its parameters.
    "googlenet": (models.googlenet, {"aux_logits": False}, (3, 224, 224)),
}
NETWORK_NAMES = tuple(_NETWORKS)
_BATCHES = (1, 16)
_TRAINING_BATCH = 16


@dataclass(frozen=True)
class NetworkProblem(Problem):
    """One pass of a network; ``op`` is the network's name.

    Attributes:
        training: A training step (forward, cross-entropy, backward, SGD with momentum), in which
            dropout is left out so that results can be compared; otherwise inference.
    """

    training: bool = False

    @property
    def key(self) -> tuple[Any, ...]:
        """See :attr:`Problem.key`."""
        return (*super().key, self.training)


class NetworkArrays(NamedTuple):
    """What contestants are given: a network with weights, images and their classes."""

    net: nn.Module
    x: NDArray[Any]
    classes: NDArray[np.int64]


# Of SGD. So small that no number of steps on random labels diverges.
LEARNING_RATE = 1e-5
MOMENTUM = 0.9


def select_networks(
    names: Sequence[str], patterns: Sequence[str] = (), *, quick: bool = False
) -> tuple[Layer, ...]:
    """Passes of the named networks whose name, or ``network/name``, matches a shell pattern.

    Args:
        names: Of NETWORK_NAMES, or "all".
        patterns: Shell patterns; none selects every pass.
        quick: Only inference of one image; ignored when patterns are given.

    Raises:
        SelectionError: Something that does not exist.
    """
    for name in names:
        if name not in (*NETWORK_NAMES, "all"):
            allowed = ", ".join(("all", *NETWORK_NAMES))
            raise SelectionError(f"network: got {name!r}; allowed: {allowed}")
    chosen = NETWORK_NAMES if "all" in names else tuple(dict.fromkeys(names))
    passes = [Layer(name, p, quick=n == 1) for name in chosen for n, p in _passes(name)]
    return matching(passes, patterns, quick)


def _passes(name: str) -> list[tuple[int, NetworkProblem]]:
    image = _NETWORKS[name][2]
    inference = [(n, NetworkProblem(f"inference, batch {n}", name, (n, *image))) for n in _BATCHES]
    n = _TRAINING_BATCH
    step = NetworkProblem(f"training, batch {n}", name, (n, *image), training=True)
    return [*inference, (n, step)]


def make_network(name: str) -> nn.Module:
    """Make a network with random weights, the same in every run, in inference mode.

    Batch normalisations get running moments that change something. Dropout is switched off.
    """
    function, arguments, _ = _NETWORKS[name]
    nn.manual_seed(0)
    net: nn.Module = function(**arguments)
    generator = np.random.default_rng(0)
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.BatchNorm2d):
            mean, variance = module.running_mean, module.running_var
            assert mean is not None
            assert variance is not None
            size = module.num_features
            mean.data = generator.normal(0, 0.1, size).astype(np.float32)
            variance.data = generator.uniform(0.5, 1.5, size).astype(np.float32)
    return net.eval()


@layers.make_arrays.register
def _(problem: NetworkProblem, dtype: str = "float32", *, fill: str = "normal") -> NetworkArrays:
    assert fill == "normal"
    net = make_network(problem.op).astype(dtype)
    generator = np.random.default_rng(1)
    x = generator.standard_normal(problem.x_shape).astype(dtype)
    classes = generator.integers(0, layers.output_shape(problem)[1], problem.x_shape[0])
    return NetworkArrays(net, x, classes)


@layers.output_shape.register
def _(problem: NetworkProblem) -> tuple[int, ...]:
    return _facts(problem).shape


@layers.multiply_adds.register
def _(problem: NetworkProblem) -> int:
    # A training step computes the gradients with respect to inputs and weights beside the output.
    return _facts(problem).multiply_adds * (3 if problem.training else 1)


@layers.operations.register
def _(problem: NetworkProblem) -> int:
    return 2 * layers.multiply_adds(problem)


@layers.bytes_moved.register
def _(problem: NetworkProblem, dtype: str = "float32") -> int:
    facts = _facts(problem)
    elements = int(np.prod(problem.x_shape)) + int(np.prod(facts.shape)) + facts.parameters
    return elements * layers.element_type(dtype).itemsize


class _Facts(NamedTuple):
    shape: tuple[int, ...]
    multiply_adds: int
    parameters: int


_known: dict[tuple[Any, ...], _Facts] = {}


def _facts(problem: NetworkProblem) -> _Facts:
    key = (problem.op, problem.x_shape)
    if key not in _known:
        net = make_network(problem.op)
        nodes = trace(net, problem.x_shape)
        parameters = sum(p.data.size for p in net.parameters())
        _known[key] = _Facts(nodes[-1].shape, multiply_adds(nodes), parameters)
    return _known[key]
