"""State dicts: into networks, to torch and back, into files and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastconv import nn
from fastconv.errors import (
    ArgumentTypeError,
    BackendUnavailableError,
    DTypeError,
    OptionError,
    StateDictError,
)

FORMATS = [".npz", ".safetensors"]


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


def torch_network() -> Any:
    layers = pytest.importorskip("torch").nn
    return layers.Sequential(
        layers.Conv2d(3, 4, 3), layers.BatchNorm2d(4), layers.Flatten(), layers.Linear(16, 2)
    )


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return list(a) == list(b) and all(
        np.array_equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a
    )


def test_torch_loads_ours_and_we_load_torchs() -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = network(), torch_network()
    state = {name: torch.from_numpy(value) for name, value in ours.state_dict().items()}
    theirs.load_state_dict(state)
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(
        ours.eval()(x), theirs.eval()(torch.from_numpy(x)).detach(), atol=1e-6
    )
    other = network()
    other.load_state_dict(theirs.state_dict())
    assert same(other.state_dict(), ours.state_dict())


def test_state_dict_is_a_copy() -> None:
    net = network()
    state = net.state_dict()
    state["0.weight"][:] = 0
    assert net[0].weight.data.any()
    net.load_state_dict(state)
    state["0.weight"][:] = 1
    assert not net[0].weight.data.any()


def test_every_problem_is_told_and_nothing_changes() -> None:
    net = network()
    before = net.state_dict()
    wrong = net.state_dict()
    del wrong["0.bias"]
    wrong["surplus"] = np.zeros(3, np.float32)
    wrong["3.weight"] = np.zeros((2, 17), np.float32)
    wrong["1.weight"] = ["a"]  # type: ignore[assignment]
    wrong["1.bias"] = np.array(["a", "b", "c", "d"])
    wrong["1.num_batches_tracked"] = np.array(0.5)
    wrong["0.weight"] = np.ones((4, 3, 3, 3), np.float32)
    with pytest.raises(StateDictError) as caught:
        net.load_state_dict(wrong)
    for words in (
        "missing: 0.bias (4,)",
        "unexpected: surplus",
        "3.weight: shape (2, 16) is needed, got (2, 17)",
        "1.weight: an array is needed, got list",
        "1.bias: dtype float32 is needed, got <U1",
        "1.num_batches_tracked: dtype int64 is needed, got float64",
        "strict=False",
    ):
        assert words in str(caught.value)
    assert same(net.state_dict(), before)
    with pytest.raises(StateDictError, match=r"\(2, 17\)"):
        net.load_state_dict({"3.weight": wrong["3.weight"]}, strict=False)
    assert same(net.state_dict(), before)
    with pytest.raises(ArgumentTypeError, match="must be a mapping"):
        net.load_state_dict([1])


def test_not_strict() -> None:
    net = network()
    result = net.load_state_dict({"0.bias": np.ones(4, np.float32), "x": 1}, strict=False)
    assert result[1] == ["x"]
    assert "0.weight" in result[0]
    assert net[0].bias.data.tolist() == [1, 1, 1, 1]


def test_floats_are_converted_to_the_networks_dtype() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for dtype in (np.float64, np.float16, ml_dtypes.bfloat16):
        net = network()
        net.load_state_dict({"0.bias": np.ones(4, dtype)}, strict=False)
        assert net[0].bias.data.dtype == np.float32
        assert net[0].bias.data.tolist() == [1, 1, 1, 1]
    net = network().astype(np.float64)
    net.load_state_dict(network().state_dict())
    assert {v.dtype for k, v in net.state_dict().items() if "num" not in k} == {
        np.dtype(np.float64)
    }


@pytest.mark.parametrize("suffix", FORMATS)
def test_files_round_trip(tmp_path: Path, suffix: str) -> None:
    net = network()
    path = tmp_path / f"net{suffix}"
    nn.save(net, path)
    assert same(dict(sorted(nn.load(path).items())), dict(sorted(net.state_dict().items())))
    nn.save({"file": np.asfortranarray(np.eye(3)[:, :2])}, str(path))
    assert np.array_equal(nn.load(str(path))["file"], np.eye(3)[:, :2])
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o400


def test_files_of_other_libraries(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    theirs = torch_network()
    safetensors.save_file(theirs.state_dict(), tmp_path / "a.safetensors")
    net = network()
    net.load_state_dict(nn.load(tmp_path / "a.safetensors"))
    nn.save(net, tmp_path / "b.safetensors")
    again = safetensors.load_file(tmp_path / "b.safetensors")
    assert all(torch.equal(again[k], v) for k, v in theirs.state_dict().items())
    np.savez(tmp_path / "c.npz", a=np.arange(3))
    assert nn.load(tmp_path / "c.npz")["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("suffix", FORMATS)
def test_damaged_files(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"net{suffix}"
    nn.save(network(), whole)
    content = whole.read_bytes()
    path = tmp_path / f"damaged{suffix}"
    for length in (*range(0, 400, 13), len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(StateDictError, match="cut short"):
            nn.load(path)
    rng = np.random.default_rng(0)
    for _ in range(100):  # may change a weight, but must not end in anything but these
        bytes_ = bytearray(content)
        for position in rng.integers(0, len(content), 8):
            bytes_[position] = rng.integers(0, 256)
        path.write_bytes(bytes_)
        try:
            loaded = nn.load(path)
        except StateDictError:
            continue
        assert all(isinstance(value, np.ndarray) for value in loaded.values())


def test_pickles_are_not_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.array([{}], object))
    with pytest.raises(StateDictError, match="allow_pickle"):
        nn.load(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(b"\x80\x04N.")
    with pytest.raises(StateDictError, match="zip"):
        nn.load(tmp_path / "b.npz")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_failed_save_leaves_the_old_file(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    path = tmp_path / f"net{suffix}"
    nn.save({"a": np.ones(3)}, path)
    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        nn.save({"a": np.zeros(3)}, path)
    assert nn.load(path)["a"].tolist() == [1, 1, 1]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError):
        nn.save({"a": np.ones(3)}, tmp_path / "missing" / f"net{suffix}")


def test_bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match=r"\.npz or \.safetensors"):
        nn.save(network(), tmp_path / "net.pt")
    with pytest.raises(FileNotFoundError):
        nn.load(tmp_path / "none.npz")
    with pytest.raises(ArgumentTypeError, match="file name"):
        nn.load(3)
    with pytest.raises(ArgumentTypeError, match="names to NumPy arrays"):
        nn.save({"a": [1]}, tmp_path / "a.npz")
    with pytest.raises(DTypeError, match="of numbers, got dtype object for 'a'"):
        nn.save({"a": np.array([object()])}, tmp_path / "a.npz")
    with pytest.raises(ArgumentTypeError, match="a module or a mapping"):
        nn.save([1], tmp_path / "a.npz")
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(BackendUnavailableError, match="pip install"):
        nn.save(network(), tmp_path / "a.safetensors")
