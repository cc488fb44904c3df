"""Memory of results that is used again: never while somebody looks at it, never without bound."""

from __future__ import annotations

import gc
import os
import threading

import child_process
import numpy as np
import pytest

import fastconv as fc

SIDE = 600  # of an image whose result is larger than 1 MiB


def image(seed: int, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(-8, 8, (1, 1, side, side)).astype(np.float32)


KERNEL = np.array([[[[0, 1, 0], [1, 2, 1], [0, 1, 0]]]], np.float32)


def blur(x: np.ndarray) -> np.ndarray:
    return fc.conv2d(x, KERNEL, padding=1)


def address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


@pytest.fixture(autouse=True)
def empty_pool() -> None:
    gc.collect()
    fc.free_result_memory()


def test_freed_results_are_used_again() -> None:
    first = blur(image(0))
    at, size = address(first), first.nbytes
    assert first.flags.owndata
    assert first.base is None
    del first
    again = blur(image(1))
    assert address(again) == at
    np.testing.assert_array_equal(again, fc.reference.conv2d(image(1), KERNEL, padding=1))
    del again
    assert fc.free_result_memory() >= size
    assert fc.free_result_memory() == 0


def test_memory_comes_back_with_the_last_view() -> None:
    result = blur(image(0))
    at, row = address(result), result[0, 0, 5].copy()
    views = [result[0, 0, 5], memoryview(result), result.T.reshape(-1)[:3], result.view(np.int32)]
    view = views[0]
    del result
    for _ in range(4):
        other = blur(image(1))
        assert address(other) != at
        views.pop()
    np.testing.assert_array_equal(view, row)
    del view, other
    gc.collect()
    held = [blur(image(1)) for _ in range(3)]
    assert at in {address(array) for array in held}


def test_results_alive_never_share_memory() -> None:
    held = [blur(image(i)) for i in range(6)]
    for i in (4, 1):
        del held[i]
    held += [blur(image(i)) for i in range(6, 12)]
    assert len({address(array) for array in held}) == len(held)
    expected = [i for i in range(12) if i not in (4, 1)]
    for i, array in zip(expected, held, strict=True):
        np.testing.assert_array_equal(array, fc.reference.conv2d(image(i), KERNEL, padding=1))


def test_small_results_and_other_arrays_are_left_alone() -> None:
    for _ in range(3):
        blur(image(0, 40))
        np.empty((SIDE, SIDE, 4), np.float32)
    assert fc.free_result_memory() == 0


def test_a_block_serves_results_of_about_its_size_only() -> None:
    size = blur(image(0, 1200)).nbytes
    blur(image(0, 600))
    assert fc.free_result_memory() > size + image(0, 600).nbytes - 1


def test_results_can_be_resized_and_outlive_the_pool() -> None:
    result = blur(image(0))
    copy = result.copy()
    result.resize(2 * result.size, refcheck=False)
    np.testing.assert_array_equal(result[: copy.size], copy.ravel())
    assert not result[copy.size :].any()
    fc.free_result_memory()
    np.testing.assert_array_equal(result[: copy.size], copy.ravel())


def test_the_bound_holds() -> None:
    code = f"""
import numpy as np
import fastconv as fc
x = np.ones((1, 1, {SIDE}, {SIDE}), np.float32)
w = np.ones((1, 1, 3, 3), np.float32)
held = [fc.conv2d(x, w, padding=1) for _ in range(8)]
del held
print(fc.free_result_memory() // 2**20)
"""
    assert int(child_process.run(code, FASTCONV_RESULT_POOL="4")) in range(1, 5)
    assert int(child_process.run(code, FASTCONV_RESULT_POOL="0")) == 0
    assert int(child_process.run(code)) >= 8


def test_as_much_is_kept_as_results_took_at_once() -> None:
    code = f"""
import numpy as np
import fastconv as fc
x = np.ones((8, 4, {SIDE}, {SIDE}), np.float32)
w = np.ones((4, 1, 3, 3), np.float32)
made = lambda: fc.conv2d(x, w, padding=1, groups=4)
size = made().nbytes
held = [made() for _ in range(6)]  # 264 MiB
del held
kept = fc.free_result_memory()
print(kept // size)
held = [made() for _ in range(3)]
del held[1:]
print(fc.free_result_memory() // size)
"""
    assert child_process.run(code).split() == ["6", "2"]


def test_a_result_that_could_not_be_had_raises_no_bound() -> None:
    code = f"""
import numpy as np
import fastconv as fc
w = np.ones((1, 1, 1, 1), np.float32)
huge = np.broadcast_to(np.float32(1), (1, 1, 2**22, 2**22))
try:
    fc.conv2d(huge, w)
    print("no error")
except MemoryError:
    pass
for rows in (17, 25, 38, 57):  # 39 to 130 MiB, one after the other
    fc.conv2d(np.ones((1, 1, rows * {SIDE}, 1000), np.float32), w)
print(fc.free_result_memory() // 2**20)
"""
    assert int(child_process.run(code)) < 140  # the last alone takes 130


def test_memory_that_nobody_wants_goes_back() -> None:
    code = f"""
import numpy as np
import fastconv as fc
x = np.ones((1, 1, {SIDE}, {SIDE}), np.float32)
large = np.ones((1, 1, 4 * {SIDE}, {SIDE}), np.float32)
w = np.ones((1, 1, 1, 1), np.float32)
size = fc.conv2d(large, w).nbytes
for _ in range(5000):
    fc.conv2d(x, w)
print(fc.free_result_memory() < size)
"""
    assert child_process.run(code).strip() == "True"


def test_threads_take_and_free_at_once() -> None:
    inputs = [image(i) for i in range(4)]
    expected = [fc.reference.conv2d(x, KERNEL, padding=1) for x in inputs]
    wrong: list[int] = []

    def work(start: int) -> None:
        for i in range(20):
            which = (start + i) % 4
            result = blur(inputs[which])
            if not np.array_equal(result, expected[which]):
                wrong.append(which)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_has_memory_of_its_own() -> None:
    code = f"""
import os
import numpy as np
import fastconv as fc
x = np.ones((1, 1, {SIDE}, {SIDE}), np.float32)
w = np.ones((1, 1, 3, 3), np.float32)
kept = fc.conv2d(x, w)
fc.conv2d(x, w)
child = os.fork()
mine = fc.conv2d(x * (2 if child else 3), w)
right = bool((mine == (18 if child else 27)).all() and (kept == 9).all())
del kept
fc.free_result_memory()
if child:
    right = right and os.waitpid(child, 0)[1] == 0
    print(right)
else:
    os._exit(0 if right else 1)
"""
    assert child_process.run(code).strip() == "True"
