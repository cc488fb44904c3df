"""Look inside a network: filters, activations, receptive fields, and an image that fools it.

    python examples/look_inside.py --output pictures

Trains a LeNet on handwritten digits for a few seconds and draws four pictures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import digits
import numpy as np
from numpy.typing import NDArray

from fastconv import models, nn

# Along the sign of the gradient, 0.25 of the values' range of 2: an eighth of the contrast.
EPSILON = 0.25
COLOURS = (
    "tab:red", "tab:orange", "tab:green", "tab:cyan", "tab:purple", "tab:pink", "yellow",
    "tab:blue",
)  # fmt: skip


def figure_and_axes(rows: int, columns: int, size: float) -> tuple[Any, Any]:
    """Grid of square pictures without ticks."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size * columns, size * rows), layout="constrained")
    grid: Any = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    return figure, grid


def draw_filters(net: models.LeNet, path: Path) -> None:
    """Weights of the first layer: red adds where there is ink, blue subtracts."""
    filters = net.conv1.weight.data[:, 0]
    limit = np.abs(filters).max()
    figure, grid = figure_and_axes(1, len(filters), 1.6)
    for number, (axes, weights) in enumerate(zip(grid[0], filters, strict=True)):
        axes.imshow(weights, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set_title(f"filter {number}", fontsize=9)
    figure.suptitle("First layer of the LeNet: 6 filters of 5x5")
    figure.savefig(path, dpi=110)


def activations(net: models.LeNet, image: digits.Images) -> dict[str, NDArray[np.float32]]:
    """Output (C, H, W) or (C,) of each layer for an image (1, 1, H, W)."""
    outputs = {}
    x = image
    with nn.no_grad():
        for name, layer in net.children():
            x = layer(x)
            outputs[name] = x[0]
    return outputs


def draw_activations(net: models.LeNet, image: digits.Images, path: Path) -> None:
    """A row of maps for each layer, and the scores as bars."""
    outputs = activations(net, image)
    maps = ("conv1", "act1", "pool1", "conv2", "act2", "pool2")
    columns = max(len(outputs[name]) for name in maps)
    figure, grid = figure_and_axes(len(maps) + 2, columns, 0.9)
    grid[0, 0].imshow(image[0, 0], cmap="gray_r")
    grid[0, 0].set_title("input", fontsize=9, loc="left")
    for row, name in zip(grid[1:], maps, strict=False):
        for axes, plane in zip(row, outputs[name], strict=False):
            axes.imshow(plane, cmap="viridis")
        sizes = "x".join(map(str, outputs[name].shape))
        row[0].set_title(f"{name}: {sizes}", fontsize=9, loc="left")
    for axes in grid[-1]:
        axes.remove()
    bars = figure.add_subplot(grid[0, 0].get_gridspec()[-1, :])
    scores = nn.Softmax()(outputs["fc3"])
    bars.bar(range(10), scores, color="tab:blue")
    bars.set(xticks=range(10), ylim=(0, 1))
    bars.set_title("fc3 and softmax: probability of each digit", fontsize=9, loc="left")
    figure.savefig(path, dpi=110)


def rows_with_windows(net: nn.Module, shape: tuple[int, ...]) -> list[nn.LayerRow]:
    """Convolution and pooling layers that widen the receptive field, from a summary."""
    rows = nn.summary(net, shape).rows
    return [row for row in rows if row.type in ("Conv2d", "MaxPool2d", "AvgPool2d")]


def draw_fields(net: models.LeNet, image: digits.Images, path: Path) -> None:
    """What the middle output of each layer sees: on a digit (LeNet) and a photograph (AlexNet)."""
    try:
        from skimage import data
    except ImportError:
        sys.exit("The photograph comes with scikit-image: pip install 'fastconv[examples]'")
    from matplotlib.patches import Rectangle

    photograph = data.camera()[32:480:2, 32:480:2].astype(np.float32)
    columns = [
        (image[0, 0], rows_with_windows(net, image.shape), "LeNet", "gray_r"),
        (photograph, rows_with_windows(models.alexnet(), (1, 3, 224, 224)), "AlexNet", "gray"),
    ]
    figure, grid = figure_and_axes(1, 2, 5)
    for axes, (picture, rows, title, colours) in zip(grid[0], columns, strict=True):
        height, width = picture.shape
        axes.imshow(picture, cmap=colours)
        for row, colour in zip(rows[::-1], COLOURS, strict=False):
            field = row.receptive_field
            assert field is not None
            middle = [size // 2 for size in row.activations[1:]]
            centre = np.array(field.centre) + np.array(middle) * np.array(field.stride)
            top, left = centre - np.array(field.size) / 2
            axes.add_patch(
                Rectangle(
                    (left, top), field.size[1], field.size[0], fill=False, edgecolor=colour, lw=2,
                    label=f"{row.name}: {field.size[0]:g}x{field.size[1]:g}",
                )
            )  # fmt: skip
        axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        axes.set_title(f"What the middle output of {title}'s layers sees")
        axes.legend(loc="lower left", bbox_to_anchor=(0, -0.34), ncols=2, fontsize=8)
    figure.savefig(path, dpi=110)


def fooled(net: models.LeNet, part: digits.Digits, epsilon: float) -> digits.Images:
    """Images changed by at most epsilon per pixel along the gradient of the loss.

    The fast gradient sign method (I. Goodfellow et al., "Explaining and Harnessing Adversarial
    Examples", 2015): x + epsilon * sign(d loss / d x), within the range of the values.
    """
    criterion = nn.CrossEntropyLoss()
    criterion(net(part.images), part.classes)
    gradient = net.backward(criterion.backward())
    net.zero_grad()
    return np.clip(part.images + epsilon * np.sign(gradient), -1, 1).astype(np.float32)


def draw_adversarial(net: models.LeNet, held_out: digits.Digits, path: Path) -> tuple[float, float]:
    """A digit before and after, and the share recognised as epsilon grows."""
    changed = fooled(net, held_out, EPSILON)
    before = digits.predicted(net, held_out.images)
    after = digits.predicted(net, changed)
    index = int(np.flatnonzero((before == held_out.classes) & (after != before))[0])
    epsilons = np.linspace(0, 0.5, 11)
    shares = [
        float((digits.predicted(net, fooled(net, held_out, e)) == held_out.classes).mean())
        for e in epsilons
    ]
    figure, grid = figure_and_axes(1, 4, 2.6)
    images = (held_out.images, changed - held_out.images, changed)
    titles = (
        f"taken for {before[index]}",
        f"change, at most {EPSILON}",
        f"taken for {after[index]}",
    )
    for axes, pixels, title in zip(grid[0], images, titles, strict=False):
        axes.imshow(pixels[index, 0], cmap="gray_r", vmin=-1, vmax=1)
        axes.set_title(title)
    curve = grid[0, 3]
    curve.set_axis_on()
    curve.plot(epsilons, np.array(shares) * 100, marker="o", markersize=3)
    curve.set(xlabel="epsilon", ylim=(0, 102), title="recognised (%)")
    figure.savefig(path, dpi=110)
    return shares[0], float((after == held_out.classes).mean())


def main() -> None:
    """Train briefly, then draw the four pictures."""
    parser = argparse.ArgumentParser(description="Look inside a network.")
    parser.add_argument("--output", type=Path, default=Path("inside"), help="folder to write to")
    parser.add_argument("--epochs", type=int, default=6)
    arguments = parser.parse_args()
    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)

    training, held_out = digits.load()
    net = digits.train(training, arguments.epochs)
    three = held_out.images[held_out.classes == 3][:1]
    draw_filters(net, folder / "filters.png")
    draw_activations(net, three, folder / "activations.png")
    draw_fields(net, three, folder / "receptive_fields.png")
    before, after = draw_adversarial(net, held_out, folder / "adversarial.png")
    print(f"recognised before: {before:.2%}")
    print(f"recognised after a change of {EPSILON} along the gradient: {after:.2%}")
    print(f"wrote filters, activations, receptive_fields and adversarial .png to {folder}")


if __name__ == "__main__":
    main()
