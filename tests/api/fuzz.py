"""Random calls with random arguments, right and wrong: ``python fuzz.py SEED SECONDS``.

Every call must end in the right result or in an exception of the documented kinds. Anything else
ends this process: a crash by itself, a hang by the watchdog, the rest with what was called.
"""

from __future__ import annotations

import faulthandler
import random
import resource
import sys
import time
from typing import Any

import numpy as np
from memory_layouts import LAYOUTS
from operator_calls import CALLS, CONVOLUTIONS, Call

import fastconv as fc
from fastconv import _core, reference

SMALL = [0, 1, 1, 1, 2, 2, 3, 4, 5, 7, -1]
NUMBERS = [*SMALL, 16, 33, 1000, 2**20, 2**31 - 1, 2**31, 2**32, 2**59, 2**62, 2**63 - 1, 2**63]
NUMBERS += [-2, -(2**31), -(2**63), -(2**70), 2**200]
ODD = [None, True, False, 1.0, 2.5, float("nan"), float("inf"), 1j, "", "same", "valid", "auto"]
ODD += ["full", "relu", "\ud800", "a\0b", b"x", (), [], {}, set(), object(), int, ..., range(2)]
ODD += [np.int32(2), np.uint64(3), np.float32(1), np.bool_(True), np.array(2), np.array([1, 2])]
NAMES = ["auto", "direct", "im2col", "relu", "gelu", "tanh", "high", "same", "valid", "full"]
NAMES += ["fill", "reflect", "nearest", "wrap", "contiguous", "channels_last", "conv2d"]
DTYPES = ["f4", "f4", "f4", "f4", "f8", "f2", "i4", "i8", "?", "O", "c8", ">f4", ">f8", "S3"]


class Chaos:
    """A generator of values, most of them reasonable."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.called = ""

    def note(self, name: str, arguments: dict[str, Any]) -> None:
        """Keep what is called, for the message about a failure."""
        shown = {
            key: f"{type(value).__name__} {value.dtype} {value.shape} {value.strides}"
            if isinstance(value, np.ndarray)
            else ascii(value)
            for key, value in arguments.items()
        }
        self.called = f"{name} {shown}"

    def chance(self, one_in: int) -> bool:
        return self.random.randrange(one_in) == 0

    def some(self, names: Any) -> list[str]:
        return self.random.sample([*names], self.random.randrange(1, min(4, len(names)) + 1))

    def number(self) -> Any:
        return self.random.choice(NUMBERS if self.chance(4) else SMALL)

    def option(self) -> Any:
        kind = self.random.randrange(8)
        if kind <= 2:
            return self.number()
        if kind == 3:
            return tuple(self.number() for _ in range(self.random.randrange(5)))
        if kind == 4:
            pair = [tuple(self.number() for _ in range(2)) for _ in range(self.random.randrange(4))]
            return tuple(pair)
        if kind == 5:
            return [self.number() for _ in range(self.random.randrange(4))]
        return self.random.choice(NAMES if kind == 6 else ODD)

    def array(self, ndim: int) -> Any:
        """Any array: empty, strided, huge without memory, of a wrong type."""
        ndim = self.random.choice([ndim] * 8 + [*range(7)])
        shape = [self.random.choice([0, 1, 1, 2, 3, 4, 6, 9, 17]) for _ in range(ndim)]
        dtype = np.dtype(self.random.choice(DTYPES))
        if self.chance(12) and ndim and dtype.kind == "f":
            shape[self.random.randrange(ndim)] = self.random.choice([2**30, 2**40, 2**57])
            try:
                return np.broadcast_to(np.zeros((), dtype), shape)
            except ValueError:
                return np.zeros((1,) * ndim, dtype)
        values = np.random.default_rng(self.random.randrange(10**6)).integers(-3, 4, shape)
        array = values.astype(dtype)
        if dtype.kind in "fi" and dtype.isnative and ndim:
            array = LAYOUTS[self.random.choice([*LAYOUTS])](array)
        if self.chance(15):
            return self.random.choice([array.tolist(), np.ma.masked_array(array), *ODD])
        return array


def work(arguments: dict[str, Any]) -> float:
    """A bound on the operations that a call may take: what no memory holds may still take time."""
    sizes = 1.0
    for value in arguments.values():
        if isinstance(value, np.ndarray):
            sizes *= max(1, value.size)
    return sizes


def check(call: Call, arguments: dict[str, Any], result: Any) -> None:
    """A result must be that of the reference, where that knows the options."""
    for name in ("algorithm", "precision", "out"):
        arguments.pop(name, None)
    arrays = [value for value in arguments.values() if isinstance(value, np.ndarray)]
    arrays += result if isinstance(result, tuple) else [result]
    if max(size for array in arrays for size in (0, *array.shape)) > 10**6:
        return  # the reference takes memory even for empty arrays
    if max(array.size for array in arrays) > 10**5:
        return  # the reference takes time
    if arguments.get("norm_type", 0) > 8:
        return  # powers overflow float32 before they overflow the reference's float64
    if "fill_value" in arguments:
        arguments["fill_value"] = float(arguments["fill_value"])
    try:
        with np.errstate(all="ignore"):
            expected = getattr(reference, call.op)(**arguments)
    except (fc.FastconvError, TypeError) as error:
        raise RuntimeError("the reference takes no such arguments") from error
    results = result if isinstance(result, tuple) else (result,)
    rights = expected if isinstance(expected, tuple) else (expected,)
    for got, right in zip(results, rights, strict=True):
        assert got.shape == right.shape
        eps = np.finfo(results[0].dtype).eps
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(got, right.astype(got.dtype), rtol=100 * eps, atol=100 * eps)


def operator_call(chaos: Chaos) -> None:
    call = chaos.random.choice(CALLS)
    arguments = {**call.arrays, **call.options}
    if call in CONVOLUTIONS:
        arguments.update(algorithm="auto", activation=None, precision=None)
    for name in chaos.some(arguments):
        if name in call.arrays:
            arguments[name] = chaos.array(call.arrays[name].ndim)
        else:
            arguments[name] = chaos.option()
    if chaos.chance(6) and call.op not in ("unfold", "fold") and "unpool" not in call.op:
        arguments["out"] = chaos.array(next(iter(call.arrays.values())).ndim)
    chaos.note(call.op, arguments)
    if work(arguments) > 1e8:
        return
    _core.force_isa(chaos.random.choice(_core.info()["runnable_isas"]))
    result = getattr(fc, call.op)(**arguments)
    check(call, arguments, result)


def plan_call(chaos: Chaos) -> None:
    call = chaos.random.choice(CONVOLUTIONS)
    x, weight = call.arrays["x"], call.arrays["weight"]
    arguments = {**call.options, "memory_format": "contiguous", "bias": call.arrays["bias"]}
    arguments.update(op=call.op, x_shape=x.shape, weight=weight)
    for name in chaos.some(arguments):
        arguments[name] = chaos.array(4) if name in ("weight", "bias") else chaos.option()
    if isinstance(arguments["bias"], np.ndarray) and arguments["bias"].size > 1e6:
        return
    if isinstance(arguments["weight"], np.ndarray) and arguments["weight"].size > 1e6:
        return
    chaos.note("plan", arguments)
    planned = fc.plan(**arguments)
    result = planned(x)
    if arguments["op"] == call.op and result.shape == planned.output_shape:
        arguments = {"x": x, **arguments}
        for name in ("op", "x_shape", "memory_format"):
            del arguments[name]
        if "transpose" not in call.op:
            arguments.pop("output_padding", None)
        check(call, arguments, result)


def helper_call(chaos: Chaos) -> None:
    options = [chaos.option() for _ in range(chaos.random.randrange(1, 5))]
    helpers = [fc.same_padding, fc.receptive_field, fc.output_shape, fc.explain, fc.set_precision]
    helpers += [fc.set_num_threads, fc.plan, fc.conv_matrix]
    helper = chaos.random.choice(helpers)
    if helper in (fc.output_shape, fc.explain) and chaos.chance(2):
        call = chaos.random.choice(CONVOLUTIONS)
        names = chaos.random.sample(["stride", "padding", "dilation", "groups"], 2)
        shapes = [call.arrays["x"].shape, call.arrays["weight"].shape]
        shapes[chaos.random.randrange(2)] = chaos.option()
        helper(call.op, *shapes, **{name: chaos.option() for name in names})  # type: ignore[operator]
    elif helper is fc.conv_matrix and chaos.chance(2):
        helper(np.ones((2, 1, 3), np.float32), *options)  # type: ignore[operator]
    else:
        helper(*options)  # type: ignore[operator]
    if helper is fc.set_num_threads and fc.get_num_threads() > 8:
        fc.set_num_threads(None)
    if helper is fc.set_precision:
        fc.set_precision("highest")  # the other calls are compared with the reference


def is_documented(error: BaseException) -> bool:
    """Whether a call may raise this: the package's own errors, and Python's about signatures."""
    if isinstance(error, fc.FastconvError):
        return isinstance(error, ValueError | TypeError | MemoryError) and len(str(error)) > 15
    return type(error) is TypeError and "argument" in str(error)


def main(seed: int, seconds: float) -> None:
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    end = time.monotonic() + seconds
    count = results = 0
    while time.monotonic() < end:
        chaos = Chaos(seed * 10**9 + count)
        action = chaos.random.choice([operator_call] * 6 + [plan_call, helper_call])
        faulthandler.dump_traceback_later(30, exit=True)
        try:
            action(chaos)
            results += 1
        except BaseException as error:
            if not is_documented(error):
                raise RuntimeError(f"seed {seed}, call {count}: {chaos.called}") from error
        count += 1
    print(f"{count} calls, {results} with a result")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
