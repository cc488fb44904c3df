"""Tencent's ncnn on the CPU: one-layer network, 16-bit storage and arithmetic off."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ncnn
import numpy as np
from numpy.typing import NDArray

from ..contestant import (
    DeclinedError,
    Prepared,
    Settings,
    as_convolution,
    as_image,
    forward_only,
    not_held,
    only_float32,
)
from ..problem import Arrays, Problem, geometry, output_shape

_SUFFIX = {1: "1D", 2: "", 3: "3D"}
# Parameter numbers of ncnn's layers, innermost axis first: width, height, depth.
_CONV_KEYS = {"kernel": (1, 11, 21), "dilation": (2, 12, 22), "stride": (3, 13, 23)}
_CONV_PADS = {"lo": (4, 14, 24), "hi": (15, 16, 17)}
_POOL_KEYS = {"kernel": (1, 11, 21), "stride": (2, 12, 22)}
_POOL_PADS = {"lo": (3, 13, 23), "hi": (14, 15, 16)}
_OUTPUT_PADS = (18, 19, 20)
_ADAPTIVE_SIZES = (8, 18, 28)


def _numbered(keys: tuple[int, ...], values: tuple[int, ...]) -> dict[int, int]:
    return dict(zip(keys, reversed(values), strict=False))


def _convolution(problem: Problem, arrays: Arrays) -> tuple[str, dict[int, int], bytes]:
    g = geometry(problem)
    weight = arrays.weight
    assert weight is not None
    kind = "Deconvolution" if problem.is_transposed else "Convolution"
    parameters = {0: problem.out_channels, 5: int(problem.bias), 6: weight.size}
    for field, keys in _CONV_KEYS.items():
        parameters |= _numbered(keys, getattr(g, field))
    parameters |= _numbered(_CONV_PADS["lo"], g.pad_lo) | _numbered(_CONV_PADS["hi"], g.pad_hi)
    if problem.groups > 1:
        kind += "DepthWise"
        parameters[7] = problem.groups
    if problem.is_transposed:
        parameters |= _numbered(_OUTPUT_PADS, g.output_padding)
        # ncnn stores (groups, out/groups, in/groups, *kernel) where torch has in before out.
        split = weight.reshape(problem.groups, -1, *weight.shape[1:])
        weight = split.swapaxes(1, 2)
    # A zero tag announces raw float32 weights; the bias follows without one.
    content = struct.pack("<I", 0) + np.ascontiguousarray(weight, "<f4").tobytes()
    if arrays.bias is not None:
        content += arrays.bias.astype("<f4").tobytes()
    return kind + _SUFFIX[problem.rank], parameters, content


def _pooling(problem: Problem) -> tuple[str, dict[int, int], bytes]:
    if not problem.op.startswith(("max_pool", "avg_pool", "adaptive")):
        raise DeclinedError(f"ncnn has no {problem.op}")
    kind = "Pooling" + _SUFFIX[problem.rank]
    parameters = {0: int("avg" in problem.op)}
    if problem.op.startswith("adaptive"):
        sizes = output_shape(problem)[-problem.rank :]
        return kind, parameters | {7: 1} | _numbered(_ADAPTIVE_SIZES, sizes), b""
    g = geometry(problem)
    if any(d != 1 for d in g.dilation):
        raise DeclinedError("ncnn has no dilated pooling")
    if problem.options.get("divisor_override"):
        raise DeclinedError("ncnn average pooling has no divisor override")
    for field, keys in _POOL_KEYS.items():
        parameters |= _numbered(keys, getattr(g, field))
    parameters |= _numbered(_POOL_PADS["lo"], g.pad_lo) | _numbered(_POOL_PADS["hi"], g.pad_hi)
    # Padding mode 0 rounds the output size up, 1 rounds it down.
    parameters[5] = int(not problem.options.get("ceil_mode", False))
    parameters[6] = int(problem.options.get("count_include_pad", True))
    return kind, parameters, b""


def values_text(parameters: dict[int, Any]) -> str:
    """Parameters of a layer as a line of a network's description has them."""
    return " ".join(f"{key}={value}" for key, value in sorted(parameters.items()))


def load_net(lines: list[str], blobs: int, content: bytes, settings: Settings) -> Any:
    """Load a network with 16-bit storage and arithmetic off.

    Args:
        lines: Its layers, behind the input, which makes the blob ``in0``.
        blobs: Number of blobs, the input among them.
        content: Weights of all layers.
        settings: Threads.
    """
    net = ncnn.Net()
    net.opt.num_threads = settings.threads
    for name in dir(net.opt):
        if name.startswith(("use_fp16", "use_bf16", "use_int8", "use_vulkan")):
            setattr(net.opt, name, False)
    text = "\n".join(["7767517", f"{len(lines) + 1} {blobs}", "Input in0 0 1 in0", *lines, ""])
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "layer.bin")
        model.write_bytes(content)
        if net.load_param_mem(text) != 0 or net.load_model(str(model)) != 0:
            raise DeclinedError(f"ncnn cannot load {lines[0].split()[0]} layers of this kind")
    return net


def extraction(net: Any, x: NDArray[Any]) -> Callable[[], list[Any]]:
    """Return the call that takes each image from ``in0`` to ``out0``."""
    # A Mat does not keep the array that it was made from alive, so the array is named here.
    x = np.ascontiguousarray(x)
    images = [ncnn.Mat(image).clone() for image in x]

    def run() -> list[Any]:
        outputs = []
        for image in images:
            extractor = net.create_extractor()
            extractor.input("in0", image)
            outputs.append(extractor.extract("out0"))
        return outputs

    return run


class Ncnn:
    """One-layer network; a batch is a loop over its images, since ncnn has no batch axis."""

    key = "ncnn"
    title = "ncnn"
    distributions = ("ncnn",)

    def prepare(self, problem: Problem, arrays: Arrays, settings: Settings) -> Prepared:
        """Load the layer, which packs or transforms its weights."""
        forward_only(problem)
        not_held(settings)
        only_float32(settings)
        written, given = as_convolution(problem, arrays)
        if given.weight is None:
            kind, parameters, content = _pooling(written)
        else:
            kind, parameters, content = _convolution(written, given)
        line = f"{kind} layer 1 1 in0 out0 {values_text(parameters)}"
        net = load_net([line], 2, content, settings)
        run = extraction(net, given.x)
        shape = output_shape(written)

        def fetch(outputs: list[Any]) -> NDArray[Any]:
            if any(code != 0 for code, _ in outputs):
                raise DeclinedError(f"ncnn cannot run a {kind} layer of this kind")
            # Adaptive pooling to size 1 gives a vector of channels.
            y = np.stack([np.array(mat) for _, mat in outputs])
            return as_image(problem, y.reshape(shape) if y.size == np.prod(shape) else y)

        return Prepared(run, fetch)
