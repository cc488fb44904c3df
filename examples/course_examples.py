"""The worked examples of convolution arithmetic that courses use, computed with fastconv.

python examples/course_examples.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastconv

IMAGE = np.arange(9.0, dtype=np.float32).reshape(1, 1, 3, 3)
KERNEL = np.arange(4.0, dtype=np.float32).reshape(1, 1, 2, 2)
GRID = np.array(
    [[2, 3, 6, 7, 6, 7], [2, 5, 3, 4, 3, 2], [1, 7, 3, 1, 4, 9], [9, 5, 4, 8, 1, 2]], np.float32
)[None, None]


def show(title: str, value: Any) -> None:
    """Print a title and a value under it."""
    print(title)
    text = np.array2string(value, precision=4) if isinstance(value, np.ndarray) else str(value)
    print("    " + text.replace("\n", "\n    "), "\n")


def plane(result: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the only image and channel of a result."""
    return result[0, 0]


def sliding_window() -> None:
    """Show what deep learning calls convolution: the kernel slides without being flipped."""
    show(
        "3x3 image 0..8, kernel [[0,1],[2,3]]: 0*0 + 1*1 + 3*2 + 4*3 = 19, ...",
        plane(fastconv.conv2d(IMAGE, KERNEL)),
    )
    show("The same with padding 1", plane(fastconv.conv2d(IMAGE, KERNEL, padding=1)))
    show(
        "True convolution turns the kernel by 180 degrees",
        fastconv.convolve2d(IMAGE[0, 0], KERNEL[0, 0], mode="valid"),
    )
    two = np.concatenate([IMAGE, IMAGE + 1], axis=1)
    kernels = np.concatenate([KERNEL, KERNEL + 1], axis=1)
    show("Two input channels are summed: 19 + 37 = 56", plane(fastconv.conv2d(two, kernels)))


def output_sizes() -> None:
    """floor((n + 2P - D*(K-1) - 1)/S + 1) on every axis."""
    small = {
        "stride 1": {},
        "stride 2": {"stride": 2},
        "stride 3": {"stride": 3},
        "padding 1": {"padding": 1},
        "stride 3, padding 1": {"stride": 3, "padding": 1},
    }
    sizes = {
        name: fastconv.output_shape("conv2d", (1, 1, 7, 7), (1, 1, 3, 3), **options)[2:]
        for name, options in small.items()
    }
    show("7x7 input, 3x3 kernel", "\n".join(f"{name}: {size}" for name, size in sizes.items()))
    show(
        "32x32x3 input, six 5x5x3 filters",
        fastconv.output_shape("conv2d", (1, 3, 32, 32), (6, 3, 5, 5)),
    )
    show(
        "9x6 input, 3x3 kernel, stride (1, 2)",
        fastconv.output_shape("conv2d", (1, 1, 9, 6), (1, 1, 3, 3), stride=(1, 2)),
    )
    dilated = fastconv.output_shape(
        "conv2d", (1, 16, 32, 32), (32, 16, 3, 3), padding=2, dilation=2
    )
    show("16 to 32 channels, dilation 2: padding 2 keeps the size", dilated)
    show("Padding that keeps the size: D*(K-1)/2", fastconv.same_padding((3, 3), dilation=2))


def alexnet_first_layer() -> None:
    """227x227x3 input, 96 filters of 11x11x3, stride 4."""
    weight_shape = (96, 3, 11, 11)
    shape = fastconv.output_shape("conv2d", (1, 3, 227, 227), weight_shape, stride=4)
    weights = int(np.prod(weight_shape))
    show("AlexNet conv1", f"activations {shape[1:]}, learnables {weights} + 96 = {weights + 96}")


def pooling() -> None:
    """Maximum, average and adaptive average of windows."""
    show("Max pooling 2x2, stride 1, of 0..8", plane(fastconv.max_pool2d(IMAGE, 2, stride=1)))
    show("Input of the next three", plane(GRID))
    show("Max pooling 2x2", plane(fastconv.max_pool2d(GRID, 2)))
    show("Average pooling 2x2", plane(fastconv.avg_pool2d(GRID, 2)))
    show("Adaptive average to 2x2", plane(fastconv.adaptive_avg_pool2d(GRID, 2)))


def convolution_as_matrix() -> None:
    """Show a convolution as a product with a doubly blocked Toeplitz matrix."""
    matrix = fastconv.conv_matrix(KERNEL, (1, 3, 3))
    show("The matrix of kernel [[0,1],[2,3]] on a 3x3 image", matrix)
    show("Matrix times image 0..8", matrix @ IMAGE.ravel())


def receptive_field() -> None:
    """Show how much of the input one output sees."""
    show("Two 3x3 layers see", fastconv.receptive_field([3, 3]).size)


def main() -> None:
    """Print all examples."""
    sliding_window()
    output_sizes()
    alexnet_first_layer()
    pooling()
    convolution_as_matrix()
    receptive_field()


if __name__ == "__main__":
    main()
