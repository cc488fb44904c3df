import io
import json
import math

import pytest
from rich.console import Console

from fastconv.benchmarks.machine import Ceilings, versions
from fastconv.benchmarks.results import (
    LayerResult,
    Measurement,
    Run,
    as_json,
    geometric_mean,
    mean_speedup,
    summary,
    write_json,
)
from fastconv.benchmarks.suites import Layer, select
from fastconv.benchmarks.table import print_run, shape_text, short_time


def timed(seconds):
    return Measurement(seconds, seconds * 0.9, 10, 1.5)


def make_run(layers, **extra):
    results = []
    for number, layer in enumerate(layers):
        measurements = {
            "fastconv": timed(1e-4 * (1 + number)),
            "torch": timed(2e-4 * (1 + number)),
            "onnxruntime": timed(0.5e-4 * (1 + number)),
        }
        results.append(LayerResult(layer, measurements, "direct_planar"))
    settings = {
        "threads": 2,
        "dtype": "float32",
        "algorithm": "auto",
        "isa": "avx2",
        "cpu": "Some processor",
        "date": "2026-01-02T03:04:05+00:00",
        "ceilings": Ceilings(100.0, 10.0),
        "versions": {"fastconv": "0.1.0"},
        "titles": {"fastconv": "fastconv", "torch": "PyTorch", "onnxruntime": "ONNX Runtime"},
        "missing": {"ncnn": "No module named 'ncnn'"},
    }
    return Run(**settings | extra, layers=results)


def text_of(run, width):
    stream = io.StringIO()
    print_run(run, Console(file=stream, width=width))
    return stream.getvalue()


def test_geometric_mean_skips_what_was_not_timed():
    assert geometric_mean([2.0, None, 8.0]) == pytest.approx(4)
    assert geometric_mean([None]) is None


def test_shared_layers_count_once_in_the_mean():
    layer = select(["resnet18"], ["conv1"])[0]
    twin = Layer("resnet50", layer.problem)
    other = select(["resnet18"], ["maxpool"])[0]
    speeds = {layer.key: 1.0, other.key: 16.0}
    results = [LayerResult(x, {}) for x in (layer, twin, other)]
    assert mean_speedup(results, lambda r: speeds[r.layer.key]) == pytest.approx(4)


def test_ratios_and_rates():
    result = make_run(select(["lenet"], ["conv2"])).layers[0]
    assert result.speedup("torch") == pytest.approx(2)
    assert result.best_peer() == "onnxruntime"
    assert result.speedup_over_best() == pytest.approx(0.5)
    assert result.gflops() == pytest.approx(2 * 16 * 6 * 25 * 100 / 1e-4 / 1e9)


def test_json_holds_every_figure(tmp_path):
    run = make_run(select(["lenet", "filters"]))
    write_json(run, tmp_path / "run.json")
    data = json.loads((tmp_path / "run.json").read_text())
    assert data == json.loads(json.dumps(as_json(run)))
    assert data["ceilings"] == {"fma_gflops": 100.0, "copy_gbs": 10.0, "matrix_gflops": None}
    assert data["summary"]["lenet"]["fastconv"]["over_torch"] == pytest.approx(2)
    assert data["missing"] == {"ncnn": "No module named 'ncnn'"}
    assert set(data["geometric_means"]) == {"all", "lenet", "filters"}
    assert data["geometric_means"]["all"]["torch"] == pytest.approx(2)
    assert data["geometric_means"]["lenet"]["best peer"] == pytest.approx(0.5)
    assert [x["name"] for x in data["layers"]] == [x.layer.problem.name for x in run.layers]
    first = data["layers"][0]
    assert first["output"] == [1, 6, 28, 28]
    assert first["measurements"]["torch"]["seconds"] == pytest.approx(2e-4)


def test_an_infinite_error_of_a_wrong_answer_does_not_break_the_json(tmp_path):
    run = make_run(select(["lenet"], ["conv1"]))
    run.layers[0].measurements["torch"] = Measurement(wrong="returned nonsense")
    write_json(run, tmp_path / "run.json")
    data = json.loads((tmp_path / "run.json").read_text())
    assert data["layers"][0]["measurements"]["torch"]["wrong"] == "returned nonsense"
    assert data["geometric_means"]["all"]["torch"] is None


@pytest.mark.parametrize("width", [80, 200])
def test_table_names_layers_ratios_and_what_is_missing(width):
    text = text_of(make_run(select(["lenet"])), width)
    assert "conv1" in text
    assert "2.00x" in text
    assert "0.50x" in text
    assert "not compared: ncnn: No module named 'ncnn'" in text
    assert ("6x14x14 5x5 > 16x10x10" in text) == (width == 200)
    assert max(map(len, text.splitlines())) <= width


def test_table_shows_wrong_answers():
    run = make_run(select(["lenet"], ["conv1"]))
    run.layers[0].measurements["fastconv"] = Measurement(wrong="at (0, 0): got 1, expected 2")
    text = text_of(run, 200)
    assert "wrong: lenet/conv1: fastconv: at (0, 0): got 1, expected 2" in text
    assert run.failures == run.layers


def planned_run():
    run = make_run(select(["lenet"]), held={"SOME_VARIABLE": "AVX2"}, precision="high")
    run.ceilings = Ceilings(100.0, 10.0, 3000.0)
    run.titles = {"fastconv": "fastconv", "fastconv-plan": "fastconv, plan", **run.titles}
    for result in run.layers:
        if result.layer.problem.is_convolution:
            result.measurements["fastconv-plan"] = timed(result.own.seconds / 4)
    return run


def test_the_summary_tells_calls_from_plans():
    run = planned_run()
    called, planned = summary(run.layers), summary(run.layers, "fastconv-plan")
    assert called.over_torch == pytest.approx(2)
    assert called.over_best == called.worst == pytest.approx(0.5)
    assert called.lost == 1
    pools = [r for r in run.layers if not r.layer.problem.is_convolution]
    distinct = len({r.layer.key for r in run.layers})
    pooled = len({r.layer.key for r in pools})
    # The plain call stands for the plan where there is nothing to plan.
    assert planned.layers == called.layers == distinct
    assert planned.lost == pytest.approx(pooled / distinct)
    assert planned.worst == pytest.approx(0.5 if pooled else 2)
    assert planned.over_best == pytest.approx(
        geometric_mean([0.5] * pooled + [2] * (distinct - pooled))
    )
    assert "fastconv-plan" not in run.peers
    assert all(r.best_peer() == "onnxruntime" for r in run.layers)


def test_tables_show_plans_levels_and_what_holds_the_peers():
    text = text_of(planned_run(), 200)
    for words in (
        "plan us",
        "fastconv, plan",
        "over best peer",
        "below 0.95",
        "precision high",
        "3000 GFLOP/s (matrix unit, bfloat16)",
        "Peers are held to avx2 by SOME_VARIABLE=AVX2",
    ):
        assert words in text


def test_picture_shows_plans(tmp_path):
    pytest.importorskip("matplotlib")
    from fastconv.benchmarks.pictures import draw

    draw(planned_run(), tmp_path / "run.png")
    assert (tmp_path / "run.png").stat().st_size > 10_000


def test_the_better_of_two_measurements_of_each_ceiling():
    first, second = Ceilings(1.0, 5.0, None), Ceilings(2.0, 4.0, 7.0)
    assert first.better(second) == second.better(first) == Ceilings(2.0, 5.0, 7.0)
    assert first.better(first).matrix_gflops is None


def test_an_interrupted_run_says_so():
    run = make_run(select(["lenet"], ["conv1"]), interrupted=True)
    assert "Interrupted" in text_of(run, 120)


@pytest.mark.parametrize(("load", "warned"), [(None, False), (0.2, False), (7.5, True)])
def test_a_busy_machine_is_mentioned(load, warned):
    run = make_run(select(["lenet"], ["conv1"]), load_before=load)
    assert ("machine was busy" in text_of(run, 120)) == warned


@pytest.mark.parametrize(
    ("suite", "name", "text"),
    [
        ("resnet50", "conv1", "3x224x224 7x7 /2 > 64x112x112"),
        ("batch16", "dw3x3_128_56", "16*128x56x56 3x3 g128 > 128x56x56"),
        ("wavenet", "k2_dilation64", "64x4000 2 d64 > 128x4000"),
        ("pooling", "max_2x2_s2", "64x224x224 2 /2 > 64x112x112"),
        ("filters", "rgb_3x3", "1080x1920x3 3x3 > 1080x1920x3"),
        ("video3d", "c3d_pool1", "64x8x56x56 1x2x2 /1x2x2 > 64x8x28x28"),
    ],
)
def test_shapes_read_well(suite, name, text):
    assert shape_text(select([suite], [name])[0].problem) == text


def test_times_keep_three_digits():
    assert [short_time(s) for s in (1.234e-6, 56.78e-6, 1.5e-3)] == ["1.23", "56.78", "1 500"]


def test_versions_leave_out_what_is_not_installed():
    assert set(versions(["numpy", "no-such-distribution", "numpy"])) == {"numpy"}


@pytest.mark.parametrize("peers", [("torch", "onnxruntime"), ("onnxruntime",), ()])
@pytest.mark.parametrize("suites", [("lenet",), ("lenet", "filters", "micro")])
def test_picture_is_written_for_any_set_of_peers(tmp_path, peers, suites):
    pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    from fastconv.benchmarks.pictures import draw

    run = make_run(select(suites))
    run.titles = {k: v for k, v in run.titles.items() if k in ("fastconv", *peers)}
    for result in run.layers:
        for key in set(result.measurements) - set(run.titles):
            del result.measurements[key]
    draw(run, tmp_path / "run.png")
    pixels = imread(tmp_path / "run.png")
    assert pixels.shape[1] == 2000
    assert pixels.std() > 0.05


def labels_of(run, path, monkeypatch):
    """Labels of the picture's vertical axes."""
    pytest.importorskip("matplotlib")
    from fastconv.benchmarks import pictures

    figures = []
    make = pictures.Figure
    monkeypatch.setattr(pictures, "Figure", lambda **k: figures.append(make(**k)) or figures[-1])
    pictures.draw(run, path)
    return {axis.get_ylabel() for axis in figures[0].get_axes() if axis.get_ylabel()}


@pytest.mark.parametrize("wrong", [1, 2])
def test_few_wrong_answers_do_not_change_the_unit_of_the_picture(tmp_path, wrong, monkeypatch):
    """The roofline is absolute; bars are relative, for the layers that PyTorch got right."""
    run = make_run(select(["lenet", "alexnet", "pooling"]))
    for result in run.layers[:wrong]:
        result.measurements["torch"] = Measurement(wrong="off by a mile")
    labels = labels_of(run, tmp_path / "run.png", monkeypatch)
    assert labels == {"speed, PyTorch = 1", "GFLOP/s"}
    for result in run.layers[: len(run.layers) // 2]:
        result.measurements["torch"] = Measurement(wrong="off by a mile")
    labels = labels_of(run, tmp_path / "run.png", monkeypatch)
    assert labels == {"speed, ONNX Runtime = 1", "GFLOP/s"}


def test_picture_needs_a_timed_layer_only(tmp_path):
    pytest.importorskip("matplotlib")
    from fastconv.benchmarks.pictures import draw

    run = make_run(select(["lenet"]))
    run.layers[0].measurements["fastconv"] = Measurement(wrong="no", error=math.nan)
    draw(run, tmp_path / "run.png")
    assert (tmp_path / "run.png").stat().st_size > 10_000
