"""Shape of an operator's result, from the shapes and options of the call."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastconv import _arguments, _shape_rules
from fastconv._arguments import Ints
from fastconv.errors import ArgumentTypeError, OptionError

# What an operator accepts besides the options that decide its shape.
_CALL_OPTIONS = frozenset({"bias", "algorithm", "activation", "precision", "out"})


@dataclass(frozen=True)
class _Family:
    """Operators whose shapes follow the same rule."""

    compute: Callable[..., Ints]
    options: tuple[str, ...]
    third: str  # what stands in third place: the weight's shape, or the option of this name
    ignored: frozenset[str] = frozenset()
    ranked: bool = True


_POOL = ("kernel_size", "stride", "padding", "ceil_mode")
_INDICES = frozenset({"return_indices", "out"})
_FAMILIES = {
    "conv": _Family(
        _shape_rules.conv_shape,
        ("stride", "padding", "dilation", "groups"),
        "weight_shape",
        _CALL_OPTIONS,
    ),
    "conv_transpose": _Family(
        _shape_rules.conv_transpose_shape,
        ("stride", "padding", "output_padding", "groups", "dilation"),
        "weight_shape",
        _CALL_OPTIONS,
    ),
    "max_pool": _Family(_shape_rules.pool_shape, (*_POOL, "dilation"), "kernel_size", _INDICES),
    "min_pool": _Family(_shape_rules.pool_shape, (*_POOL, "dilation"), "kernel_size", _INDICES),
    "avg_pool": _Family(
        _shape_rules.avg_pool_shape,
        (*_POOL, "count_include_pad", "divisor_override"),
        "kernel_size",
        frozenset({"out"}),
    ),
    "lp_pool": _Family(
        _shape_rules.lp_pool_shape,
        ("norm_type", "kernel_size", "stride", "ceil_mode"),
        "kernel_size",
        frozenset({"out"}),
    ),
    "adaptive_avg_pool": _Family(
        _shape_rules.adaptive_shape, ("output_size",), "output_size", frozenset({"out"})
    ),
    "adaptive_max_pool": _Family(
        _shape_rules.adaptive_max_shape, ("output_size",), "output_size", _INDICES
    ),
    "max_unpool": _Family(
        _shape_rules.unpool_shape,
        ("kernel_size", "stride", "padding", "output_size"),
        "kernel_size",
        frozenset({"out"}),
    ),
    "unfold": _Family(
        _shape_rules.unfold_shape,
        ("kernel_size", "dilation", "padding", "stride"),
        "kernel_size",
        frozenset({"out"}),
        ranked=False,
    ),
    "fold": _Family(
        _shape_rules.fold_shape,
        ("output_size", "kernel_size", "dilation", "padding", "stride"),
        "kernel_size",
        frozenset({"out"}),
        ranked=False,
    ),
    "convolve2d": _Family(
        _shape_rules.filter_shape,
        ("mode", "boundary"),
        "weight_shape",
        frozenset({"fill_value"}),
        ranked=False,
    ),
    "correlate2d": _Family(
        _shape_rules.filter_shape,
        ("mode", "boundary"),
        "weight_shape",
        frozenset({"fill_value"}),
        ranked=False,
    ),
}
OPERATORS = tuple(
    name
    for base, family in _FAMILIES.items()
    for name in ((f"{base}1d", f"{base}2d", f"{base}3d") if family.ranked else (base,))
)


def output_shape(op: str, x_shape: Any, weight_shape: Any = None, **options: Any) -> Ints:
    """Shape of the result of ``op``, without computing it.

    Args:
        op: Name of the operator, such as ``"conv2d"``, ``"conv_transpose1d"``, ``"max_pool3d"``,
            ``"adaptive_avg_pool2d"``, ``"max_unpool2d"``, ``"unfold"``, ``"fold"`` or
            ``"correlate2d"``.
        x_shape: Shape of the first argument: (N, C, *spatial) or (C, *spatial); (H, W[, C]) for
            the image filters; (N, C*kh*kw, L) or (C*kh*kw, L) for fold.
        weight_shape: Shape of the second array: (out, in/groups, *kernel) for a convolution,
            (in, out/groups, *kernel) for a transposed one, (kh, kw) for an image filter. Pooling
            and unfold take their ``kernel_size`` here or by name, adaptive pooling its
            ``output_size``.
        **options: The keyword arguments of the operator, with its defaults. Those that do not
            change the shape are accepted.

    Returns:
        The shape as a tuple of ints. A convolution has floor((n + lo + hi - d*(k-1) - 1)/s) + 1
        outputs per axis, a transposed one (n-1)*s - lo - hi + d*(k-1) + output_padding + 1
        (V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016).

    Raises:
        ShapeError: The shapes do not fit together, or the result would be empty.
        OptionError: An option lies outside its range, or ``op`` or an option is unknown.
        ArgumentTypeError: An argument has the wrong type.

    Example:
        >>> output_shape("conv2d", (1, 3, 227, 227), (96, 3, 11, 11), stride=4)
        (1, 96, 55, 55)
        >>> output_shape("max_pool2d", (1, 64, 112, 112), 3, stride=2, padding=1)
        (1, 64, 56, 56)
    """
    family, rank = _family(op)
    for name in options:
        if name not in family.options and name not in family.ignored:
            known = ", ".join(sorted({*family.options, *family.ignored} - {"out"}))
            raise OptionError(f"{op} has no option {name!r}; its options are {known}")
    used = {name: value for name, value in options.items() if name in family.options}
    if weight_shape is not None and family.third in used:
        raise OptionError(f"{family.third} was given twice, in third place and by name; drop one")
    if weight_shape is not None:
        used[family.third] = weight_shape
    if family.third not in used:
        raise ArgumentTypeError(f"output_shape of {op} needs {family.third}; pass it")
    sizes = _arguments.shape("x_shape", x_shape)
    positional: list[Any] = [rank] if family.ranked else []
    positional.append(sizes)
    if family.third == "weight_shape":
        positional.append(_arguments.shape("weight_shape", used.pop("weight_shape")))
    if op == "fold" and "output_size" not in used:
        raise ArgumentTypeError("output_shape of fold needs output_size; pass it")
    return family.compute(*positional, **used)


def _family(op: Any) -> tuple[_Family, int]:
    if not isinstance(op, str):
        raise ArgumentTypeError(
            f"op must be the name of an operator, got {_arguments.given(op)} of type "
            f"{type(op).__name__}; pass "
            'a string such as "conv2d"'
        )
    if op not in OPERATORS:
        raise OptionError(f"op must be one of {', '.join(OPERATORS)}; got {op!r}")
    match = re.fullmatch(r"(\w+)([123])d", op)
    if match and match[1] in _FAMILIES:
        return _FAMILIES[match[1]], int(match[2])
    return _FAMILIES[op], 2
