"""The backend: models and nodes run with fastconv's operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx.backend.base import Backend as BaseBackend
from onnx.backend.base import BackendRep as BaseBackendRep
from onnx.backend.base import namedtupledict
from onnx.reference import ReferenceEvaluator

from fastconv.errors import ArgumentTypeError, BackendUnavailableError, ShapeError, UnsupportedError
from fastconv.onnx._conv_ops import Conv, ConvTranspose, PlannedConv, PlannedConvTranspose
from fastconv.onnx._other_ops import LRN, BatchNormalization, Col2Im, MaxUnpool, Softmax
from fastconv.onnx._pool_ops import (
    AveragePool,
    GlobalAveragePool,
    GlobalLpPool,
    GlobalMaxPool,
    LpPool,
    MaxPool,
)
from fastconv.onnx._rewrite import rewrite

# For ReferenceEvaluator(model, new_ops=OPERATORS).
OPERATORS: list[Any] = [
    Conv,
    ConvTranspose,
    MaxPool,
    AveragePool,
    LpPool,
    GlobalMaxPool,
    GlobalAveragePool,
    GlobalLpPool,
    MaxUnpool,
    Col2Im,
    LRN,
    Softmax,
    BatchNormalization,
]
_ALL_OPERATORS = [*OPERATORS, PlannedConv, PlannedConvTranspose]


class BackendRep(BaseBackendRep):
    """A model made ready to run."""

    def __init__(self, evaluator: ReferenceEvaluator) -> None:
        self._evaluator = evaluator
        held = set(evaluator.rt_inits_)
        self.input_names: list[str] = [n for n in evaluator.input_names if n not in held]
        self._optional = [name for name in evaluator.input_names if name in held]
        self.output_names: list[str] = list(evaluator.output_names)

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Run the model.

        Args:
            inputs: Arrays by name, or a list of them in the order of ``input_names``, or the array
                itself where there is one input.
            kwargs: Refused; they exist in ONNX's interface.

        Returns:
            The outputs, as a named tuple.

        Raises:
            ShapeError: Another number of inputs.
            OptionError, ArgumentTypeError: Unknown names, or something else than arrays.
        """
        if kwargs:
            raise ArgumentTypeError(f"run takes inputs only, got {', '.join(kwargs)}")
        results = self._evaluator.run(None, self._feeds(inputs))
        made: tuple[Any, ...] = namedtupledict("Outputs", self.output_names)(*results)
        return made

    def _feeds(self, inputs: Any) -> dict[str, Any]:
        if isinstance(inputs, Mapping):
            unknown = set(inputs) - {*self.input_names, *self._optional}
            missing = set(self.input_names) - set(inputs)
            if unknown or missing:
                raise ShapeError(
                    f"the model's inputs are {self.input_names}; missing: {sorted(missing)}, "
                    f"unknown: {sorted(unknown)}"
                )
            return dict(inputs)
        if isinstance(inputs, np.ndarray):
            inputs = [inputs]
        if not isinstance(inputs, Sequence) or isinstance(inputs, str):
            raise ArgumentTypeError(
                f"inputs is a {type(inputs).__name__}; pass a dict of arrays by name, a list of "
                "arrays, or one array"
            )
        if len(inputs) != len(self.input_names):
            raise ShapeError(
                f"the model has {len(self.input_names)} inputs ({', '.join(self.input_names)}), "
                f"got {len(inputs)}"
            )
        return dict(zip(self.input_names, inputs, strict=True))


class Backend(BaseBackend):
    """ONNX's interface to fastconv; the functions of this module are its methods."""

    @classmethod
    def is_compatible(cls, model: Any, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether :meth:`prepare` accepts the model."""
        try:
            cls.prepare(model, device, **kwargs)
        except (UnsupportedError, BackendUnavailableError):
            return False
        return True

    @classmethod
    def prepare(cls, model: Any, device: str = "CPU", **kwargs: Any) -> BackendRep:
        """Make a model ready to run many times.

        Constants are computed, and convolutions with known weights take in a BatchNormalization
        and an activation that follow; their weights are packed once per input shape.

        Args:
            model: An ``onnx.ModelProto``.
            device: "CPU", or "CPU:0".
            kwargs: Refused; they exist in ONNX's interface.

        Raises:
            ArgumentTypeError: Not a ModelProto.
            BackendUnavailableError: Another device.
            UnsupportedError: An operator that neither fastconv nor ONNX's reference implements.
            onnx.checker.ValidationError: Not a valid model.
        """
        if not isinstance(model, onnx.ModelProto):
            raise ArgumentTypeError(
                f"model is a {type(model).__name__}; it must be an onnx.ModelProto: load a file "
                "with onnx.load(path)"
            )
        _check_options(cls, device, kwargs)
        onnx.checker.check_model(model)
        try:
            evaluator = ReferenceEvaluator(rewrite(model, OPERATORS), new_ops=_ALL_OPERATORS)
        except (NotImplementedError, RuntimeError) as error:
            raise UnsupportedError(f"the model cannot be run: {error}") from error
        return BackendRep(evaluator)

    @classmethod
    def run_model(cls, model: Any, inputs: Any, device: str = "CPU", **kwargs: Any) -> Any:
        """Prepare a model and run it once."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls, node: Any, inputs: Any, device: str = "CPU", outputs_info: Any = None, **kwargs: Any
    ) -> Any:
        """Run one operator.

        Args:
            node: An ``onnx.NodeProto``.
            inputs: Arrays by name, or a list of them in the node's order.
            device: As for :meth:`prepare`.
            outputs_info: Ignored; the results have the types and shapes that they have.
            kwargs: ``opset_version``, by default the newest.
        """
        version = kwargs.pop("opset_version", onnx.defs.onnx_opset_version())
        _check_options(cls, device, kwargs)
        given = [name for name in node.input if name]
        values = [onnx.helper.make_empty_tensor_value_info(name) for name in given]
        results = [onnx.helper.make_empty_tensor_value_info(name) for name in node.output if name]
        graph = onnx.helper.make_graph([node], "node", values, results)
        imports = [onnx.helper.make_opsetid(node.domain, version)]
        model = onnx.helper.make_model(graph, opset_imports=imports)
        try:
            evaluator = ReferenceEvaluator(model, new_ops=OPERATORS)
        except (NotImplementedError, RuntimeError) as error:
            raise UnsupportedError(f"{node.op_type} cannot be run: {error}") from error
        return BackendRep(evaluator).run(inputs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether a device is the CPU."""
        return isinstance(device, str) and device.split(":")[0] == "CPU"


def _check_options(backend: type[Backend], device: str, kwargs: dict[str, Any]) -> None:
    if not backend.supports_device(device):
        raise BackendUnavailableError(f"device is {device!r}; fastconv.onnx runs on 'CPU'")
    if kwargs:
        raise ArgumentTypeError(f"unknown options: {', '.join(kwargs)}")


is_compatible = Backend.is_compatible
prepare = Backend.prepare
run_model = Backend.run_model
run_node = Backend.run_node
supports_device = Backend.supports_device
