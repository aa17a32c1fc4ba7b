"""Training steps as a CUDA graph: one launch per step instead of some hundreds."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from headstart import progress
from headstart.classifier import best_device
from headstart.training import _distributed
from headstart.training._optimizers import can_be_graphed
from headstart.training._step import StepResult, compute_gradients

# Ordinary steps before the recording. They make what a graph cannot make: the state of the
# optimizers, and what the libraries of the GPU allocate once.
_ORDINARY_STEPS = 3


def can_record_steps(optimizers: list[torch.optim.Optimizer]) -> bool:
    """Return whether the steps of this process can be a CUDA graph: on one GPU that has one."""
    is_one_gpu = best_device().type == "cuda" and _distributed.world_size() == 1
    return is_one_gpu and can_be_graphed(optimizers)


class GraphedStep:
    """A training step that is recorded once, and then replayed with other inputs and labels.

    A GPU computes a step of a small network in less time than Python takes to launch its hundreds
    of kernels one by one. Unlike `training_step`, this updates the weights also where the loss is
    not finite. Training ends there, and nothing of it is saved.

    A network that cannot be recorded, because something in it waits for the GPU, is trained in
    ordinary steps.

    Args:
        forward: Maps inputs to logits.
        loss_function: Maps logits and labels to a scalar.
        optimizers: Optimizers that together update all weights.
    """

    def __init__(
        self,
        forward: Callable[[Tensor], Tensor],
        loss_function: nn.Module,
        optimizers: list[torch.optim.Optimizer],
    ) -> None:
        self._forward, self._loss_function = forward, loss_function
        self._optimizers = optimizers
        self._ordinary_steps: float = _ORDINARY_STEPS
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs = self._labels = self._outcome = torch.empty(0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = torch.tensor(float(group["lr"]), device=best_device())

    def __call__(self, inputs: Tensor, labels: Tensor) -> StepResult:
        """Take one step."""
        if self._graph is None and not self._ordinary_steps:
            self._record(inputs, labels)
        if self._graph is None:
            self._ordinary_steps -= 1
            return self._take_ordinary(inputs, labels)
        self._inputs.copy_(inputs)
        self._labels.copy_(labels)
        self._graph.replay()
        return StepResult.read(self._outcome)

    def _take_ordinary(self, inputs: Tensor, labels: Tensor) -> StepResult:
        """Take a step without a graph, on the stream where the graph is recorded later."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            outcome = self._compute(inputs, labels)
        torch.cuda.current_stream().wait_stream(self._stream)
        return StepResult.read(outcome)

    def _record(self, inputs: Tensor, labels: Tensor) -> None:
        """Record a step, which computes nothing."""
        self._inputs, self._labels = inputs.clone(), labels.clone()
        for optimizer in self._optimizers:
            optimizer.zero_grad()  # the gradients of a graph are in memory of its own
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                self._outcome = self._compute(self._inputs, self._labels)
        except RuntimeError as error:
            torch.cuda.set_stream(stream)
            self._ordinary_steps = float("inf")
            reason = str(error).splitlines()[0]
            progress.say(f"the steps of this network cannot be a CUDA graph ({reason}).")
            return
        self._graph = graph

    def _compute(self, inputs: Tensor, labels: Tensor) -> Tensor:
        outcome = compute_gradients(
            self._forward, inputs, labels, self._loss_function, self._optimizers
        )
        for optimizer in self._optimizers:
            optimizer.step()
        return outcome
