"""Optimizers: Muon's step, and which weights each one moves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from headstart.classifier import Bfloat16Decision
from headstart.models import CnnOptions, build_network
from headstart.models.recipes import make_recipe
from headstart.training import _optimizers
from headstart.training._optimizers import Muon, make_optimizers, orthogonalise


@pytest.mark.parametrize("shape", [(16, 72), (64, 8), (32, 32)])
def test_an_orthogonalised_matrix_has_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonalise(matrix, steps=5)
    values = torch.linalg.svdvals(found)
    assert values.max() < 1.35 and values.median() > 0.6
    assert (left @ right).flatten() @ found.flatten() > 0.9 * (
        left @ right
    ).norm() * found.norm()  # the same direction


@pytest.mark.parametrize(
    ("precision", "is_fast", "planned", "expected"),
    [
        ("float32", False, None, torch.float32),
        ("auto", False, None, torch.float32),
        ("auto", True, None, torch.bfloat16),
        ("float32", True, None, torch.bfloat16),
        ("bfloat16", False, None, torch.bfloat16),
        ("auto", False, True, torch.bfloat16),
        ("auto", True, False, torch.float32),
    ],
)
def test_muon_computes_in_bfloat16_where_the_plan_or_else_the_machine_does(
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    is_fast: bool,
    planned: bool | None,
    expected: torch.dtype,
) -> None:
    decision = Bfloat16Decision(is_fast, "")
    monkeypatch.setattr(_optimizers, "decide_bfloat16", lambda: decision)
    net = nn.Sequential(nn.Linear(100, 80), nn.Linear(80, 10))
    recipe = make_recipe("mlp", {"precision": precision})
    muon, _ = make_optimizers(net, recipe, is_rounded=planned)
    assert isinstance(muon, Muon)
    (weight,) = muon.param_groups[0]["params"]
    weight.grad = torch.randn_like(weight)

    types = []
    multiply: Callable[..., Tensor] = torch.addmm

    def addmm(*tensors: Tensor, **factors: float) -> Tensor:
        types.append(tensors[0].dtype)
        return multiply(*tensors, **factors)

    monkeypatch.setattr(torch, "addmm", addmm)
    muon.step()
    assert set(types) == {expected}


def test_muon_keeps_each_filter_banks_norm() -> None:
    weight = nn.Parameter(torch.randn(8, 4, 3, 3))
    optimizer = Muon([weight], lr=0.0, momentum=0.6)
    weight.grad = torch.randn_like(weight)
    optimizer.step()
    assert float(weight.detach().norm()) == pytest.approx(8**0.5, rel=1e-4)


def test_muon_takes_the_convolutions_and_sgd_the_rest() -> None:
    net = build_network("cnn", CnnOptions(), (28, 28, 1), 10, 0)
    muon, rest = make_optimizers(net, make_recipe("cnn", {"lr": 0.4, "l2": 0.01}))
    assert all(weight.ndim == 4 for group in muon.param_groups for weight in group["params"])
    moved = {
        id(weight)
        for one in (muon, rest)
        for group in one.param_groups
        for weight in group["params"]
    }
    assert moved == {id(weight) for weight in net.parameters() if weight.requires_grad}
    head, biases = rest.param_groups
    assert [tuple(weight.shape) for weight in head["params"]] == [(10, 128)]
    assert (muon.param_groups[0]["peak_lr"], head["peak_lr"], biases["peak_lr"]) == pytest.approx(
        (0.4, 0.02, 0.1)
    )
    assert head["weight_decay"] == 0.01


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop", "muon"])
def test_every_optimizer_lowers_the_loss(name: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    inputs, labels = torch.randn(60, 6), torch.randint(3, (60,))
    lr = {"sgd": 0.3, "muon": 0.1}.get(name, 0.01)
    optimizers = make_optimizers(net, make_recipe("mlp", {"optimizer": name, "lr": lr}))
    losses = []
    for _ in range(60):
        loss = nn.functional.cross_entropy(net(inputs), labels)
        losses.append(loss.item())
        for optimizer in optimizers:
            optimizer.zero_grad()
        torch.autograd.backward(loss)
        for optimizer in optimizers:
            optimizer.step()
    assert losses[-1] < 0.8 * losses[0]
