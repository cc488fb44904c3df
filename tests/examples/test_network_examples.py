"""The examples of layers and networks: what they compute, and that their pictures show something.

They are named digits.py (what the other two share), train_digits.py and look_inside.py.
"""

import re
import runpy

import numpy as np
import pytest
from test_examples import EXAMPLES, read, run_example

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
pytest.importorskip("skimage")


def shares(text):
    return [float(number) / 100 for number in re.findall(r": +([\d.]+)%", text)]


def test_digits_are_learned(tmp_path):
    text = run_example("train_digits.py", "--output", tmp_path)
    assert "held out: 449" in text
    assert shares(text)[-1] >= 0.98
    confusion, training = read(tmp_path / "confusion.png"), read(tmp_path / "training.png")
    assert min(confusion.std(), training.std()) > 0.05
    from fastconv import models, nn

    net = models.lenet(activation="relu")
    net.load_state_dict(nn.load(tmp_path / "lenet.npz"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--device", "cuda"), "layers of fastconv.nn compute on the CPU only"),
        (("--epochs", "0"), "--epochs must be at least 1, got 0"),
    ],
)
def test_bad_options(options, words, tmp_path):
    with pytest.raises(AssertionError, match=words):
        run_example("train_digits.py", "--output", tmp_path, *options)
    assert list(tmp_path.iterdir()) == []


def test_looking_inside(tmp_path):
    text = run_example("look_inside.py", "--output", tmp_path, "--epochs", 4)
    before, after = shares(text)
    assert before > 0.9
    assert after < before - 0.2
    names = {"filters.png", "activations.png", "receptive_fields.png", "adversarial.png"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert all(read(tmp_path / name).std() > 0.05 for name in names)


def test_enlarged_digits_are_interpolated(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    enlarged = runpy.run_path(str(EXAMPLES / "digits.py"))["enlarged"]
    small = np.random.default_rng(0).random((2, 1, 8, 8), dtype=np.float32)
    large = enlarged(small)
    assert large.shape == (2, 1, 28, 28)
    np.testing.assert_allclose(large[:, :, 3:26:3, 3:26:3], 2 * small - 1, atol=1e-6)
    between = (2 * small[:, :, :, :-1] + small[:, :, :, 1:]) / 3
    np.testing.assert_allclose(large[:, :, 3:26:3, 4:24:3], 2 * between - 1, atol=1e-6)
