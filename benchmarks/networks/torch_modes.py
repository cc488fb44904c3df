"""PyTorch on whole networks: eager in both layouts, frozen by TorchScript, and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..contestant import DeclinedError, Prepared, Settings
from .problem import LEARNING_RATE, MOMENTUM, NetworkArrays, NetworkProblem
from .torch_form import torch_form
from .verify import StepResult

Forward = Callable[[torch.Tensor], torch.Tensor]


class Eager:
    """Modules called as they are, on contiguous tensors."""

    key = "torch"
    title = "PyTorch eager, NCHW"
    distributions = ("torch",)
    layout = torch.contiguous_format
    trains = True

    def _ready(self, net: torch.nn.Module, x: torch.Tensor) -> Forward:
        """Make the network ready for inference."""
        return net

    def prepare(
        self, problem: NetworkProblem, arrays: NetworkArrays, settings: Settings
    ) -> Prepared:
        """Write the network in torch, in this mode's layout."""
        if problem.training and not self.trains:
            raise DeclinedError("its weights are frozen")
        torch.set_num_threads(settings.threads)
        net = torch_form(arrays.net).to(memory_format=self.layout)
        x = torch.from_numpy(arrays.x).contiguous(memory_format=self.layout)
        if problem.training:
            return self._training(net.train(), x, torch.from_numpy(arrays.classes))
        with torch.inference_mode():
            ready = self._ready(net.eval(), x)

        def run() -> torch.Tensor:
            with torch.inference_mode():
                return ready(x)

        return Prepared(run, lambda y: y.numpy())

    def _training(self, net: torch.nn.Module, x: torch.Tensor, classes: torch.Tensor) -> Prepared:
        optimizer = torch.optim.SGD(net.parameters(), LEARNING_RATE, MOMENTUM)
        criterion = torch.nn.CrossEntropyLoss()

        def run() -> float:
            optimizer.zero_grad()
            loss = criterion(net(x), classes)
            loss.backward()
            optimizer.step()
            return float(loss.detach())

        def fetch(loss: float) -> StepResult:
            matrices = [p for p in net.parameters() if p.ndim > 1]
            first, last = (p.grad.contiguous().numpy() for p in (matrices[0], matrices[-1]))
            return StepResult(loss, first, last)

        return Prepared(run, fetch)


class ChannelsLast(Eager):
    """The same with channels innermost in memory."""

    key = "torch-channels-last"
    title = "PyTorch eager, channels_last"
    layout = torch.channels_last


class Frozen(Eager):
    """TorchScript: traced, frozen, and optimised for inference, which packs weights for oneDNN."""

    key = "torch-packed"
    title = "PyTorch, frozen TorchScript"
    trains = False

    def _ready(self, net: torch.nn.Module, x: torch.Tensor) -> Forward:
        with torch.no_grad():
            frozen = torch.jit.freeze(torch.jit.trace(net, x))
            made: Any = torch.jit.optimize_for_inference(frozen)
            for _ in range(3):  # its executor specialises in the first calls
                made(x)
        return made


class Compiled(Eager):
    """torch.compile with frozen weights: inductor folds, packs and fuses."""

    key = "torch-compile"
    title = "PyTorch, torch.compile"
    layout = torch.channels_last
    trains = False

    def _ready(self, net: torch.nn.Module, x: torch.Tensor) -> Forward:
        import torch._inductor.config as inductor

        inductor.freezing = True
        torch._dynamo.reset()
        with torch.no_grad():
            made: Any = torch.compile(net)
            made(x)
        return made
