"""Options of the wrong type, outside their range, or with the wrong number of values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from operator_calls import CALLS, CONVOLUTIONS, Call, with_option

import fastconv as fc

PER_AXIS = ("stride", "dilation", "kernel_size", "output_padding")
LEAST = {"stride": 1, "dilation": 1, "kernel_size": 1, "output_padding": 0, "padding": 0}


class Index:
    """An integer of another library."""

    def __index__(self) -> int:
        return 1


class NoIndex:
    def __index__(self) -> int:
        raise RuntimeError("the caller's own error")


class NoRepr:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class StrangeRepr:
    def __repr__(self) -> str:
        return "\ud800"


NOT_INTS = [
    True,
    False,
    np.True_,
    1.0,
    np.float32(1),
    "1",
    b"1",
    1j,
    object(),
    NoRepr(),
    StrangeRepr(),
    {1: 1},
    {1, 2},
    range(2),
    np.array([1, 1]),
    np.array(1.0),
    "é" * 100,
    "\ud800",
    Ellipsis,
    int,
]


def options(*names: str) -> list[tuple[Call, str]]:
    return [(call, name) for name in names for call in with_option(name)]


def ids(pairs: list[tuple[Call, str]]) -> list[str]:
    return [f"{call}-{name}" for call, name in pairs]


each_per_axis = pytest.mark.parametrize(
    ("call", "name"), options(*PER_AXIS), ids=ids(options(*PER_AXIS))
)
each_number = pytest.mark.parametrize(
    ("call", "name"), options(*PER_AXIS, "padding"), ids=ids(options(*PER_AXIS, "padding"))
)


@each_per_axis
def test_not_ints(call: Call, name: str) -> None:
    for given in NOT_INTS:
        for value in (given, (given,), (given,) * call.rank, [1] * (call.rank - 1) + [given]):
            with pytest.raises(fc.ArgumentTypeError, match=rf"^{name} is ") as caught:
                call.run(**{name: value})
            assert isinstance(caught.value, TypeError)
            assert "it must be an int" in str(caught.value)
    for value in (None,) if name != "stride" or call in CONVOLUTIONS else ():
        with pytest.raises(fc.ArgumentTypeError, match=rf"^{name} is None"):
            call.run(**{name: value})


@each_number
def test_outside_the_range(call: Call, name: str) -> None:
    if name == "kernel_size" and "padding" in call.options:
        call = replace(call, options={**call.options, "padding": 0})
    too_small = LEAST[name] - 1
    for value in (too_small, -5, -(2**31), -(2**62), -(2**63), -(2**64), 2**63, 2**64, 2**1000):
        for given in (value, (value,) * call.rank, [1] * (call.rank - 1) + [value]):
            with pytest.raises(fc.OptionError, match=rf"\b{name}\b") as caught:
                call.run(**{name: given})
            assert isinstance(caught.value, ValueError)


@each_number
@pytest.mark.parametrize("value", [2**32, 2**61, 2**62, 2**63 - 1])
def test_huge(call: Call, name: str, value: int) -> None:
    if name == "stride" and value == 2**32 and (call.op == "unfold" or "_pool" in call.op):
        # One window: the stride does not matter.
        assert call.run(stride=value).size == call.run(stride=2**20).size
        return
    with pytest.raises((fc.OptionError, fc.ShapeError, fc.OutOfMemoryError)) as caught:
        call.run(**{name: value})
    assert len(str(caught.value)) > 20


@each_per_axis
def test_wrong_number_of_values(call: Call, name: str) -> None:
    empty = [(), []] if name != "stride" or call in CONVOLUTIONS else []
    wrong = [n for n in (2, 3, 4) if n != call.rank]
    for given in (*empty, *((1,) * n for n in wrong), *([1] * n for n in wrong)):
        with pytest.raises(ValueError, match=rf"^{name} ") as caught:
            call.run(**{name: given})
        assert isinstance(caught.value, fc.FastconvError)


@each_per_axis
def test_numpy_integers_are_integers(call: Call, name: str) -> None:
    value = call.options[name]
    expected = call.run()
    for kind in (np.int8, np.uint8, np.int32, np.uint64):
        for given in (kind(value), (kind(value),), [kind(value)] * call.rank, np.array(value)):
            np.testing.assert_array_equal(call.run(**{name: given}), expected)


@each_per_axis
def test_the_callers_own_exceptions_pass(call: Call, name: str) -> None:
    with pytest.raises(RuntimeError, match="own error"):
        call.run(**{name: NoIndex()})


def test_objects_with_an_index_are_integers() -> None:
    call = CONVOLUTIONS[2]
    np.testing.assert_array_equal(call.run(stride=Index()), call.run(stride=1))


@pytest.mark.parametrize("call", with_option("padding"), ids=str)
def test_padding_of_wrong_types(call: Call) -> None:
    for given in (None, 1.5, True, b"same", {}, (None,) * call.rank, ((1.0, 1),) * call.rank):
        with pytest.raises(fc.ArgumentTypeError, match=r"^padding is "):
            call.run(padding=given)
    for given in (((1, True),) * call.rank, (((1,), 1),) * call.rank):
        with pytest.raises(fc.ArgumentTypeError, match=r"^padding is "):
            call.run(padding=given)


@pytest.mark.parametrize("call", with_option("padding"), ids=str)
def test_padding_of_wrong_values(call: Call) -> None:
    rank = call.rank
    pairs = ((0, 0),) * rank
    wrong: list[Any] = [
        "full",
        "",
        "SAME",
        "same\0",
        "\ud800",
        "é" * 99,
        (),
        ((), ()),
        ((1,),) * rank,
    ]
    wrong += [((1, 1, 1),) * rank, (*pairs, (0, 0)), (*pairs[1:], 1, (0, 0)), ((0, -1),) * rank]
    for given in wrong:
        with pytest.raises(ValueError, match=r"^padding ") as caught:
            call.run(padding=given)
        assert isinstance(caught.value, fc.FastconvError)


@pytest.mark.parametrize("call", with_option("padding"), ids=str)
def test_padding_same_needs_stride_one(call: Call) -> None:
    with pytest.raises(fc.OptionError, match="padding"):
        call.run(padding="same", stride=2)


@pytest.mark.parametrize("call", [c for c in CONVOLUTIONS if "transpose" in c.op], ids=str)
@pytest.mark.parametrize("name", ["same", "valid"])
def test_transposed_convolution_takes_padding_in_numbers(call: Call, name: str) -> None:
    with pytest.raises(fc.OptionError, match="it must be an int"):
        call.run(padding=name)


@pytest.mark.parametrize("call", with_option("kernel_size"), ids=str)
def test_padding_of_poolings_is_at_most_half_of_the_kernel(call: Call) -> None:
    if "padding" not in call.options or "pool" not in call.op or "unpool" in call.op:
        return
    with pytest.raises(fc.OptionError, match="padding must be at most half"):
        call.run(padding=2)
    with pytest.raises(fc.OptionError, match="padding must be at most half"):
        call.run(padding=((0, 2),) * call.rank)


@pytest.mark.parametrize("call", CONVOLUTIONS, ids=str)
def test_groups(call: Call) -> None:
    for given in (None, True, 1.0, "1", (1,), [1], np.array([1, 2])):
        with pytest.raises(fc.ArgumentTypeError, match=r"^groups is .*it must be an int"):
            call.run(groups=given)
    for given in (0, -1, -(2**63), 2**63):
        with pytest.raises(fc.OptionError, match=r"^groups is "):
            call.run(groups=given)
    for given in (3, 5, 1000, 2**31, 2**62, 2**62 + 1, 2**63 - 1):
        with pytest.raises(fc.ShapeError, match=r"groups"):
            call.run(groups=given)
    np.testing.assert_array_equal(call.run(groups=np.int32(2)), call.run())


NAMES = {
    "algorithm": ("auto", "direct", "im2col", "winograd", "fft"),
    "activation": ("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu", "gelu", "hardswish"),
    "precision": ("highest", "high", "medium"),
    "mode": ("full", "same", "valid"),
    "boundary": ("fill", "reflect", "nearest", "wrap"),
}
NAMED = [
    *((call, name) for call in CONVOLUTIONS for name in ("algorithm", "activation", "precision")),
    *((call, name) for call in with_option("mode") for name in ("mode", "boundary")),
]


@pytest.mark.parametrize(("call", "name"), NAMED, ids=ids(NAMED))
def test_names(call: Call, name: str) -> None:
    for given in ("bogus", "", "AUTO", "relu ", "auto\0", "\ud800", "é" * 100, "x" * 10**6):
        with pytest.raises(fc.OptionError, match=rf"^{name} is ") as caught:
            call.run(**{name: given})
        for allowed in NAMES[name]:
            assert repr(allowed) in str(caught.value)
        assert len(str(caught.value)) < 400
    for given in (3, 1.0, True, b"auto", ["auto"], ("auto",), object(), NoRepr()):
        with pytest.raises(fc.ArgumentTypeError, match=rf"^{name} is ") as caught:
            call.run(**{name: given})
        for allowed in NAMES[name]:
            assert repr(allowed) in str(caught.value)


@pytest.mark.parametrize(("call", "name"), NAMED, ids=ids(NAMED))
def test_every_name_is_taken(call: Call, name: str) -> None:
    class Name(str):
        __slots__ = ()

    def outcome(given: str) -> np.ndarray | str:
        try:
            return call.run(**{name: given})
        except fc.UnsupportedError as error:  # a known algorithm that does not suit the problem
            return str(error)

    for given in NAMES[name]:
        np.testing.assert_array_equal(outcome(Name(given)), outcome(given))
    if name in ("activation", "precision"):
        np.testing.assert_array_equal(call.run(**{name: None}), call.run())
    else:
        with pytest.raises(fc.ArgumentTypeError, match=rf"^{name} is None"):
            call.run(**{name: None})


FLAGS = options("ceil_mode", "return_indices", "count_include_pad")


@pytest.mark.parametrize(("call", "name"), FLAGS, ids=ids(FLAGS))
def test_flags(call: Call, name: str) -> None:
    for given in (None, 0, 1, 1.0, "yes", np.array(True), [], object()):
        with pytest.raises(fc.ArgumentTypeError, match=rf"^{name} is .* True or False"):
            call.run(**{name: given})
    for given in (True, False):
        expected, got = call.run(**{name: given}), call.run(**{name: np.bool_(given)})
        assert type(expected) is type(got)


NUMBERS = options("norm_type", "fill_value")


@pytest.mark.parametrize(("call", "name"), NUMBERS, ids=ids(NUMBERS))
def test_floating_point_numbers(call: Call, name: str) -> None:
    for given in (None, "1", 1j, True, [1.0], object(), 2**5000):
        with pytest.raises(fc.ArgumentTypeError, match=rf"^{name} is .*must be a number"):
            call.run(**{name: given})
    for given in (np.float32(2), np.float64(2), np.int16(2), 2):
        np.testing.assert_array_equal(call.run(**{name: given}), call.run(**{name: 2.0}))


@pytest.mark.parametrize("call", with_option("norm_type"), ids=str)
@pytest.mark.parametrize("given", [0.0, -1.0, float("inf"), float("-inf"), float("nan")])
def test_norm_types_outside_the_range(call: Call, given: float) -> None:
    with pytest.raises(fc.OptionError, match="norm_type"):
        call.run(norm_type=given)


@pytest.mark.parametrize("call", with_option("divisor_override"), ids=str)
def test_divisors(call: Call) -> None:
    for given in (1.0, True, "1", (1,)):
        with pytest.raises(fc.ArgumentTypeError, match="divisor_override is"):
            call.run(divisor_override=given)
    for given in (0, 2**63, -(2**64)):
        with pytest.raises(fc.OptionError, match="divisor_override"):
            call.run(divisor_override=given)
    np.testing.assert_array_equal(
        call.run(divisor_override=-3), call.expected(divisor_override=-3).astype(np.float32)
    )


SIZED = with_option("output_size")


@pytest.mark.parametrize("call", SIZED, ids=str)
def test_output_sizes(call: Call) -> None:
    for given in (1.5, True, "3", b"3", {}, (1.5,) * call.rank, (True,) * call.rank, object()):
        with pytest.raises(fc.ArgumentTypeError, match="output_size"):
            call.run(output_size=given)
    for given in (-1, (-1,) * call.rank, -(2**63), 2**63, (2**64,) * call.rank):
        if isinstance(given, int) and "unpool" in call.op:
            continue
        with pytest.raises((fc.OptionError, fc.ShapeError), match="output_size"):
            call.run(output_size=given)
    for given in ((), (3,) * (call.rank + 3), [3] * (call.rank + 3)):
        with pytest.raises(ValueError, match=r"^output_size ") as caught:
            call.run(output_size=given)
        assert isinstance(caught.value, fc.FastconvError)


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_unknown_and_missing_arguments(call: Call) -> None:
    with pytest.raises(TypeError, match="bogus"):
        call.run(bogus=1)
    with pytest.raises(TypeError, match="missing"):
        getattr(fc, call.op)()
