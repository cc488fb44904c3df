import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
FILTERS = ("original", "laplacian", "sobel", "gaussian", "sharpen", "emboss")


def run_example(name, *arguments):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    pytest.importorskip("skimage")
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("pictures")
    assert "wrote 12 pictures" in run_example("filter_photo.py", "--output", folder)
    return folder


def read(path):
    from skimage.io import imread

    return imread(path).astype(np.float64) / 255


def test_every_example_is_tested():
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert all(path.name in text for path in EXAMPLES.glob("*.py"))


def test_every_picture_and_the_contact_sheet_exist(pictures):
    expected = {f"{p}_{f}.png" for p in ("camera", "astronaut") for f in FILTERS}
    assert {p.name for p in pictures.iterdir()} == {*expected, "contact_sheet.png"}
    assert read(pictures / "contact_sheet.png").std() > 0.1


@pytest.mark.parametrize("photograph", ["camera", "astronaut"])
def test_pictures_agree_with_scipy(pictures, photograph):
    ndimage = pytest.importorskip("scipy.ndimage")
    signal = pytest.importorskip("scipy.signal")
    image = read(pictures / f"{photograph}_original.png")
    axes = (0, 1)
    kernels = {
        "laplacian": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], float),
        "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], float),
    }

    def along_image(kernel):
        return kernel if image.ndim == 2 else kernel[:, :, None]

    expected = {
        k: ndimage.correlate(image, along_image(v), mode="reflect") for k, v in kernels.items()
    }
    expected["laplacian"] += 0.5
    expected["gaussian"] = ndimage.gaussian_filter(image, 3.0, mode="reflect", radius=9, axes=axes)
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 4
    gradients = [ndimage.correlate(image, along_image(k), mode="reflect") for k in (sobel, sobel.T)]
    expected["sobel"] = np.hypot(*gradients)
    emboss = np.add.outer(-np.arange(4), -np.arange(4)) / 10 + 0.3
    channels = image[:, :, None] if image.ndim == 2 else image
    relief = [
        signal.convolve2d(channels[:, :, c], emboss, mode="same", boundary="symm")
        for c in range(channels.shape[2])
    ]
    expected["emboss"] = 0.5 + np.stack(relief, axis=-1).reshape(image.shape)
    for name, values in expected.items():
        got = read(pictures / f"{photograph}_{name}.png")
        # One level is rounding to bytes.
        assert np.abs(got - np.clip(values, 0, 1)).max() <= 1.01 / 255, name


def test_emboss_lights_edges_from_the_upper_left():
    square = np.zeros((24, 24), np.float32)
    square[8:16, 8:16] = 0.5
    relief = runpy.run_path(str(EXAMPLES / "filter_photo.py"))["emboss"](square)
    assert relief[7:10, 7:10].max() > 0.7
    assert relief[14:17, 14:17].min() < 0.3
    np.testing.assert_allclose(relief[:4], 0.5, atol=1e-6)


def test_worked_examples_print_the_known_numbers():
    text = re.sub(r"\s+", " ", run_example("course_examples.py"))
    for expected in (
        "[[19. 25.] [37. 43.]]",
        "[[ 0. 3. 8. 4.] [ 9. 19. 25. 10.] [21. 37. 43. 16.] [ 6. 7. 8. 0.]]",
        "[[ 56. 72.]",
        "(1, 6, 28, 28)",
        "stride 3: (2, 2)",
        "stride 3, padding 1: (3, 3)",
        "(1, 1, 7, 2)",
        "(1, 32, 32, 32)",
        "((2, 2), (2, 2))",
        "(96, 55, 55), learnables 34848 + 96 = 34944",
        "[[4. 5.] [7. 8.]]",
        "[[5. 7. 7.] [9. 8. 9.]]",
        "[[3. 5. 4.5] [5.5 4. 4. ]]",
        "[[3.5 4.8333] [4.8333 4.1667]]",
        "[19. 25. 37. 43.]",
        "Two 3x3 layers see (5, 5)",
    ):
        assert expected in text


def test_signal_is_smoothed(tmp_path):
    pytest.importorskip("matplotlib")
    text = run_example("smooth_signal.py", "--output", tmp_path)
    numbers = dict(re.findall(r"^(.+?): +([\d.e-]+)", text, flags=re.MULTILINE))
    assert float(numbers["largest difference from one kernel of 32"]) < 1e-5
    assert float(numbers["receptive field"]) == 32
    # The mean of 32 independent samples has 1/sqrt(32) of their deviation.
    ratio = float(numbers["noise after"]) / float(numbers["noise before"])
    assert ratio == pytest.approx(32**-0.5, rel=0.3)
    assert (tmp_path / "smoothed_signal.png").stat().st_size > 10_000
