"""Optimizers, by the names that recipes use."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from headstart.classifier import decide_bfloat16
from headstart.models import BackboneOptions, BackboneWithHead
from headstart.models.recipes import Recipe
from headstart.training import _eager_optimizers as eager

# Learning rates of what Muon does not orthogonalise, relative to Muon's. Found with lr 0.2 on the
# validation images of Fashion-MNIST.
MUON_BIAS_RATE, MUON_HEAD_RATE = 0.25, 0.05
MUON_REST_MOMENTUM = 0.85  # as in airbench
NEWTON_SCHULZ_STEPS = 3

# Matrices with at most so many rows or columns are faster in float32 on a CPU (benchmarks/cnn.md).
# So are all matrices on a CPU without bfloat16 arithmetic. PyTorch's emulation took 1,364 ms for
# 512x512 values instead of 32 ms, and 78 ms for 128x1152 instead of 4 ms (AMD EPYC with AVX2).
SMALL_DIMENSION = 64

# Learning rate of a head that was solved, relative to the top stage's. It is near its optimum, and
# has more inputs than any layer below: at the same rate its first steps lose what was solved
# (digits, 150 images: training accuracy fell from 74 to 54%).
SOLVED_HEAD_RATE = 0.1


def orthogonalise(
    matrix: Tensor, steps: int = NEWTON_SCHULZ_STEPS, *, is_rounded: bool = True
) -> Tensor:
    """Return roughly U V^T of the singular value decomposition of a matrix.

    Uses Newton-Schulz steps. The singular values end between about 0.7 and 1.2. Three steps rather
    than five, as in the CIFAR-10 record of the same author.

    Args:
        matrix: Tensor of shape (m, n).
        steps: Number of Newton-Schulz steps.
        is_rounded: Whether large matrices are computed in bfloat16, as by the author.

    References:
        Jordan (2024), "Muon: an optimizer for hidden layers". The coefficients of the quintic
        maximise its slope at zero.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    is_large = min(matrix.shape) > SMALL_DIMENSION or matrix.device.type != "cpu"
    x = matrix.bfloat16() if is_large and is_rounded else matrix.float()
    x = x / (x.norm() + 1e-7)
    is_tall = x.shape[0] > x.shape[1]
    if is_tall:
        x = x.T

    for _ in range(steps):
        gram = x @ x.T
        polynomial = torch.addmm(gram, gram, gram, beta=b, alpha=c)  # b gram + c gram^2
        x = torch.addmm(x, polynomial, x, beta=a)  # (a + b gram + c gram^2) x

    result: Tensor = (x.T if is_tall else x).to(matrix.dtype)
    return result


class Muon(eager.Optimizer):
    """Momentum, then an orthogonalised step. For convolutions and hidden dense layers.

    Weights are kept at norm sqrt(filters), as in the author's airbench networks for CIFAR-10.

    Args:
        params: Weights with at least two dimensions.
        lr: Learning rate.
        momentum: Momentum of the gradients.
        is_rounded: Whether large matrices are orthogonalised in bfloat16.

    References:
        Jordan (2024), "Muon: an optimizer for hidden layers".
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float, momentum: float, *, is_rounded: bool = True
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})
        self._is_rounded = is_rounded

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

                direction = orthogonalise(
                    gradient.reshape(len(weight), -1), is_rounded=self._is_rounded
                ).view_as(weight)
                weight.mul_(len(weight) ** 0.5 / weight.norm())
                if isinstance(group["lr"], Tensor):
                    weight.addcmul_(direction, group["lr"], value=-1)
                else:
                    weight.add_(direction, alpha=-group["lr"])


def hidden_weights(net: nn.Module) -> list[Tensor]:
    """Return the trainable matrices and kernels below the head: those that Muon orthogonalises."""
    return [weight for weight in _body_weights(net) if weight.ndim > 1]


def _head_weights(net: nn.Module) -> list[Tensor]:
    head = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
    return [weight for weight in head.parameters() if weight.requires_grad]


def _body_weights(net: nn.Module) -> list[Tensor]:
    """Return the trainable weights below the head."""
    head_ids = {id(weight) for weight in _head_weights(net)}
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    return [weight for weight in weights if id(weight) not in head_ids]


def _make_muon(
    net: nn.Module, recipe: Recipe, is_rounded: bool | None
) -> list[torch.optim.Optimizer]:
    """Return Muon for hidden matrices, and SGD for the head and the vectors."""
    matrices = hidden_weights(net)
    vectors = [weight for weight in _body_weights(net) if weight.ndim == 1]
    groups: list[dict[str, object]] = [
        {
            "params": _head_weights(net),
            "lr": recipe.lr * MUON_HEAD_RATE,
            "weight_decay": recipe.l2,
        }
    ]
    if vectors:
        groups.append({"params": vectors, "lr": recipe.lr * MUON_BIAS_RATE})
    rest = eager.SGD(
        groups, momentum=MUON_REST_MOMENTUM, nesterov=True, fused=_is_on_gpu(net) or None
    )
    if not matrices:
        return [rest]
    if is_rounded is None:
        is_rounded = recipe.precision == "bfloat16" or decide_bfloat16().is_used
    return [Muon(matrices, recipe.lr, recipe.momentum, is_rounded=is_rounded), rest]


class TowardsStart(eager.Optimizer):
    """Decay of weights towards their values at the time when this optimizer was made.

    Each step moves them by the learning rate times `strength` of the way. Like AdamW's decay, it is
    decoupled from the gradient.

    References:
        L2-SP: Li, Grandvalet and Davoine (2018), arXiv:1802.01483.
    """

    def __init__(self, params: Iterable[dict[str, object]], strength: float) -> None:
        super().__init__(params, {"lr": 0.0, "strength": strength})
        for group in self.param_groups:
            for weight in group["params"]:
                self.state[weight]["start"] = weight.detach().clone()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # no closure is used here
        for group in self.param_groups:
            for weight in group["params"]:
                share = group["lr"] * group["strength"]
                share = share.clamp(max=1.0) if isinstance(share, Tensor) else min(1.0, share)
                weight.lerp_(self.state[weight]["start"], share)


def _weight_groups(net: nn.Module, recipe: Recipe) -> list[dict[str, object]]:
    """Return groups of weights with their learning rates.

    "begins" is the position in the run, 0 to 1, at which a group starts to learn. In a backbone
    that is fine-tuned, each stage learns slower than the one above it, and later if it is unfrozen
    gradually.

    References:
        Howard and Ruder (2018), "Universal language model fine-tuning".
    """
    options = recipe.net
    is_fine_tuned = isinstance(options, BackboneOptions) and options.transfer == "finetune"
    if not (isinstance(net, BackboneWithHead) and is_fine_tuned):
        weights = [weight for weight in net.parameters() if weight.requires_grad]
        return [{"params": weights, "lr": recipe.lr}]

    assert isinstance(options, BackboneOptions)
    *stages, head = net.groups()
    groups: list[dict[str, object]] = []
    for depth, stage in enumerate(reversed(stages)):
        rate = recipe.lr * options.layer_decay**depth
        begins = options.unfreeze * (depth + 1) / len(stages)
        groups.append({"params": stage, "lr": rate, "begins": begins})
    head_rate = SOLVED_HEAD_RATE if options.head == "linear" else 1.0
    return [*reversed(groups), {"params": head, "lr": recipe.lr * head_rate}]


def make_optimizers(
    net: nn.Module, recipe: Recipe, *, is_rounded: bool | None = None
) -> list[torch.optim.Optimizer]:
    """Return the optimizers of a recipe over all trainable weights of `net`.

    Each group keeps its peak learning rate as "peak_lr". A head that is solved needs no optimizer.

    Args:
        net: The network.
        recipe: The recipe.
        is_rounded: Whether Muon computes large matrices in bfloat16. None means: if the recipe
            says so, or if bfloat16 is faster on this machine.
    """
    groups = _weight_groups(net, recipe)
    lr, l2 = recipe.lr, recipe.l2 or 0.0
    on_gpu = _is_on_gpu(net)  # fused and capturable: their state is where a CUDA graph finds it
    optimizers: list[torch.optim.Optimizer]
    match recipe.optimizer:
        case "muon":
            optimizers = _make_muon(net, recipe, is_rounded)
        case "adam":
            optimizers = [
                eager.Adam(groups, lr, weight_decay=l2, fused=on_gpu or None, capturable=on_gpu)
            ]
        case "adamw":
            optimizers = [
                eager.AdamW(groups, lr, weight_decay=l2, fused=on_gpu or None, capturable=on_gpu)
            ]
        case "lbfgs":
            optimizers = []
        case "sgd":
            nesterov = recipe.momentum > 0
            sgd = eager.SGD(
                groups,
                lr,
                recipe.momentum,
                weight_decay=l2,
                nesterov=nesterov,
                fused=on_gpu or None,
            )
            optimizers = [sgd]
        case "rmsprop":  # alpha and eps as in Keras, where the presets come from
            rmsprop = eager.RMSprop(
                groups, lr, alpha=0.9, eps=1e-7, weight_decay=l2, momentum=recipe.momentum
            )
            optimizers = [rmsprop]

    strength = recipe.net.l2_sp if isinstance(recipe.net, BackboneOptions) else 0.0
    if strength and isinstance(net, BackboneWithHead):
        # Without the head: it has no pretrained weights to decay towards.
        optimizers.append(TowardsStart([dict(group) for group in groups[:-1]], strength))

    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def _is_on_gpu(net: nn.Module) -> bool:
    return next(net.parameters()).device.type == "cuda"


def can_be_graphed(optimizers: list[torch.optim.Optimizer]) -> bool:
    """Return whether a CUDA graph can hold the updates of these optimizers."""
    kinds = (Muon, eager.SGD, eager.Adam, eager.AdamW, TowardsStart)
    return bool(optimizers) and all(isinstance(optimizer, kinds) for optimizer in optimizers)


def set_learning_rates(
    optimizers: list[torch.optim.Optimizer], relative_rate: float, position: float
) -> None:
    """Set the learning rate of the next step in all groups.

    Args:
        optimizers: Optimizers of `make_optimizers`.
        relative_rate: Learning rate relative to the peak learning rate.
        position: Position in the run, from 0 to 1. A group that begins later has rate 0.
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            has_begun = position >= group.get("begins", 0.0)
            rate = relative_rate * group["peak_lr"] if has_begun else 0.0
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)  # a CUDA graph reads this tensor
            else:
                group["lr"] = rate
