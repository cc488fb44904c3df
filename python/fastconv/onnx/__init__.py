"""fastconv for ONNX: a backend, and operators for ``onnx.reference.ReferenceEvaluator``.

Convolution, pooling and their relatives are fastconv's; all other operators are those of ONNX's
own reference implementation.
"""

try:
    import onnx as _onnx  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "fastconv.onnx needs the package onnx: pip install 'fastconv[onnx]'", name=error.name
    ) from error

from fastconv.onnx._backend import (
    OPERATORS,
    Backend,
    BackendRep,
    is_compatible,
    prepare,
    run_model,
    run_node,
    supports_device,
)

__all__ = [
    "OPERATORS",
    "Backend",
    "BackendRep",
    "is_compatible",
    "prepare",
    "run_model",
    "run_node",
    "supports_device",
]
