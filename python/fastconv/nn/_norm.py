"""Batch and layer normalisation."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from fastconv import _core
from fastconv._arguments import flag, integer, is_sequence, shape
from fastconv.errors import ShapeError
from fastconv.nn._activation import SameShape
from fastconv.nn._module import Array, Buffer, Parameter, Shape, number, require_array


class BatchNormalization(SameShape):
    """What batch normalisation of every rank has in common."""

    spatial: ClassVar[tuple[int, ...]]  # numbers of spatial axes that are accepted

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        size = integer("num_features", num_features, minimum=1)
        self.num_features = size
        self.eps = number("eps", eps, 0.0, math.inf)
        self.momentum = None if momentum is None else number("momentum", momentum, 0.0, 1.0)
        self.weight: Parameter | None = None
        self.bias: Parameter | None = None
        if flag("affine", affine):
            self.weight = Parameter(np.ones(size, np.float32))
            self.bias = Parameter(np.zeros(size, np.float32))
        self.running_mean: Buffer | None = None
        self.running_var: Buffer | None = None
        self.num_batches_tracked: Buffer | None = None
        if flag("track_running_stats", track_running_stats):
            self.running_mean = Buffer(np.zeros(size, np.float32))
            self.running_var = Buffer(np.ones(size, np.float32))
            self.num_batches_tracked = Buffer(np.array(0, np.int64))

    def forward(self, x: Array) -> Array:
        """Normalise each channel by the batch's (training) or the running (inference) moments."""
        require_array("x", x)
        self.output_shape(x.shape)
        tracked = self.running_mean is not None and self.running_var is not None
        uses_batch = self.training or not tracked
        if uses_batch:
            mean, variance = self._batch_moments(x)
        else:
            assert self.running_mean is not None
            assert self.running_var is not None
            mean, variance = self.running_mean.data, self.running_var.data
        inverse = 1.0 / np.sqrt(variance.astype(np.float64) + self.eps)
        scale, shift = inverse, -mean * inverse
        if self.weight is not None and self.bias is not None:
            scale = inverse * self.weight.data
            shift = self.bias.data - mean * scale
        x = np.ascontiguousarray(x)
        y = _core.channel_affine(x, scale, None, scale, shift)
        return self.keep(y, x, mean.astype(np.float64), inverse, uses_batch)

    def _batch_moments(self, x: Array) -> tuple[Array, Array]:
        """Mean and biased variance per channel, and the step of the running ones towards them."""
        count = x.size // self.num_features
        if self.training and count == 1:
            raise ShapeError(
                f"x must have more than 1 value per channel in training, got shape {x.shape}; use "
                "a larger batch, or eval()"
            )
        x = np.ascontiguousarray(x)
        sums, _ = _core.channel_products(x, None, np.zeros(self.num_features))
        # The squares are those of distances from the mean: x*x - mean*mean would lose digits.
        mean = (sums / max(count, 1)).astype(x.dtype).astype(np.float64)
        rest, squares = _core.channel_products(x, None, mean)
        mean += rest / max(count, 1)
        variance = squares / max(count, 1) - np.square(rest / max(count, 1))
        if self.training and count > 0:
            self._track(mean, variance * count / (count - 1))
        return mean, variance

    def _track(self, mean: Array, unbiased: Array) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        batches = self.num_batches_tracked.data + 1
        self.num_batches_tracked.data = np.asarray(batches, np.int64)
        # Without momentum: the mean over all batches so far.
        step = 1.0 / float(batches) if self.momentum is None else self.momentum
        for buffer, value in ((self.running_mean, mean), (self.running_var, unbiased)):
            kept = buffer.data
            buffer.data = ((1.0 - step) * kept + step * value).astype(kept.dtype)

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`.

        With batch moments: dx = (dn - mean(dn) - n mean(dn n)) / sigma, n being the normalised
        input and dn the gradient with respect to it (S. Ioffe, C. Szegedy, 2015).
        """
        x, mean, inverse, uses_batch = self.take(grad_output)
        grad = np.ascontiguousarray(grad_output)
        bias_sum, products = _core.channel_products(x, grad, mean)
        weight_sum = products * inverse
        dtype = grad_output.dtype
        scale = inverse
        if self.weight is not None and self.bias is not None:
            self.weight.accumulate(weight_sum.astype(dtype))
            self.bias.accumulate(bias_sum.astype(dtype))
            scale = inverse * self.weight.data
        if not uses_batch:
            return _core.channel_affine(grad, scale, None, scale, np.zeros(self.num_features))
        count = max(x.size // self.num_features, 1)
        # scale (g - mean(g) - n mean(g n)) with n = (x - mean) inverse, as a map of g and x.
        slope = -scale * inverse * weight_sum / count
        shift = -scale * bias_sum / count - slope * mean
        return _core.channel_affine(grad, scale, x, slope, shift)

    def affine_map(self) -> tuple[Array, Array]:
        """Scale and shift per channel, in float64, that are this layer at inference."""
        assert self.running_mean is not None
        assert self.running_var is not None
        scale = 1.0 / np.sqrt(self.running_var.data.astype(np.float64) + self.eps)
        shift = -self.running_mean.data * scale
        if self.weight is not None and self.bias is not None:
            scale = scale * self.weight.data
            shift = shift * self.weight.data + self.bias.data
        return scale, shift

    def output_shape(self, x_shape: Shape) -> Shape:
        """See :meth:`Module.output_shape`."""
        if len(x_shape) - 2 not in self.spatial or x_shape[1] != self.num_features:
            forms = {0: "(N, C)", 1: "(N, C, L)", 2: "(N, C, H, W)", 3: "(N, C, D, H, W)"}
            raise ShapeError(
                f"x must be {' or '.join(forms[n] for n in self.spatial)} with C="
                f"{self.num_features} channels, got shape {x_shape}; change x or num_features"
            )
        return x_shape

    def describe(self) -> str:
        """Channels, and options that are not the default."""
        return f"{self.num_features}" + ("" if self.eps == 1e-5 else f", eps {self.eps:g}")


class BatchNorm1d(BatchNormalization):
    """:class:`BatchNorm2d` for (N, C) or (N, C, L)."""

    spatial = (0, 1)


class BatchNorm2d(BatchNormalization):
    """Batch normalisation of (N, C, H, W): y = (x - mean) / sqrt(variance + eps) * weight + bias.

    Mean and variance are those of each channel: in training of the batch (biased variance), at
    inference the running ones, which every training batch moves by ``momentum`` towards its own
    (unbiased variance). S. Ioffe, C. Szegedy, "Batch Normalization", 2015; arguments and state as
    in ``torch.nn.BatchNorm2d``.

    Args:
        num_features: Channels.
        eps: Added to the variance.
        momentum: Step of the running moments; None takes the mean over all batches.
        affine: Whether there are weight and bias.
        track_running_stats: Whether there are running moments; without them inference takes those
            of the batch too.

    Attributes:
        weight: Parameter (num_features,), or None.
        bias: Parameter (num_features,), or None.

    Raises:
        OptionError, ArgumentTypeError: An argument is out of range or has the wrong type.
    """

    spatial = (2,)


class BatchNorm3d(BatchNormalization):
    """:class:`BatchNorm2d` for (N, C, D, H, W)."""

    spatial = (3,)


class LayerNorm(SameShape):
    """Normalisation over the last axes of each sample (J. L. Ba et al., "Layer Normalization").

    Args:
        normalized_shape: Sizes of the last axes, an int for one.
        eps: Added to the variance.
        elementwise_affine: Whether there are weight and bias, of shape normalized_shape.
        bias: Whether there is a bias beside the weight.

    Raises:
        OptionError, ShapeError, ArgumentTypeError: An argument is out of range or has the wrong
            type.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        given = normalized_shape if is_sequence(normalized_shape) else (normalized_shape,)
        self.normalized_shape = shape("normalized_shape", given)
        if not self.normalized_shape or 0 in self.normalized_shape:
            raise ShapeError(
                f"normalized_shape must have at least one axis and none of size 0, got "
                f"{self.normalized_shape}; pass the sizes of the last axes"
            )
        self.eps = number("eps", eps, 0.0, math.inf)
        self.weight: Parameter | None = None
        self.bias: Parameter | None = None
        if flag("elementwise_affine", elementwise_affine):
            self.weight = Parameter(np.ones(self.normalized_shape, np.float32))
            if flag("bias", bias):
                self.bias = Parameter(np.zeros(self.normalized_shape, np.float32))

    def forward(self, x: Array) -> Array:
        """Normalise each sample by its own mean and biased variance."""
        require_array("x", x)
        self.output_shape(x.shape)
        axes = self._axes()
        centred = x - x.mean(axis=axes, keepdims=True, dtype=np.float64).astype(x.dtype)
        variance = np.square(centred).mean(axis=axes, keepdims=True, dtype=np.float64)
        inverse = (1.0 / np.sqrt(variance + self.eps)).astype(x.dtype)
        normal = centred * inverse
        y = normal if self.weight is None else normal * self.weight.data
        return self.keep(y if self.bias is None else y + self.bias.data, normal, inverse)

    def backward(self, grad_output: Array) -> Array:
        """See :meth:`Module.backward`; the formula of :class:`BatchNorm2d` over other axes."""
        normal, inverse = self.take(grad_output)
        samples = tuple(range(normal.ndim - len(self.normalized_shape)))
        grad = grad_output
        if self.bias is not None:
            self.bias.accumulate(grad_output.sum(axis=samples))
        if self.weight is not None:
            self.weight.accumulate((grad_output * normal).sum(axis=samples))
            grad = grad_output * self.weight.data
        axes = self._axes()
        offset = grad.mean(axis=axes, keepdims=True)
        slope = (grad * normal).mean(axis=axes, keepdims=True)
        result: Array = (grad - offset - normal * slope) * inverse
        return result

    def _axes(self) -> tuple[int, ...]:
        return tuple(range(-len(self.normalized_shape), 0))

    def output_shape(self, x_shape: Shape) -> Shape:
        """See :meth:`Module.output_shape`."""
        if x_shape[-len(self.normalized_shape) :] != self.normalized_shape:
            raise ShapeError(
                f"the last axes of x must be normalized_shape={self.normalized_shape}, got shape "
                f"{x_shape}; change one of them"
            )
        return x_shape

    def describe(self) -> str:
        """Sizes of the axes."""
        return f"{self.normalized_shape}"
