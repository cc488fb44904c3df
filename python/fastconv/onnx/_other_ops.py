"""MaxUnpool, Col2Im, and what networks need besides that the reference gets wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun
from onnx.reference.ops import _op_list as reference_ops

import fastconv
from fastconv.errors import OptionError, ShapeError
from fastconv.onnx._attributes import (
    explicit_padding,
    is_float,
    per_axis,
    plane_offsets,
    rank_of,
)


class MaxUnpool(OpRun):
    """ONNX MaxUnpool: values back to where MaxPool found them."""

    op_domain = ""

    def _run(
        self,
        x: Any,
        indices: Any,
        output_shape: Any = None,
        kernel_shape: Sequence[int] = (),
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> tuple[Any]:
        rank = rank_of("MaxUnpool", x)
        kernel = per_axis("kernel_shape", kernel_shape, rank, 1)
        stride = per_axis("strides", strides, rank, 1)
        padding = explicit_padding(pads, rank)
        sizes = tuple(
            (n - 1) * s - lo - hi + k
            for n, s, (lo, hi), k in zip(x.shape[2:], stride, padding, kernel, strict=True)
        )
        # Indices count in the tensor of the default size, in the upper corner of a larger one.
        offsets = plane_offsets(x.shape, math.prod(sizes))
        y = getattr(fastconv, f"max_unpool{rank}d")(
            x, indices - offsets, kernel, stride, padding, sizes
        )
        if output_shape is None:
            return (y,)
        wanted = tuple(int(n) for n in output_shape)
        if len(wanted) != x.ndim or any(w < n for w, n in zip(wanted, y.shape, strict=True)):
            raise ShapeError(
                f"output_shape is {wanted}; it must have {x.ndim} sizes, at least those of "
                f"{y.shape}"
            )
        return (np.pad(y, [(0, w - n) for w, n in zip(wanted, y.shape, strict=True)]),)


class Col2Im(reference_ops.Col2Im):
    """ONNX Col2Im: columns summed into an image. Other ranks go to the reference."""

    op_domain = ""

    def _run(
        self, data: Any, image_shape: Any, block_shape: Any, **attributes: Any
    ) -> tuple[Any, ...]:
        if len(image_shape) != 2 or not is_float(data):
            result: tuple[Any, ...] = super()._run(data, image_shape, block_shape, **attributes)
            return result
        y = fastconv.fold(
            data,
            tuple(int(n) for n in image_shape),
            tuple(int(n) for n in block_shape),
            per_axis("dilations", attributes.get("dilations"), 2, 1),
            explicit_padding(attributes.get("pads"), 2),
            per_axis("strides", attributes.get("strides"), 2, 1),
        )
        return (y,)


class LRN(OpRun):
    """ONNX LRN: x / (bias + alpha/size * sum of squares of neighbouring channels)^beta."""

    op_domain = ""

    def _run(
        self,
        x: Any,
        alpha: float = 1e-4,
        beta: float = 0.75,
        bias: float = 1.0,
        size: int = 1,
    ) -> tuple[Any]:
        if size < 1:
            raise OptionError(f"size is {size}; it must be at least 1")
        squares = np.square(x).reshape(x.shape[0], 1, x.shape[1], -1)
        before = (size - 1) // 2
        # Channels are an axis like others: a window of `size` slides over them.
        mean = fastconv.avg_pool2d(
            np.pad(squares, ((0, 0), (0, 0), (before, size - 1 - before), (0, 0))), (size, 1), 1
        )
        scale = mean.reshape(x.shape)
        scale *= x.dtype.type(alpha)
        scale += x.dtype.type(bias)
        return (x / np.power(scale, x.dtype.type(beta)),)


class Softmax(reference_ops.Softmax):
    """ONNX Softmax. Before opset 13 it works on all axes from ``axis`` (1) on as if they were one.

    The reference implementation knows only the newer meaning.
    """

    op_domain = ""

    def _run(self, x: Any, axis: int | None = None) -> tuple[Any, ...]:
        result: tuple[Any, ...]
        if self.run_params["opsets"][""] >= 13:
            result = super()._run(x, axis=axis)
            return result
        first = next((a.i for a in self.onnx_node.attribute if a.name == "axis"), 1) % x.ndim
        flat = x.reshape(math.prod(x.shape[:first]), -1)
        result = super()._run(flat, axis=1)
        return (result[0].reshape(x.shape),)


class BatchNormalization(reference_ops.BatchNormalization_14):
    """ONNX BatchNormalization.

    With one output and without ``training_mode`` it normalises with the given mean and variance,
    in every opset; the reference implementation takes those of the batch before opset 14.
    """

    op_domain = ""

    def _run(
        self, x: Any, scale: Any, bias: Any, mean: Any, variance: Any, **attributes: Any
    ) -> tuple[Any, ...]:
        if len(self.output) > 1 or attributes.get("training_mode"):
            names = ("epsilon", "momentum", "training_mode")
            given = {name: attributes[name] for name in names if name in attributes}
            given["training_mode"] = 1
            result: tuple[Any, ...] = super()._run(x, scale, bias, mean, variance, **given)
            return result
        factor = scale / np.sqrt(variance + variance.dtype.type(attributes.get("epsilon") or 1e-5))
        per_channel = (-1, *[1] * (x.ndim - 2))
        y = x - mean.reshape(per_channel)
        y *= factor.reshape(per_channel)
        y += bias.reshape(per_channel)
        return (y.astype(x.dtype, copy=False),)
