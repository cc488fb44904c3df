import importlib

import numpy as np
import pytest

import fastconv
from fastconv.benchmarks import peers as peers_package
from fastconv.benchmarks.contestant import DeclinedError, Settings, as_convolution, as_image
from fastconv.benchmarks.peers import PEER_NAMES, hold_peers, load_peers
from fastconv.benchmarks.problem import Problem, call, make_arrays
from fastconv.benchmarks.suites import SelectionError
from fastconv.benchmarks.verify import PEER_FACTOR, Verifier, tolerance

PROBLEMS = {
    p.name: p
    for p in [
        Problem("dense", "conv2d", (1, 8, 12, 13), (16, 8, 3, 3), True, {"padding": 1}),
        Problem("batch", "conv2d", (3, 4, 12, 13), (8, 4, 5, 3), False, {"stride": (2, 1)}),
        Problem("dilated", "conv2d", (1, 4, 15, 15), (8, 4, 3, 3), True, {"dilation": (2, 3)}),
        Problem("grouped", "conv2d", (1, 12, 9, 9), (18, 4, 3, 3), True, {"groups": 3}),
        Problem("depthwise", "conv2d", (1, 16, 9, 9), (16, 1, 3, 3), False, {"groups": 16}),
        Problem(
            "causal", "conv1d", (2, 4, 40), (8, 4, 2), True, {"padding": ((8, 0),), "dilation": 8}
        ),
        Problem("volume", "conv3d", (1, 4, 6, 7, 8), (8, 4, 3, 3, 3), True, {"padding": 1}),
        Problem(
            "up", "conv_transpose2d", (1, 6, 8, 9), (6, 4, 4, 4), True, {"stride": 2, "padding": 1}
        ),
        Problem(
            "up_grouped",
            "conv_transpose2d",
            (1, 6, 8, 9),
            (6, 2, 3, 3),
            False,
            {"stride": 2, "groups": 3, "padding": 1, "output_padding": 1},
        ),
        Problem("up_1d", "conv_transpose1d", (1, 6, 9), (6, 4, 5), True, {"stride": 3}),
        Problem(
            "max",
            "max_pool2d",
            (1, 8, 15, 16),
            options={"kernel_size": 3, "stride": 2, "padding": 1},
        ),
        Problem(
            "max_ceil",
            "max_pool2d",
            (1, 8, 15, 16),
            options={"kernel_size": 3, "stride": 2, "ceil_mode": True},
        ),
        Problem(
            "average",
            "avg_pool2d",
            (2, 8, 15, 16),
            options={"kernel_size": 3, "stride": 2, "padding": 1},
        ),
        Problem("max_1d", "max_pool1d", (1, 8, 33), options={"kernel_size": 3, "stride": 2}),
        Problem("global", "adaptive_avg_pool2d", (1, 8, 7, 7), options={"output_size": 1}),
        Problem("adaptive", "adaptive_max_pool2d", (1, 8, 13, 13), options={"output_size": 5}),
        Problem("norm", "lp_pool2d", (1, 8, 12, 12), options={"norm_type": 2.0, "kernel_size": 3}),
        Problem("image", "correlate2d", (40, 37), (5, 5), options={"mode": "same"}),
        Problem("colour", "correlate2d", (30, 28, 3), (3, 3), options={"mode": "same"}),
    ]
}
_POOLS = {"max", "max_ceil", "average", "max_1d", "global", "adaptive", "norm"}
_IMAGES = {"image", "colour"}
# What a peer may decline; everything else it must run.
DECLINES = {
    "torch": set(),
    "torch-channels-last": {"causal", "max_1d", "up_1d"},
    "torch-packed": _POOLS,
    "onnxruntime": {"adaptive"},
    "openvino": {"norm"},
    "ncnn": {"norm"},
    **{
        key: set(PROBLEMS) - _IMAGES
        for key in PEER_NAMES
        if key == "opencv" or key.startswith("scipy")
    },
}


def peer(key):
    found, missing = load_peers([key])
    if missing:
        pytest.skip(f"{key}: {missing[0].reason}")
    return found[0]


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("key", PEER_NAMES)
def test_peers_agree_with_the_reference(key, name):
    contestant, problem = peer(key), PROBLEMS[name]
    arrays = make_arrays(problem)
    if name in DECLINES[key]:
        with pytest.raises(DeclinedError, match=r"\w+ \w+"):
            contestant.prepare(problem, arrays, Settings(threads=2))
        return
    prepared = contestant.prepare(problem, arrays, Settings(threads=2))
    verifier = Verifier(fastconv.reference, problem, arrays, "float32")
    for _ in range(2):
        outcome = verifier.compare(prepared.fetch(prepared.run()), PEER_FACTOR)
        assert outcome.ok, outcome.message


@pytest.mark.parametrize("key", PEER_NAMES)
def test_inputs_are_left_alone(key):
    contestant = peer(key)
    for name in ("dense", "image", "max"):
        if name in DECLINES[key]:
            continue
        arrays = make_arrays(PROBLEMS[name])
        prepared = contestant.prepare(PROBLEMS[name], arrays, Settings(threads=1))
        prepared.run()
        for used, fresh in zip(arrays, make_arrays(PROBLEMS[name]), strict=True):
            assert fresh is None or np.array_equal(used, fresh)


def test_double_precision_is_computed_or_declined():
    problem = PROBLEMS["dense"]
    arrays = make_arrays(problem, "float64")
    verifier = Verifier(fastconv.reference, problem, arrays, "float64")
    for contestant in load_peers()[0]:
        try:
            prepared = contestant.prepare(problem, arrays, Settings(2, "float64"))
        except DeclinedError:
            continue
        assert verifier.compare(prepared.fetch(prepared.run()), PEER_FACTOR).ok, contestant.key


@pytest.mark.parametrize("name", ["dense", "depthwise", "up", "max", "average", "causal"])
@pytest.mark.parametrize(
    "settings",
    [
        Settings(2, "bfloat16"),
        Settings(2, "float16"),
        Settings(2, precision="high"),
        Settings(2, precision="medium"),
    ],
    ids=["bfloat16", "float16", "high", "medium"],
)
def test_other_types_and_levels_are_computed_or_declined(settings, name):
    problem = PROBLEMS[name]
    settings = settings.of(problem)
    arrays = make_arrays(problem, settings.dtype)
    verifier = Verifier(fastconv.reference, problem, arrays, settings.dtype)
    right = []
    for contestant in load_peers()[0]:
        try:
            prepared = contestant.prepare(problem, arrays, settings)
        except DeclinedError:
            continue
        outcome = verifier.compare(prepared.fetch(prepared.run()), tolerance(settings, own=False))
        assert outcome.ok, f"{contestant.key}: {outcome.message}"
        right.append(contestant.key)
    if "torch" in [p.key for p in load_peers()[0]]:
        assert "torch" in right


def test_peers_are_held_to_the_instruction_set(monkeypatch):
    runnable = fastconv.show_config().runnable_isas
    monkeypatch.setattr(peers_package.os, "environ", {})
    assert hold_peers(runnable[0]) == {}
    assert peers_package.os.environ == {}
    if runnable[0] != "avx2":
        held = hold_peers("avx2")
        assert held["ONEDNN_MAX_CPU_ISA"] == "AVX2"
        assert peers_package.os.environ == held
    settings = Settings(threads=1, isa="avx2")
    for key in ("onnxruntime", "ncnn"):
        with pytest.raises(DeclinedError, match="AVX2"):
            peer(key).prepare(PROBLEMS["dense"], make_arrays(PROBLEMS["dense"]), settings)


def test_a_missing_library_is_named_with_the_reason(monkeypatch):
    def refuse(name, package=None):
        if name == ".ncnn_net":
            raise ImportError("No module named 'ncnn'")
        return importlib.import_module(name, package)

    monkeypatch.setattr(peers_package, "import_module", refuse)
    found, missing = load_peers(["ncnn", "scipy-fft"])
    assert [m.key for m in missing] == ["ncnn"]
    assert missing[0].reason == "No module named 'ncnn'"
    assert [c.key for c in found] in (["scipy-fft"], [])


def test_none_and_unknown_peers():
    assert load_peers(["none"]) == ([], [])
    with pytest.raises(SelectionError, match="'mkl'; allowed: all, none, torch"):
        load_peers(["mkl"])


@pytest.mark.parametrize("mode", ["same", "full", "valid"])
@pytest.mark.parametrize("kernel", [(3, 3), (2, 4), (5, 2)])
@pytest.mark.parametrize("image", [(9, 11), (9, 11, 3)])
def test_filters_written_as_convolutions_are_the_same(image, kernel, mode):
    problem = Problem("f", "correlate2d", image, kernel, options={"mode": mode})
    arrays = make_arrays(problem, "float64")
    written, given = as_convolution(problem, arrays)
    y = as_image(problem, call(fastconv.reference, written, given))
    np.testing.assert_allclose(y, call(fastconv.reference, problem, arrays), atol=1e-12)


@pytest.mark.parametrize(
    ("op", "options"), [("convolve2d", {}), ("correlate2d", {"boundary": "reflect"})]
)
def test_filters_that_are_no_convolution_with_zeros_are_declined(op, options):
    problem = Problem("f", op, (9, 11), (3, 3), options={"mode": "same", **options})
    with pytest.raises(DeclinedError):
        as_convolution(problem, make_arrays(problem))
