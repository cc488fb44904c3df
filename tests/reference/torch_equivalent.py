"""A problem computed by torch, with explicit padding where torch has no option for it."""

import numpy as np
import torch
from torch.nn import functional

from fastconv._arguments import per_axis

_ACTIVATIONS = {
    "relu": torch.relu,
    "relu6": functional.relu6,
    "leaky_relu": functional.leaky_relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": functional.silu,
    "gelu": functional.gelu,
    "hardswish": functional.hardswish,
}


def torch_result(problem, operands):
    """The result as an array, or (values, indices)."""
    options = dict(problem.options)
    arrays = [torch.from_numpy(array) for array in operands.positional]
    activation = options.pop("activation", None)
    pads = _pairs(problem)
    if pads is not None:
        options["padding"] = 0
    if problem.op.startswith("min_pool"):
        result = _max_pool(problem, -arrays[0], pads, options)
        result = (-result[0], result[1]) if isinstance(result, tuple) else -result
    elif problem.op.startswith("max_pool"):
        result = _max_pool(problem, arrays[0], pads, options)
    elif problem.op.startswith("avg_pool"):
        result = _avg_pool(problem, arrays[0], pads, options)
    elif problem.op == "fold" and pads is not None:
        result = _fold(arrays[0], pads, options)
    else:
        result = _convolution_like(problem, arrays, pads, options)
    if activation is not None:
        result = _ACTIVATIONS[activation](result)
    if isinstance(result, tuple):
        return tuple(array.numpy() for array in result)
    return result.numpy()


def torch_gradients(problem, operands, grad):
    """Gradients of x, weight and, if there is one, bias by autograd."""
    arrays = [torch.from_numpy(array).requires_grad_() for array in operands.positional]
    options = {k: v for k, v in problem.options.items() if k != "activation"}
    pads = _pairs(problem)
    if pads is not None:
        options["padding"] = 0
    result = _convolution_like(problem, arrays, pads, options)
    result.backward(torch.from_numpy(grad))
    gradients = [array.grad.numpy() for array in arrays]
    return gradients if problem.bias else [*gradients, grad_of_bias(problem, grad)]


def grad_of_bias(problem, grad):
    """The sum over everything but channels."""
    axis = grad.ndim - problem.rank - 1
    return grad.sum(axis=tuple(a for a in range(grad.ndim) if a != axis))


def _pairs(problem):
    """Padding as (lo, hi) pairs, or None where torch takes it as it stands."""
    padding = problem.options.get("padding", 0)
    if isinstance(padding, tuple) and isinstance(padding[0], tuple):
        return padding
    if "dilation" in problem.options and problem.op.startswith(("max_pool", "min_pool")):
        # torch compares the padding with half of the kernel, not of the dilated kernel.
        return tuple((p, p) for p in per_axis("padding", padding, problem.rank, minimum=0))
    if not isinstance(padding, str) or problem.op.startswith("conv"):
        return None
    if padding == "valid":
        return ((0, 0),) * problem.rank
    kernel = problem.options["kernel_size"]
    return (((kernel - 1) // 2, kernel // 2),) * problem.rank


def _pad(x, pads, value):
    flat = [side for pair in reversed(pads) for side in pair]
    return functional.pad(x, flat, value=value)


def _crop(y, pads):
    for axis, (lo, hi) in enumerate(reversed(pads), start=1):
        y = y.narrow(-axis, lo, y.shape[-axis] - lo - hi)
    return y


def _convolution_like(problem, arrays, pads, options):
    operator = getattr(functional, problem.op)
    if pads is None:
        return operator(*arrays, **options)
    if problem.is_transposed:
        return _crop(operator(*arrays, **options), pads)
    return operator(_pad(arrays[0], pads, 0.0), *arrays[1:], **options)


def _fold(columns, pads, options):
    sizes = options.pop("output_size")
    padded = tuple(n + lo + hi for n, (lo, hi) in zip(sizes, pads, strict=True))
    return _crop(functional.fold(columns, padded, **options), pads)


def _max_pool(problem, x, pads, options):
    operator = getattr(functional, problem.op.replace("min", "max"))
    if pads is None:
        return operator(x, **options)
    padded = _pad(x, pads, -float("inf"))
    result = operator(padded, **options)
    if not isinstance(result, tuple):
        return result
    rank = problem.rank
    coordinates = np.unravel_index(result[1].numpy(), padded.shape[-rank:])
    inner = [c - lo for c, (lo, _) in zip(coordinates, pads, strict=True)]
    positions = np.ravel_multi_index(inner, problem.x_shape[-rank:])
    return result[0], torch.from_numpy(np.asarray(positions))


def _avg_pool(problem, x, pads, options):
    operator = getattr(functional, problem.op)
    if problem.op == "avg_pool1d" and "divisor_override" in options:
        # torch has this option in two and three dimensions only.
        divisor = options.pop("divisor_override")
        return operator(x, **options) * (options["kernel_size"] / divisor)
    if pads is None:
        return operator(x, **options)
    include_pad = options.pop("count_include_pad", True)
    mean = operator(_pad(x, pads, 0.0), **options)
    if include_pad:
        return mean
    # The share of each window that lies inside the input.
    return mean / operator(_pad(torch.ones_like(x), pads, 0.0), **options)
