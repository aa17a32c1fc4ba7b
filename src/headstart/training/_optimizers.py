"""Optimizers, by the names that recipes use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch._dynamo  # every optimizer imports it when it is made, which takes a second: here it is part of starting up
from torch import Tensor, nn

from headstart.models import BackboneOptions, BackboneWithHead
from headstart.models.recipes import Recipe

# Learning rates of what Muon does not orthogonalise, relative to Muon's (found with lr 0.2 on Fashion-MNIST's validation images).
MUON_BIAS_RATE, MUON_HEAD_RATE = 0.25, 0.05
NEWTON_SCHULZ_STEPS = 3
# Up to as many rows or columns, matrices are faster in float32 on a processor (benchmarks/cnn.md).
SMALL_SIDE = 64
# Of a head that was solved for, relative to the top stage's. It is near its optimum, and has more inputs than any layer below:
# at the same rate its first steps lose what was solved (digits, 150 images: training accuracy fell from 74 to 54%).
SOLVED_HEAD_RATE = 0.1
MUON_REST_MOMENTUM = 0.85  # as in airbench


def orthogonalised(matrix: Tensor, steps: int = NEWTON_SCHULZ_STEPS) -> Tensor:
    """Roughly U V^T of the matrix's singular value decomposition, by Newton-Schulz steps; of large matrices in bfloat16.

    The quintic's coefficients are those of Jordan (2024), "Muon: an optimizer for hidden layers", which maximise the slope at
    zero; singular values end between about 0.7 and 1.2. Three steps rather than five, as in its CIFAR-10 record.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = (
        matrix.bfloat16()
        if min(matrix.shape) > SMALL_SIDE or matrix.device.type != "cpu"
        else matrix.float()
    )
    x = x / (x.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(
            x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a
        )  # (a + b gram + c gram^2) x
    result: Tensor = (x.T if tall else x).to(matrix.dtype)
    return result


class Muon(torch.optim.Optimizer):
    """Momentum, then an orthogonalised step, on weights kept at norm sqrt(filters). For convolutions and hidden dense layers.

    Source: Jordan (2024), as above; the fixed norm is that of his airbench CIFAR-10 networks.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # no closure is used here
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].mul_(group["momentum"]).add_(weight.grad)
                gradient = weight.grad.add(state["momentum"], alpha=group["momentum"])  # Nesterov
                weight.mul_(len(weight) ** 0.5 / weight.norm())
                weight.add_(
                    orthogonalised(gradient.reshape(len(weight), -1)).view_as(weight),
                    alpha=-group["lr"],
                )


def hidden_weights(net: nn.Module) -> list[Tensor]:
    """The matrices and kernels that learn, without the head's: those that Muon orthogonalises."""
    return [weight for weight in _body(net) if weight.ndim > 1]


def _head(net: nn.Module) -> list[Tensor]:
    head = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
    return [weight for weight in head.parameters() if weight.requires_grad]


def _body(net: nn.Module) -> list[Tensor]:
    of_head = _head(net)
    return [
        weight
        for weight in net.parameters()
        if weight.requires_grad and all(weight is not own for own in of_head)
    ]


def _muon(net: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    of_head, matrices = _head(net), hidden_weights(net)
    vectors = [weight for weight in _body(net) if weight.ndim == 1]
    groups: list[dict[str, Any]] = [
        {"params": of_head, "lr": recipe.lr * MUON_HEAD_RATE, "weight_decay": recipe.l2}
    ]
    if vectors:
        groups.append({"params": vectors, "lr": recipe.lr * MUON_BIAS_RATE})
    rest = torch.optim.SGD(groups, momentum=MUON_REST_MOMENTUM, nesterov=True)
    return [Muon(matrices, recipe.lr, recipe.momentum), rest] if matrices else [rest]


class TowardsStart(torch.optim.Optimizer):
    """Draws weights back to where they were when it was made, by the learning rate times `strength` of the way.

    Source: L2-SP, Li, Grandvalet & Davoine (2018), arXiv:1802.01483; decoupled from the gradient as AdamW's decay is.
    """

    def __init__(self, params: Iterable[dict[str, Any]], strength: float) -> None:
        super().__init__(params, {"lr": 0.0, "strength": strength})
        for group in self.param_groups:
            for weight in group["params"]:
                self.state[weight]["start"] = weight.detach().clone()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # no closure is used here
        for group in self.param_groups:
            for weight in group["params"]:
                weight.lerp_(self.state[weight]["start"], min(1.0, group["lr"] * group["strength"]))


def _stages(net: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Groups of weights with their rates, and the position in the run at which each begins to learn.

    Of a backbone that is fine-tuned, each stage learns slower than the one above it, and later if it is unfrozen by and by
    (both as in Howard & Ruder 2018, "Universal language model fine-tuning").
    """
    options = recipe.net
    if not (
        isinstance(net, BackboneWithHead)
        and isinstance(options, BackboneOptions)
        and options.transfer == "finetune"
    ):
        return [
            {
                "params": [weight for weight in net.parameters() if weight.requires_grad],
                "lr": recipe.lr,
            }
        ]
    *stages, head = net.groups()
    groups = [
        {
            "params": stage,
            "lr": recipe.lr * options.layer_decay**depth,
            "begins": options.unfreeze * (depth + 1) / len(stages),
        }
        for depth, stage in enumerate(reversed(stages))
    ]
    rate = SOLVED_HEAD_RATE if options.head == "linear" else 1.0
    return [*reversed(groups), {"params": head, "lr": recipe.lr * rate}]


def make_optimizers(net: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """The optimizers of a recipe over all weights of `net` that learn; each group keeps its highest rate as `peak_lr`."""
    weights = _stages(net, recipe)
    lr, l2 = recipe.lr, recipe.l2 or 0.0
    optimizers: list[torch.optim.Optimizer]
    match recipe.optimizer:
        case "muon":
            optimizers = _muon(net, recipe)
        case "adam":
            optimizers = [torch.optim.Adam(weights, lr, weight_decay=l2)]
        case "adamw":
            optimizers = [torch.optim.AdamW(weights, lr, weight_decay=l2)]
        case "lbfgs":  # a problem that is solved at once
            optimizers = []
        case "sgd":
            optimizers = [
                torch.optim.SGD(
                    weights, lr, recipe.momentum, weight_decay=l2, nesterov=recipe.momentum > 0
                )
            ]
        case "rmsprop":  # alpha and eps as in Keras, where the presets come from
            optimizers = [
                torch.optim.RMSprop(
                    weights, lr, alpha=0.9, eps=1e-7, weight_decay=l2, momentum=recipe.momentum
                )
            ]
    strength = recipe.net.l2_sp if isinstance(recipe.net, BackboneOptions) else 0.0
    if strength and isinstance(net, BackboneWithHead):
        optimizers.append(
            TowardsStart([dict(stage) for stage in weights[:-1]], strength)
        )  # the head has no past
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def set_rate(optimizers: list[torch.optim.Optimizer], rate: float, position: float) -> None:
    """Give all groups the learning rate of the next step.

    Args:
        rate: relative to the highest.
        position: in the run, from 0 to 1: a group that begins later has no rate yet.
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["peak_lr"] if position >= group.get("begins", 0.0) else 0.0
