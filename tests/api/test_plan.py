"""plan() and explain(): the results of the plain call, from weights of its own."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from memory_layouts import LAYOUTS, WRITABLE
from operator_calls import CONVOLUTIONS, Call

import cases
import fastconv as fc
from fastconv import _core

PROBLEMS = [p for p in [*cases.CONV_CASES, *cases.TRANSPOSED_CASES] if 0 not in p.x_shape[-3:]]
FORMATS = ("contiguous", "channels_last")


def make(call: Call, **changes: Any) -> Any:
    arguments = {**call.arrays, **call.options, **changes}
    return fc.plan(call.op, arguments.pop("x").shape, **arguments)


@pytest.mark.parametrize("isa", _core.info()["runnable_isas"])
@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_result_is_that_of_the_call(problem: Any, memory_format: Any, isa: str) -> None:
    """Whole numbers agree on every way; what an activation makes of them is rounded."""
    operands = cases.exact_integers(problem)
    rtol = 1e-6 if "activation" in problem.options else 0
    _core.force_isa(isa)
    try:
        expected = cases.call(fc, problem, operands)
        for algorithm in ("auto", "direct", "im2col"):
            planned = fc.plan(
                problem.op,
                operands.x.shape,
                operands.weight,
                operands.bias,
                **problem.options,
                algorithm=algorithm,
                memory_format=memory_format,
            )
            for _ in range(2):
                result = planned(operands.x)
                assert result.shape == planned.output_shape == expected.shape
                assert result.dtype == expected.dtype
                np.testing.assert_allclose(result, expected, rtol=rtol)
    finally:
        _core.force_isa(None)


@pytest.mark.parametrize("call", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_other_layouts(call: Call, memory_format: Any, layout: str) -> None:
    """Every array may lie anywhere, when planning and when calling."""
    x = call.arrays["x"]
    moved = {name: LAYOUTS[layout](call.arrays[name]) for name in ("weight", "bias")}
    planned = make(call, **moved, memory_format=memory_format)
    expected = call.run()
    np.testing.assert_array_equal(planned(LAYOUTS[layout](x)), expected)
    np.testing.assert_array_equal(planned(x), expected)
    for out_layout, place in WRITABLE.items():
        out = place(np.full(expected.shape, 77, np.float32))
        assert planned(x, out=out) is out, out_layout
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("call", CONVOLUTIONS, ids=str)
def test_weights_are_copied(call: Call) -> None:
    weight, bias = call.arrays["weight"].copy(), call.arrays["bias"].copy()
    for memory_format in FORMATS:
        planned = make(call, weight=weight, bias=bias, memory_format=memory_format)
        weight[...] = np.nan
        bias[...] = np.nan
        np.testing.assert_array_equal(planned(call.arrays["x"]), call.run())
        weight[...] = call.arrays["weight"]
        bias[...] = call.arrays["bias"]


def test_plan_outlives_its_arrays() -> None:
    call = CONVOLUTIONS[2]
    planned = make(call, weight=call.arrays["weight"].copy(), bias=call.arrays["bias"].copy())
    blocks = [np.full(n, np.nan, np.float32) for n in (108, 6, 200) for _ in range(50)]
    np.testing.assert_array_equal(planned(call.arrays["x"]), call.run())
    assert len(blocks) == 150


@pytest.mark.parametrize("call", CONVOLUTIONS, ids=str)
def test_wrong_inputs(call: Call) -> None:
    planned = make(call)
    x = call.arrays["x"]
    for given in (x[:1], x[..., 1:], x[None], x[0], x.reshape(-1), np.zeros((), np.float32)):
        with pytest.raises(fc.ShapeError, match=r"^x has shape .*this plan was made for"):
            planned(given)
    with pytest.raises(fc.DTypeError, match=r"^x has "):
        planned(x.astype(np.float64))
    for given in (x.tolist(), None, 1, np.ma.masked_array(x)):
        with pytest.raises(fc.ArgumentTypeError, match=r"^x is "):
            planned(given)
    with pytest.raises(fc.ShapeError, match=r"^out has shape"):
        planned(x, out=x[:1])
    with pytest.raises(fc.OptionError, match="read-only"):
        planned(x, out=LAYOUTS["read-only"](call.run()))
    with pytest.raises(TypeError):
        planned()


def test_out_must_not_overlap_the_input() -> None:
    x = np.ones((1, 1, 9), np.float32)
    planned = fc.plan("conv1d", x.shape, np.ones((1, 1, 1), np.float32))
    for out in (x, x[..., ::-1]):
        with pytest.raises(fc.OptionError, match="out shares memory with x"):
            planned(x, out=out)


@pytest.mark.parametrize("memory_format", FORMATS)
def test_empty_batch(memory_format: Any) -> None:
    weight = np.ones((3, 2, 3, 3), np.float32)
    planned = fc.plan("conv2d", (0, 2, 5, 5), weight, memory_format=memory_format)
    assert planned(np.ones((0, 2, 5, 5), np.float32)).shape == (0, 3, 3, 3)
    assert fc.explain("conv2d", (0, 2, 5, 5), weight.shape).output_shape == (0, 3, 3, 3)


@pytest.mark.parametrize("channels", [2, 40])
@pytest.mark.parametrize("kernel", [(1, 1), (1, 2), (2, 1)])
@pytest.mark.parametrize("padding", [(0, 0), (1, 0), (0, 1)])
def test_phases_that_meet_no_kernel_element(channels: int, kernel: Any, padding: Any) -> None:
    """With a stride larger than the kernel some outputs of a transposed convolution are bare."""
    generator = np.random.default_rng(0)
    x = generator.integers(-3, 4, (2, channels, 30, 31)).astype(np.float32)
    weight = generator.integers(-3, 4, (channels, channels, *kernel)).astype(np.float32)
    options = {"stride": 4, "padding": padding, "output_padding": (0, 2)}
    expected = fc.reference.conv_transpose2d(x, weight, **options)
    for algorithm in ("auto", "direct", "im2col"):
        result = fc.conv_transpose2d(x, weight, **options, algorithm=algorithm)
        np.testing.assert_array_equal(result, expected)
        planned = fc.plan("conv_transpose2d", x.shape, weight, **options, algorithm=algorithm)
        np.testing.assert_array_equal(planned(x), expected)


BAD = [
    (("conv4d", (1, 1, 9)), fc.OptionError, "op must be one of 'conv1d'"),
    (("max_pool2d", (1, 1, 9)), fc.OptionError, "op must be one of 'conv1d'"),
    ((None, (1, 1, 9)), fc.OptionError, "op must be one of"),
    (([], (1, 1, 9)), fc.ArgumentTypeError, "op must be one of"),
    (("conv1d", 9), fc.ArgumentTypeError, "x_shape must be a sequence"),
    (("conv1d", None), fc.ArgumentTypeError, "x_shape must be a sequence"),
    (("conv1d", "abc"), fc.ArgumentTypeError, "x_shape must be a sequence"),
    (("conv1d", (1, 1, 9.0)), fc.ArgumentTypeError, r"x_shape\[2\] must be an integer"),
    (("conv1d", (1, True, 9)), fc.ArgumentTypeError, r"x_shape\[1\] must be an integer"),
    (("conv1d", (1, 1, -9)), fc.OptionError, r"x_shape\[2\] must be at least 0"),
    (
        ("conv1d", np.ones((1, 2, 9))),
        fc.ArgumentTypeError,
        r"x_shape must be a shape, got an array of shape \(1, 2, 9\); pass the array's shape",
    ),
    ((np.ones((4, 4)), (1, 1, 9)), fc.ArgumentTypeError, r"got an array of shape \(4, 4\) of type"),
    (("conv1d", "a" * 999), fc.ArgumentTypeError, r"got 'a{96}\.\.\. of type str"),
    (("conv1d", ()), fc.ShapeError, r"x has shape \(\)"),
    (("conv1d", (9,)), fc.ShapeError, r"x has shape \(9,\)"),
    (("conv1d", (1,) * 9), fc.ShapeError, "x_shape has too many axes"),
    (("conv1d", (1, 3, 9)), fc.ShapeError, "3 channels"),
    (("conv1d", (1, 1, 2)), fc.ShapeError, "more than the padded input"),
]
ONE = np.ones((1, 1, 3), np.float32)


@pytest.mark.parametrize(("arguments", "error", "message"), BAD)
def test_bad_arguments(arguments: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        fc.plan(*arguments, ONE)
    with pytest.raises(error, match=message):
        fc.explain(*arguments, ONE.shape)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"stride": 0}, fc.OptionError, "stride"),
        ({"stride": True}, fc.ArgumentTypeError, "stride"),
        ({"padding": "full"}, fc.OptionError, "padding"),
        ({"groups": 2}, fc.ShapeError, "groups"),
        ({"groups": "a"}, fc.ArgumentTypeError, "groups"),
        ({"output_padding": 1}, fc.OptionError, "output_padding must be 0 for conv1d"),
        ({"output_padding": "a"}, fc.ArgumentTypeError, "output_padding"),
        ({"memory_format": "nhwc"}, fc.OptionError, "'contiguous', 'channels_last'"),
        ({"memory_format": 3}, fc.ArgumentTypeError, "'contiguous', 'channels_last'"),
        ({"algorithm": "strassen"}, fc.OptionError, "'auto', 'direct', 'im2col'"),
        ({"activation": "x"}, fc.OptionError, "'relu'"),
        ({"precision": "x"}, fc.OptionError, "'highest', 'high', 'medium'"),
    ],
    ids=str,
)
def test_bad_options(options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        fc.plan("conv1d", (1, 1, 9), ONE, **options)
    with pytest.raises(error, match=message):
        fc.explain("conv1d", (1, 1, 9), ONE.shape, **options)


def test_bad_weights() -> None:
    for weight in (ONE.tolist(), None, 3):
        with pytest.raises(fc.ArgumentTypeError, match="weight is"):
            fc.plan("conv1d", (1, 1, 9), weight)
    for dtype in (np.longdouble, int, object, ">f4"):
        with pytest.raises(fc.DTypeError, match="weight has dtype"):
            fc.plan("conv1d", (1, 1, 9), ONE.astype(dtype))
        with pytest.raises(fc.DTypeError, match="has dtype"):
            fc.explain("conv1d", (1, 1, 9), ONE.shape, dtype=dtype)
    with pytest.raises(fc.DTypeError, match="bias"):
        fc.plan("conv1d", (1, 1, 9), ONE, np.ones(1))
    with pytest.raises(fc.ShapeError, match="bias"):
        fc.plan("conv1d", (1, 1, 9), ONE, np.ones(2, np.float32))
    with pytest.raises(fc.ArgumentTypeError, match="dtype must be a NumPy dtype"):
        fc.explain("conv1d", (1, 1, 9), ONE.shape, dtype="bogus")
    with pytest.raises(fc.ArgumentTypeError, match="bias must be True or False"):
        fc.explain("conv1d", (1, 1, 9), ONE.shape, bias=ONE)  # type: ignore[arg-type]


@pytest.mark.parametrize("algorithm", ["direct", "im2col"])
@pytest.mark.parametrize("call", CONVOLUTIONS, ids=str)
def test_explain_says_what_the_plan_does(call: Call, algorithm: Any) -> None:
    shapes = (call.arrays["x"].shape, call.arrays["weight"].shape)
    facts = fc.explain(call.op, *shapes, bias=True, algorithm=algorithm, **call.options)
    assert facts.algorithm == algorithm
    assert facts.output_shape == call.run().shape
    assert facts.isa == fc.show_config().isa
    assert facts.threads >= 1
    assert facts.tasks >= 1
    assert facts.workspace_bytes >= 0
    assert str(facts) == facts.text
    assert f"algorithm: {algorithm}" in facts.text
    assert f"algorithm: {algorithm}" in make(call, algorithm=algorithm).explanation
    assert facts.reason in facts.text
    assert facts.kernel in facts.text


@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "groups"),
    [((1, 960, 7, 7), (960, 1, 3, 3), 960), ((1, 512, 2, 2), (64, 512, 3, 3), 1)],
)
def test_explain_means_contiguous_weights(x_shape: Any, weight_shape: Any, groups: int) -> None:
    """No kernel is ruled out by how the weights of a mere shape lie in memory."""
    facts = fc.explain("conv2d", x_shape, weight_shape, padding=1, groups=groups)
    assert "adjoin" not in facts.text


def test_only_plan_makes_plans() -> None:
    """An object without weights would have nothing to compute with."""
    made = fc.plan("conv1d", (1, 1, 9), ONE)
    kind = type(made)
    for attempt in (
        kind,
        lambda: kind.__new__(kind),
        lambda: object.__new__(kind),
        lambda: copy.copy(made),
        lambda: copy.deepcopy(made),
        lambda: pickle.dumps(made),
        lambda: type("Derived", (kind,), {}),
        lambda: setattr(kind, "__call__", None),
    ):
        with pytest.raises(TypeError):
            attempt()
    assert made(np.ones((1, 1, 9), np.float32)).shape == (1, 1, 7)


def test_arguments_of_a_plan() -> None:
    planned = fc.plan("conv1d", (1, 1, 9), ONE)
    x = np.ones((1, 1, 9), np.float32)
    out = np.empty((1, 1, 7), np.float32)
    for result in (planned(x, out), planned(x, out=out), planned(out=out, x=x)):
        assert result is out
    assert planned(x=x, out=None).shape == (1, 1, 7)
    for arguments, names, message in (
        ((), {}, "needs the input x"),
        ((), {"out": out}, "needs the input x"),
        ((x, out, x), {}, "3 positional"),
        ((x,), {"x": x}, "'x' twice"),
        ((x, out), {"out": out}, "'out' twice"),
        ((x,), {"result": out}, "'result'"),
        ((x,), {"\ud800": out}, "takes x and out"),
    ):
        with pytest.raises(fc.ArgumentTypeError, match=message):
            planned(*arguments, **names)


def test_settings_between_equal_calls_are_seen() -> None:
    """What a thread remembers of its last plans does not outlive a change of the settings."""
    x, weight = np.ones((4, 32, 64, 64), np.float32), np.ones((32, 32, 3, 3), np.float32)

    def facts(**options: Any) -> Any:
        fc.conv2d(x[:1], weight, **options)
        return fc.explain("conv2d", x.shape, weight.shape, **options)

    try:
        for count in (1, 3, 2, 3):
            fc.set_num_threads(count)
            assert facts().threads == count
        for isa in (*_core.info()["runnable_isas"], *_core.info()["runnable_isas"]):
            _core.force_isa(isa)
            assert facts().isa == isa
        for _ in range(2):
            for algorithm in ("direct", "im2col"):
                assert facts(algorithm=algorithm).algorithm == algorithm
            for level in ("medium", "highest"):
                assert facts(precision=level).precision == level
    finally:
        fc.set_num_threads(None)
        _core.force_isa(None)
