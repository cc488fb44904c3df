"""Smooth a noisy signal with a stack of causal dilated convolutions, as WaveNet stacks them.

    python examples/smooth_signal.py --output pictures

Each layer averages two samples that lie 1, 2, 4, ... apart, so n layers average the last 2**n
samples with 2*n multiplications per sample. Causal means that no output sees a later sample: all
padding stands before the signal.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import fastconv

Signal = NDArray[np.float32]

LAYERS = 5
PAIR_MEAN = np.full((1, 1, 2), 0.5, np.float32)


def smooth(signal: Signal, layers: int = LAYERS) -> Signal:
    """Mean of the last ``2**layers`` samples; before the first sample the signal is 0.

    Args:
        signal: Samples (L,).
        layers: Number of layers.

    Returns:
        Samples (L,).
    """
    x = signal[None, None]
    for layer in range(layers):
        distance = 2**layer
        x = fastconv.conv1d(x, PAIR_MEAN, padding=((distance, 0),), dilation=distance)
    return x[0, 0]


def noisy_signal(samples: int = 600) -> tuple[Signal, Signal]:
    """Make a slow wave with a step, without and with noise."""
    time = np.linspace(0, 1, samples, dtype=np.float32)
    clean = np.sin(2 * np.pi * 2 * time) + np.where(time > 0.6, 1, 0)
    noise = np.random.default_rng(7).normal(scale=0.4, size=samples)
    return clean.astype(np.float32), (clean + noise).astype(np.float32)


def save_plot(clean: Signal, noisy: Signal, smoothed: Signal, path: Path) -> None:
    """Write the three curves as a picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axis = figure.subplots()
    axis.plot(noisy, color="#bbbbbb", linewidth=0.8, label="noisy")
    axis.plot(clean, color="black", linewidth=1, linestyle="--", label="clean")
    axis.plot(smoothed, color="#D55E00", linewidth=2, label=f"mean of the last {2**LAYERS}")
    axis.set_xlabel("sample")
    axis.set_ylabel("amplitude")
    axis.legend(frameon=False, loc="upper left")
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Smooth, compare with one long kernel, and draw."""
    parser = argparse.ArgumentParser(description="Smooth a noisy signal.")
    parser.add_argument("--output", type=Path, default=Path("smoothed"), help="folder to write to")
    folder: Path = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)

    clean, noisy = noisy_signal()
    smoothed = smooth(noisy)
    length = 2**LAYERS
    direct = np.convolve(noisy, np.full(length, 1 / length))[: noisy.size]
    print(f"largest difference from one kernel of {length}: {np.abs(smoothed - direct).max():.1e}")
    field = fastconv.receptive_field(
        [{"kernel_size": (2,), "dilation": (2**layer,)} for layer in range(LAYERS)]
    )
    print(f"receptive field: {field.size[0]} samples")
    print(f"noise before: {np.std(noisy - clean):.3f}")
    print(f"noise after:  {np.std(smoothed - smooth(clean)):.3f}")
    save_plot(clean, noisy, smoothed, folder / "smoothed_signal.png")


if __name__ == "__main__":
    main()
