"""Optimisers: how parameters follow their gradients, with torch's formulas."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from fastconv import _core
from fastconv._arguments import elements, flag
from fastconv.errors import ArgumentTypeError, OptionError
from fastconv.nn._module import Array, Parameter, number


class Optimizer:
    """Base of optimisers: ``step()`` changes parameters that have a gradient.

    Attributes:
        lr: Learning rate; may be changed between steps.
    """

    def __init__(self, params: Iterable[Parameter], lr: float, weight_decay: float) -> None:
        if isinstance(params, Parameter) or not isinstance(params, Iterable):
            raise ArgumentTypeError(
                f"params must be parameters, got {type(params).__name__}; pass net.parameters()"
            )
        self.params = list(params)
        for index, parameter in enumerate(self.params):
            if not isinstance(parameter, Parameter):
                raise ArgumentTypeError(
                    f"params[{index}] must be a Parameter, got {type(parameter).__name__}; pass "
                    "net.parameters()"
                )
        if not self.params:
            raise OptionError("params must not be empty, got none; pass net.parameters()")
        self.lr = number("lr", lr, 0.0, math.inf)
        self.weight_decay = number("weight_decay", weight_decay, 0.0, math.inf)

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        for index, parameter in enumerate(self.params):
            if parameter.grad is not None:
                self._update(index, parameter, parameter.grad)

    def _update(self, index: int, parameter: Parameter, grad: Array) -> None:
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Forget the gradients of the parameters."""
        for parameter in self.params:
            parameter.grad = None


class SGD(Optimizer):
    """Stochastic gradient descent, with the formulas of ``torch.optim.SGD``.

    g = grad + weight_decay w; v = momentum v + (1 - dampening) g, at first v = g;
    w = w - lr v, with nesterov w = w - lr (g + momentum v).

    Args:
        params: Parameters, such as ``net.parameters()``.
        lr: Learning rate.
        momentum: Share of the last step's direction that is kept.
        dampening: Share of the gradient that momentum leaves out.
        weight_decay: Strength of the pull of weights to 0.
        nesterov: Look ahead along the momentum (needs momentum > 0 and no dampening).

    Raises:
        OptionError, ArgumentTypeError: An argument is out of range or has the wrong type.
    """

    def __init__(
        self,
        params: Iterable[Parameter],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        self.momentum = number("momentum", momentum, 0.0, math.inf)
        self.dampening = number("dampening", dampening, 0.0, 1.0)
        self.nesterov = flag("nesterov", nesterov)
        if self.nesterov and (not self.momentum or self.dampening):
            raise OptionError(
                f"nesterov needs momentum > 0 and dampening 0, got {momentum} and {dampening}; "
                "change them or leave nesterov out"
            )
        self._velocities: dict[int, Array] = {}

    def _update(self, index: int, parameter: Parameter, grad: Array) -> None:
        data = parameter.data
        if not data.flags.c_contiguous:  # loaded by a user's own means
            data = parameter.data = np.ascontiguousarray(data)
        first = index not in self._velocities
        if self.momentum and first:
            self._velocities[index] = np.empty_like(data)
        velocity = self._velocities.get(index)
        _core.descend(
            data, np.ascontiguousarray(grad), velocity, self.lr, self.momentum,
            1.0 - self.dampening, self.weight_decay, self.nesterov, first,
        )  # fmt: skip


class Adam(Optimizer):
    """Adam (D. Kingma, J. Ba, 2014), with the formulas of ``torch.optim.Adam``.

    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
    w = w - lr / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + eps) in step t.

    Args:
        params: Parameters, such as ``net.parameters()``.
        lr: Learning rate.
        betas: (b1, b2), both at least 0 and below 1.
        eps: Added to the denominator.
        weight_decay: Added to the gradient, times the weight.

    Raises:
        OptionError, ArgumentTypeError: An argument is out of range or has the wrong type.
    """

    def __init__(
        self,
        params: Iterable[Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        given = elements("betas", betas)
        if len(given) != 2:
            raise OptionError(f"betas must be two numbers, got {betas!r}; pass (0.9, 0.999)")
        self.betas = tuple(_below_one(f"betas[{i}]", beta) for i, beta in enumerate(given))
        self.eps = number("eps", eps, 0.0, math.inf)
        self._moments: dict[int, tuple[Array, Array]] = {}
        self._steps: dict[int, int] = {}

    def _update(self, index: int, parameter: Parameter, grad: Array) -> None:
        if self.weight_decay:
            grad = grad + self.weight_decay * parameter.data
        if index not in self._moments:
            self._moments[index] = (np.zeros_like(grad), np.zeros_like(grad))
        step = self._steps[index] = self._steps.get(index, 0) + 1
        mean, square = self._moments[index]
        first, second = self.betas
        mean *= first
        mean += (1.0 - first) * grad
        square *= second
        square += (1.0 - second) * np.square(grad)
        denominator = np.sqrt(square)
        denominator /= math.sqrt(1.0 - second**step)
        denominator += self.eps
        parameter.data -= (self.lr / (1.0 - first**step)) * (mean / denominator)


def _below_one(name: str, value: Any) -> float:
    result = number(name, value, 0.0, 1.0)
    if result == 1.0:
        raise OptionError(f"{name} must be below 1, got {value}; pass 0.9 or 0.999")
    return result
