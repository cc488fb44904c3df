"""Handwritten digits for the examples: data, training and accuracy of a LeNet.

The 1797 digits of 8x8 pixels come with scikit-learn; nothing is downloaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import fastconv
from fastconv import models, nn

Images = NDArray[np.float32]
Classes = NDArray[np.int64]

BATCH = 32
SIDE = 28


@dataclass(frozen=True)
class Digits:
    """Images (N, 1, 28, 28) with values -1 (paper) to 1 (ink), and the digits they show."""

    images: Images
    classes: Classes


def enlarged(ink: Images) -> Images:
    """Bring 8x8 pixels, 0 (paper) to 1 (ink), to the 28x28 and the -1 to 1 of a LeNet.

    Bilinear interpolation by a factor of 3 is a transposed convolution with a tent as kernel: 26x26
    with edges that fade to paper; a margin of 1 does the rest.
    """
    tent = 1 - np.abs(np.arange(5) - 2) / 3
    kernel = np.outer(tent, tent).astype(np.float32)[None, None]
    grown = fastconv.conv_transpose2d(ink, kernel, stride=3)
    return np.pad(2 * grown - 1, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-1)


def load(seed: int = 0) -> tuple[Digits, Digits]:
    """Three quarters of the digits for training, one quarter held out."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        sys.exit("The digits come with scikit-learn: pip install 'fastconv[examples]'")
    bunch = load_digits()
    images = enlarged((bunch.images[:, None] / 16).astype(np.float32))
    order = np.random.default_rng(seed).permutation(len(images))
    first = len(order) // 4
    parts = [
        Digits(np.ascontiguousarray(images[part]), bunch.target[part].astype(np.int64))
        for part in (order[first:], order[:first])
    ]
    return parts[0], parts[1]


def batches(digits: Digits, rng: np.random.Generator) -> Iterator[Digits]:
    """All digits in a new order, a batch at a time, each batch moved by up to two pixels."""
    order = rng.permutation(len(digits.images))
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        paper = np.pad(digits.images[part], ((0, 0), (0, 0), (2, 2), (2, 2)), constant_values=-1)
        top, left = rng.integers(0, 5, 2)
        moved = paper[:, :, top : top + SIDE, left : left + SIDE]
        yield Digits(np.ascontiguousarray(moved), digits.classes[part])


def train(
    digits: Digits,
    epochs: int,
    *,
    seed: int = 0,
    after_epoch: Callable[[models.LeNet, float], None] = lambda net, loss: None,
) -> models.LeNet:
    """Train a LeNet with Adam, the learning rate falling to 0 along a cosine.

    ``after_epoch`` gets the network in inference mode and the mean loss of the epoch.
    """
    # Layers as small as these do not repay waking a second thread for each.
    fastconv.set_num_threads(1)
    nn.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = models.lenet(activation="relu")
    optimizer = nn.Adam(net.parameters())
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        optimizer.lr = 1.5e-3 * (1 + np.cos(np.pi * epoch / epochs))
        net.train()
        losses = []
        for batch in batches(digits, rng):
            optimizer.zero_grad()
            losses.append(criterion(net(batch.images), batch.classes))
            net.backward(criterion.backward())
            optimizer.step()
        after_epoch(net.eval(), float(np.mean(losses)))
    return net.eval()


def predicted(net: models.LeNet, images: Images) -> Classes:
    """Digit that the network takes each image for."""
    with nn.no_grad():
        return net(images).argmax(axis=1)


def accuracy(net: models.LeNet, digits: Digits) -> float:
    """Share of the digits that the network recognises."""
    return float((predicted(net, digits.images) == digits.classes).mean())
