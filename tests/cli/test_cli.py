import io
import json
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

import fastconv
from fastconv.cli import cli
from fastconv.cli._progress import watch


def invoke(*arguments):
    return CliRunner().invoke(cli, [str(a) for a in arguments], prog_name="fastconv")


def test_module_and_help():
    done = subprocess.run(
        [sys.executable, "-m", "fastconv", "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    for command in ("info", "bench", "check", "explain"):
        assert command in done.stdout


@pytest.mark.parametrize("command", ["info", "bench", "check", "explain"])
def test_every_command_has_help(command):
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert "Usage: fastconv " + command in result.output


def test_info_names_what_runs_here():
    result = invoke("info")
    assert result.exit_code == 0
    assert fastconv.__version__ in result.output
    for word in ("isa", "threads", "compiler", "cuda", "scalar"):
        assert word in result.output


def test_info_as_json():
    data = json.loads(invoke("info", "--json").output)
    assert data["version"] == fastconv.__version__
    assert data["threads"] == fastconv.get_num_threads()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bench", "--suite", "resnet51"], ["resnet51", "resnet50"]),
        (["bench", "--layer", "zz*"], ["zz*", "--list"]),
        (["bench", "--peer", "mkl"], ["mkl", "torch"]),
        (["bench", "--threads", "0"], ["0", "threads"]),
        (["bench", "--threads", "many"], ["many"]),
        (["bench", "--dtype", "int8"], ["float16", "float32", "float64"]),
        (["bench", "--algorithm", "magic"], ["magic", "auto", "direct", "im2col"]),
        (["bench", "--isa", "mmx"], ["mmx", "scalar"]),
        (["bench", "--json", "/no/such/folder/x.json", "--suite", "micro"], ["/no/such/folder"]),
        (["check", "--isa", "mmx"], ["mmx", "scalar"]),
        (["explain"], ["OP"]),
        (["explain", "conv2d", "--weight", "4,3,3,3"], ["--x"]),
        (["explain", "conv2d", "--x", "1,2,three"], ["1,2,three", "1,64,56,56"]),
        (["explain", "conv2d", "--x", "1,3,8,8", "--weight", "4,2,3,3"], ["3", "2", "weight"]),
        (["explain", "conv7d", "--x", "1,3,8,8", "--weight", "4,3,3,3"], ["conv7d", "conv2d"]),
        (
            ["explain", "conv2d", "--x", "1,3,8,8", "--weight", "4,3,3,3", "--padding", "much"],
            ["much", "same", "valid"],
        ),
        (
            ["explain", "conv2d", "--x", "1,3,8,8", "--weight", "4,3,3,3", "--stride", "1:2"],
            ["1:2"],
        ),
        (
            ["explain", "conv2d", "--x", "1,3,8,8", "--weight", "4,3,3,3", "--stride", "0"],
            ["stride"],
        ),
        (["sing"], ["sing", "info", "bench", "check", "explain"]),
        (["info", "--colour"], ["--colour"]),
    ],
    ids=lambda value: (
        "-".join(value) if isinstance(value, list) and value[0] in cli.commands else ""
    ),
)
def test_wrong_arguments_give_one_clear_line(arguments, words):
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("fastconv")
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["conv2d", "--x", "1,64,56,56", "--weight", "64,64,3,3", "--padding", "1"], ["64", "56"]),
        (["conv2d", "--x", "1,64,56,56", "--weight", "64,1,3,3", "--groups", "64"], ["54"]),
        (
            ["conv1d", "--x", "1,4,99", "--weight", "8,4,2", "--padding", "4:0", "--dilation", "4"],
            [],
        ),
        (["conv_transpose2d", "--x", "1,8,8,8", "--weight", "8,4,2,2", "--stride", "2"], ["16"]),
    ],
    ids=lambda value: value[0] if value else "",
)
def test_explain_describes_the_plan(arguments, words):
    result = invoke("explain", *arguments)
    assert result.exit_code == 0, result.output
    for word in words:
        assert word in result.stdout


def test_explain_can_force_algorithm_and_instruction_set():
    problem = ["conv2d", "--x", "1,16,20,20", "--weight", "16,16,3,3"]
    result = invoke("explain", *problem, "--algorithm", "im2col", "--isa", "scalar")
    assert result.exit_code == 0, result.output
    assert "im2col" in result.stdout
    assert "scalar" in result.stdout


def test_bench_writes_a_table_figures_and_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    json_file, png_file = tmp_path / "run.json", tmp_path / "run.png"
    result = invoke(
        *("bench", "--suite", "lenet", "--peer", "none", "--threads", 1, "--quick"),
        *("--json", json_file, "--png", png_file),
    )
    assert result.exit_code == 0, result.output
    assert "conv2" in result.stdout
    assert str(json_file) in result.stdout
    data = json.loads(json_file.read_text())
    assert data["threads"] == 1
    assert data["ceilings"]["fma_gflops"] > 0
    assert data["ceilings"]["copy_gbs"] > 0
    assert data["versions"]["numpy"]
    assert data["layers"][0]["measurements"]["fastconv"]["seconds"] > 0
    assert data["layers"][0]["plan"]
    assert png_file.read_bytes().startswith(b"\x89PNG")


def test_bench_runs_patterns_in_double_precision_with_a_peer(tmp_path):
    pytest.importorskip("torch")
    json_file = tmp_path / "run.json"
    result = invoke(
        *("bench", "--suite", "micro", "--layer", "conv2d*", "--peer", "torch", "--quick"),
        *("--dtype", "float64", "--algorithm", "im2col", "--json", json_file),
        *("--png", tmp_path / "run.png"),
    )
    assert result.exit_code == 0, result.output
    data = json.loads(json_file.read_text())
    assert (data["dtype"], data["algorithm"]) == ("float64", "im2col")
    assert len(data["layers"]) == 4
    for layer in data["layers"]:
        assert layer["measurements"]["torch"]["seconds"] > 0


def test_bench_measures_channels_last_arrays(tmp_path):
    json_file = tmp_path / "run.json"
    result = invoke(
        *("bench", "--suite", "micro", "--suite", "gradients", "--layer", "*conv2d*"),
        *("--layer", "max_3x3*", "--peer", "none", "--quick"),
        *("--memory-format", "channels_last"),
        *("--json", json_file, "--png", tmp_path / "run.png"),
    )
    assert result.exit_code == 0, result.output
    assert "fastconv's arrays channels_last" in " ".join(result.output.split())
    data = json.loads(json_file.read_text())
    assert data["memory_format"] == "channels_last"
    assert all(layer["measurements"]["fastconv"]["seconds"] > 0 for layer in data["layers"])
    assert any("channels-last" in layer["plan"] for layer in data["layers"])


def test_channels_last_is_for_the_cpu():
    result = invoke("bench", "--device", "cuda", "--memory-format", "channels_last")
    assert result.exit_code == 2
    assert "--memory-format: is for the CPU" in result.output


def test_bench_draws_layers_at_random(tmp_path):
    json_file = tmp_path / "run.json"
    asked = ("bench", "--random", "60", "--seed", "4", "--layer", "pooling*")
    result = invoke(
        *(*asked, "--quick", "--peer", "none", "--json", json_file, "--png", tmp_path / "run.png")
    )
    assert result.exit_code == 0, result.output
    layers = json.loads(json_file.read_text())["layers"]
    listed = invoke(*asked, "--list", "--peer", "none").output
    assert layers
    for layer in layers:
        assert layer["suite"] == "random, pooling"
        assert f"random, pooling/{layer['name']}: " in listed


@pytest.mark.parametrize("other", [("--suite", "micro"), ("--network", "lenet")])
def test_bench_takes_one_kind_of_layers(other):
    result = invoke("bench", "--random", "3", *other)
    assert result.exit_code == 2
    assert "one of --random, --suite and --network" in result.output


def test_bench_lists_layers_and_peers():
    result = invoke("bench", "--list", "--suite", "resnet50", "--layer", "conv1")
    assert result.exit_code == 0
    assert "resnet50/conv1: conv2d 3x224x224 7x7 /2 > 64x112x112" in result.stdout
    assert "ncnn" in result.stdout


def test_bench_reports_a_wrong_answer_and_fails(monkeypatch):
    right = fastconv.conv2d
    monkeypatch.setattr(fastconv, "conv2d", lambda *a, **k: right(*a, **k) * a[0].dtype.type(1.001))
    result = invoke("bench", "--suite", "lenet", "--layer", "conv1", "--peer", "none", "--no-files")
    assert result.exit_code == 1
    assert "wrong: lenet/conv1: fastconv" in result.stdout


def test_check_passes_here():
    result = invoke("check")
    assert result.exit_code == 0, result.output
    assert "agree with the reference" in result.stdout
    assert "FAIL" not in result.stdout
    for name in ("plain", "scalar", "float64", "depthwise atrous", "RGB 5x5 nearest"):
        assert name in result.stdout


def test_check_finds_a_broken_kernel(monkeypatch):
    right = fastconv.max_pool2d
    monkeypatch.setattr(fastconv, "max_pool2d", lambda *a, **k: right(*a, **k) + 1)
    result = invoke("check", "--isa", "scalar", "--failures")
    assert result.exit_code == 1
    assert "max 3x3 stride 2 (max_pool2d, auto, planar) on scalar float32" in result.stdout


def test_ctrl_c_while_a_line_is_written(monkeypatch, capfd):
    class Interrupted(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            signal.raise_signal(signal.SIGINT)
            return len(data)

    stream = io.TextIOWrapper(io.BufferedWriter(Interrupted()), encoding="utf-8")
    with watch(2) as observer, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        print("[1/2] a layer", file=sys.stderr, flush=True)
    assert observer.stopped()
    assert "finishing this layer" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent as on POSIX systems")
def test_ctrl_c_ends_a_run_between_layers_and_reports(tmp_path):
    json_file = tmp_path / "run.json"
    command = [sys.executable, "-m", "fastconv", "bench", "--peer", "none", "--json", json_file]
    with subprocess.Popen(
        [*command, "--png", tmp_path / "run.png"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr.readline().startswith("[1/")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Interrupted" in output
    data = json.loads(json_file.read_text())
    assert data["interrupted"] is True
    assert 1 <= len(data["layers"]) < 20
