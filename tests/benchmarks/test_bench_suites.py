import math

import pytest

from fastconv.benchmarks import suites
from fastconv.benchmarks.problem import multiply_adds, output_shape
from fastconv.benchmarks.random_layers import random_layers

# Multiply-adds of all convolutions, in millions, from the papers' tables or from summing them up.
PUBLISHED = {
    "alexnet": 666,
    "vgg16": 15_347,
    "resnet18": 1_814,
    "resnet34": 3_664,
    "resnet50": 4_087,
    "googlenet": 1_582,
    "mobilenet_v1": 568,
    "mobilenet_v2": 300,
}


@pytest.mark.parametrize("name", suites.suite_names())
def test_every_layer_is_a_legal_problem(name):
    suite = suites.load_suite(name)
    assert suite.title
    assert suite.source
    for layer in suite.layers:
        assert all(size > 0 for size in output_shape(layer.problem))
        assert multiply_adds(layer.problem) > 0


@pytest.mark.parametrize("name", suites.suite_names())
def test_layers_are_distinct_and_named_apart(name):
    layers = suites.load_suite(name).layers
    assert len({layer.key for layer in layers}) == len(layers)
    assert len({layer.problem.name for layer in layers}) == len(layers)


@pytest.mark.parametrize("name", suites.suite_names())
def test_a_short_run_has_layers_of_every_suite(name):
    assert suites.select([name], quick=True)


@pytest.mark.parametrize("name", PUBLISHED)
def test_networks_have_their_published_cost(name):
    layers = [x for x in suites.load_suite(name).layers if x.problem.weight_shape is not None]
    millions = sum(layer.repeat * multiply_adds(layer.problem) for layer in layers) / 1e6
    assert millions == pytest.approx(PUBLISHED[name], rel=0.01)


def test_layers_of_a_chain_fit_together():
    layers = suites.load_suite("vgg16").layers
    channels, size = 3, 224
    for layer in layers:
        assert layer.problem.x_shape[1] == channels
        assert layer.problem.x_shape[2] <= size
        channels, size = output_shape(layer.problem)[1:3]


def test_random_layers_are_legal_bounded_and_repeatable():
    layers = random_layers(300, seed=5)
    assert layers == random_layers(300, seed=5)
    assert layers != random_layers(300, seed=6)
    assert len({layer.problem.name for layer in layers}) == len(layers)
    assert len({layer.suite for layer in layers}) == 9
    for layer in layers:
        assert all(size > 0 for size in output_shape(layer.problem))
        assert 0 < multiply_adds(layer.problem) < 10e9


def test_patterns_select_names_and_paths():
    names = [x.problem.name for x in suites.select(["vgg16"], ["conv3*"])]
    assert names == ["conv3_1", "conv3_2"]
    layers = suites.select(["all"], ["resnet50/conv1", "micro/conv1d"])
    assert [(x.suite, x.problem.name) for x in layers] == [
        ("resnet50", "conv1"),
        ("micro", "conv1d"),
    ]


def test_all_contains_every_suite_once():
    layers = suites.select(["all", "lenet"])
    assert {x.suite for x in layers} == set(suites.suite_names())
    assert len(layers) == len({(x.suite, x.problem.name) for x in layers})


def test_unknown_names_are_listed_with_the_right_ones():
    with pytest.raises(suites.SelectionError, match=r"'resnet51'; allowed: all, lenet, alexnet"):
        suites.select(["resnet51"])
    with pytest.raises(suites.SelectionError, match=r"no layer of lenet matches 'zz\*'; .*conv1"):
        suites.select(["lenet"], ["zz*"])


def test_batch_suite_has_the_two_layers_of_the_speed_targets():
    problems = {x.problem.name: x.problem for x in suites.load_suite("batch16").layers}
    dense = problems["conv3x3_128_28"]
    assert (dense.x_shape, dense.weight_shape) == ((16, 128, 28, 28), (128, 128, 3, 3))
    pointwise = problems["conv1x1_1024_256_14"]
    assert math.prod(pointwise.x_shape) == 16 * 1024 * 14 * 14
