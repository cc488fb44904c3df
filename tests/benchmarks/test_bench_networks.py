"""Whole networks and gradients as problems of the benchmark: right answers, forms, refusals."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import nn
from fastconv.benchmarks.contestant import DeclinedError, Settings
from fastconv.benchmarks.networks.graph import UnknownLayerError, multiply_adds, trace
from fastconv.benchmarks.networks.own import Compiled, Layers
from fastconv.benchmarks.networks.problem import (
    NETWORK_NAMES,
    NetworkArrays,
    NetworkProblem,
    make_network,
    select_networks,
)
from fastconv.benchmarks.networks.verify import NetworkVerifier, StepResult
from fastconv.benchmarks.own import Fastconv, FastconvPlan
from fastconv.benchmarks.peers import NETWORK_PEER_NAMES, load_peers
from fastconv.benchmarks.problem import Problem, bytes_moved, make_arrays, operations
from fastconv.benchmarks.suites import SelectionError, load_suite
from fastconv.benchmarks.verify import Verifier

SETTINGS = Settings(threads=2)
# torch.compile starts a C++ compiler, which takes half a minute: it is left to the full run.
PEERS = [key for key in NETWORK_PEER_NAMES if key != "torch-compile"]


def small_net():
    """Every layer and arrangement of the benchmark's networks, in small."""
    nn.manual_seed(1)
    branches = [
        nn.Sequential(nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4), nn.ReLU()),
        nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), nn.Conv2d(8, 5, 3, padding=1)),
    ]
    body = nn.Sequential(nn.Conv2d(9, 9, 3, padding=1, bias=False), nn.BatchNorm2d(9))
    net = nn.Sequential(
        nn.Conv2d(3, 8, 5, 2, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Concat(*branches), nn.Residual(body), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(9, 6, 1), nn.Sigmoid(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.0),
        nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 5),
    )  # fmt: skip
    return net.eval()


def arrays_of(net, batch):
    x = np.random.default_rng(0).standard_normal((batch, 3, 26, 22)).astype(np.float32)
    return NetworkArrays(net, x, np.arange(batch) % 5)


def problem_of(batch, training=False):
    return NetworkProblem("small", "small", (batch, 3, 26, 22), training=training)


def contestant(key):
    if key in ("fastconv", "fastconv-plan"):
        return {"fastconv": Layers, "fastconv-plan": Compiled}[key]()
    found, missing = load_peers([key], networks=True)
    if missing:
        pytest.skip(f"{key}: {missing[0].reason}")
    return found[0]


@pytest.mark.parametrize(
    ("key", "batch"), [*product(["fastconv", "fastconv-plan", *PEERS], [1, 2])]
)
def test_everyone_computes_the_same_network(key, batch):
    arrays = arrays_of(small_net(), batch)
    prepared = contestant(key).prepare(problem_of(batch), arrays, SETTINGS)
    verifier = NetworkVerifier(problem_of(batch), arrays)
    for _ in range(2):
        answer = prepared.fetch(prepared.run())
        outcome = verifier.judge(answer, SETTINGS, own=True)
        assert outcome.ok, outcome.message
    wrong = answer + 0.01 * np.abs(answer).max()
    assert not verifier.judge(wrong, SETTINGS, own=False).ok
    assert "shape" in verifier.judge(answer[:, 1:], SETTINGS, own=False).message


@pytest.mark.parametrize("key", ["fastconv", "torch", "torch-channels-last"])
def test_a_training_step_is_everyones(key):
    problem, arrays = problem_of(4, training=True), arrays_of(small_net(), 4)
    before = arrays.net.state_dict()
    prepared = contestant(key).prepare(problem, arrays, SETTINGS)
    verifier = NetworkVerifier(problem, arrays)
    result = prepared.fetch(prepared.run())
    outcome = verifier.judge(result, SETTINGS, own=True)
    assert outcome.ok, outcome.message
    for name, array in arrays.net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    wrong = StepResult(result.loss, 1.1 * result.first, result.last)
    assert not verifier.judge(wrong, SETTINGS, own=True).ok


@pytest.mark.parametrize("key", [k for k in ("fastconv-plan", *PEERS) if "torch" not in k])
def test_who_does_not_train_says_so(key):
    arrays = arrays_of(small_net(), 1)
    with pytest.raises(DeclinedError, match="train"):
        contestant(key).prepare(problem_of(1, training=True), arrays, SETTINGS)


def test_unknown_layers_are_named():
    odd = nn.Sequential(nn.Conv2d(3, 3, 1), nn.GELU()).eval()
    for key in ("torch", "onnxruntime", "ncnn"):
        with pytest.raises(UnknownLayerError, match="GELU"):
            contestant(key).prepare(problem_of(1), arrays_of(odd, 1), SETTINGS)


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_networks_count_what_the_papers_say(name):
    # Multiply-adds of one image as torchvision's documentation gives them (LeNet: by hand).
    known = {
        "lenet": 416_520, "alexnet": 714_188_480, "vgg16": 15_470_264_320,
        "resnet18": 1_814_073_344, "resnet50": 4_089_184_256, "googlenet": 1_498_360_000,
    }  # fmt: skip
    inference, _, training = (layer.problem for layer in select_networks([name]))
    assert operations(inference) == pytest.approx(2 * known[name], rel=2e-3)
    assert operations(training) == 3 * 16 * operations(inference)
    assert bytes_moved(inference) > 4 * sum(p.data.size for p in make_network(name).parameters())


def test_selection_of_networks():
    names = [layer.problem.name for layer in select_networks(["lenet", "lenet"])]
    assert names == ["inference, batch 1", "inference, batch 16", "training, batch 16"]
    assert len({layer.key for layer in select_networks(["all"])}) == 3 * len(NETWORK_NAMES)
    assert len(select_networks(["all"], quick=True)) == len(NETWORK_NAMES)
    assert len(select_networks(["all"], ["alexnet/train*"])) == 1
    for names, patterns in ((["leenet"], ()), (["lenet"], ["conv*"])):
        with pytest.raises(SelectionError, match="lenet"):
            select_networks(names, patterns)


def test_a_trace_has_nothing_that_changes_nothing():
    net = nn.Sequential(nn.Identity(), nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d((26, 22)))
    nodes = trace(net.eval(), (2, 3, 26, 22))
    assert [node.kind for node in nodes] == ["input", "layer"]
    assert multiply_adds(nodes) == 2 * 4 * 3 * 26 * 22


def small_gradient(problem):
    """The same kind of gradient on fewer and smaller images."""
    shape = (2, *problem.x_shape[1:2], *(min(n, 12) for n in problem.x_shape[2:]))
    fields = {**vars(problem), "x_shape": shape}
    return Problem(**fields)


GRADIENTS = [layer.problem for layer in load_suite("gradients").layers]


@pytest.mark.parametrize("key", ["fastconv", "torch", "torch-channels-last"])
@pytest.mark.parametrize("problem", GRADIENTS, ids=lambda p: p.name)
def test_gradients_are_verified(problem, key):
    problem = small_gradient(problem)
    arrays = make_arrays(problem)
    found = [Fastconv()] if key == "fastconv" else load_peers([key])[0]
    if not found:
        pytest.skip(f"{key} is not installed")
    verifier = Verifier(fastconv.reference, problem, arrays, "float32")
    if key == "torch-channels-last" and problem.rank == 1:
        with pytest.raises(DeclinedError, match="1-D"):
            found[0].prepare(problem, arrays, SETTINGS)
        return
    prepared = found[0].prepare(problem, arrays, SETTINGS)
    for _ in range(2):
        answer = prepared.fetch(prepared.run())
        assert verifier.judge(answer, SETTINGS, own=True).ok
    assert not verifier.judge(np.asarray(answer) * np.float32(1.001), SETTINGS, own=True).ok


def test_only_who_has_gradients_computes_them():
    problem = small_gradient(GRADIENTS[0])
    arrays = make_arrays(problem)
    found, _ = load_peers(["torch-packed", "onnxruntime", "openvino", "ncnn"])
    for other in (FastconvPlan(), *found):
        with pytest.raises(DeclinedError):
            other.prepare(problem, arrays, SETTINGS)


def test_a_gradient_is_not_the_operator():
    problem = GRADIENTS[0]
    plain = Problem(problem.name, problem.op, problem.x_shape, problem.weight_shape)
    other = replace(problem, gradient="weight")
    assert len({problem.key, plain.key, other.key}) == 3
