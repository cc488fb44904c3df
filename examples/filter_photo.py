"""Filter two photographs: Laplacian, Sobel, Gaussian, sharpen, and an emboss with an even kernel.

    python examples/filter_photo.py --output pictures

The photographs come with scikit-image; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastconv

Image = NDArray[np.float32]

LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)
SOBEL_X = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32) / 4
SHARPEN = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float32)
# Light from the upper left. Convolution turns the kernel by 180 degrees, so what ends up positive
# is the lower right minus the upper left: bright where the brightness rises along the diagonal.
EMBOSS = np.array([[3, 2, 1, 0], [2, 1, 0, -1], [1, 0, -1, -2], [0, -1, -2, -3]], np.float32) / 10


def gaussian_kernel(sigma: float) -> Image:
    """Sample a Gaussian of sum 1 that reaches three standard deviations to each side.

    Args:
        sigma: Standard deviation in pixels.

    Returns:
        float32 array (2r+1, 2r+1) with r = ceil(3*sigma).
    """
    radius = int(np.ceil(3 * sigma))
    offsets = np.arange(-radius, radius + 1)
    profile = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = np.outer(profile, profile)
    return (kernel / kernel.sum()).astype(np.float32)


def correlate(image: Image, kernel: Image) -> Image:
    """Correlate at the same size; the image is continued by its mirror image."""
    return fastconv.correlate2d(image, kernel, mode="same", boundary="reflect")


def laplacian(image: Image) -> Image:
    """Second derivative: zero on even ground (mid-grey here), positive and negative at edges."""
    return 0.5 + correlate(image, LAPLACIAN)


def sobel(image: Image) -> Image:
    """Length of the gradient."""
    return np.hypot(correlate(image, SOBEL_X), correlate(image, SOBEL_X.T.copy()))


def gaussian(image: Image) -> Image:
    """Blur with a standard deviation of 3 pixels."""
    return correlate(image, gaussian_kernel(3.0))


def sharpen(image: Image) -> Image:
    """Subtract the Laplacian from the image."""
    return correlate(image, SHARPEN)


def emboss(image: Image) -> Image:
    """Relief on mid-grey, by true convolution with a 4x4 kernel."""
    return 0.5 + fastconv.convolve2d(image, EMBOSS, mode="same", boundary="reflect")


FILTERS: dict[str, Callable[[Image], Image]] = {
    "laplacian": laplacian,
    "sobel": sobel,
    "gaussian": gaussian,
    "sharpen": sharpen,
    "emboss": emboss,
}


def photographs() -> dict[str, NDArray[np.uint8]]:
    """Two photographs that scikit-image carries: a grey one (H, W) and a colour one (H, W, 3)."""
    try:
        from skimage import data
    except ImportError:
        sys.exit("The photographs come with scikit-image: pip install 'fastconv[examples]'")
    return {"camera": data.camera(), "astronaut": data.astronaut()}


def to_bytes(image: Image) -> NDArray[np.uint8]:
    """Values 0 to 1 as bytes; what lies outside is clipped."""
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)


def save_contact_sheet(pictures: dict[str, dict[str, NDArray[np.uint8]]], path: Path) -> None:
    """Write all pictures as one sheet, a row for each photograph."""
    from matplotlib.figure import Figure

    columns = max(map(len, pictures.values()))
    figure = Figure(figsize=(2.9 * columns, 3.2 * len(pictures)), layout="constrained")
    grid: Any = figure.subplots(len(pictures), columns, squeeze=False)
    for row, (photograph, results) in zip(grid, pictures.items(), strict=True):
        for axis, (name, picture) in zip(row, results.items(), strict=True):
            axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
            axis.set_title(f"{photograph}: {name}", fontsize=10)
            axis.set_axis_off()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Write one picture per photograph and filter, and the contact sheet."""
    parser = argparse.ArgumentParser(description="Filter two photographs.")
    parser.add_argument("--output", type=Path, default=Path("filtered"), help="folder to write to")
    folder: Path = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)

    pictures: dict[str, dict[str, NDArray[np.uint8]]] = {}
    for photograph, pixels in photographs().items():
        image = pixels.astype(np.float32) / 255
        results = {name: to_bytes(apply(image)) for name, apply in FILTERS.items()}
        pictures[photograph] = {"original": pixels, **results}

    from skimage.io import imsave

    for photograph, results in pictures.items():
        for name, picture in results.items():
            imsave(folder / f"{photograph}_{name}.png", picture, check_contrast=False)
    save_contact_sheet(pictures, folder / "contact_sheet.png")
    print(f"wrote {sum(map(len, pictures.values()))} pictures and contact_sheet.png to {folder}")


if __name__ == "__main__":
    main()
