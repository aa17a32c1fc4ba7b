"""Steps on a GPU: what a CUDA graph needs of the other parts of a step, and the graph itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from headstart.classifier import best_device
from headstart.data import Dataset, SplitDataset, make_split
from headstart.models.recipes import make_recipe
from headstart.training import TrainingJob, _loop, train
from headstart.training._optimizers import (
    Muon,
    TowardsStart,
    can_be_graphed,
    make_optimizers,
    set_learning_rates,
)
from headstart.training._step import CrossEntropy


@pytest.mark.parametrize("kind", ["muon", "towards start"])
def test_a_learning_rate_in_a_tensor_moves_weights_as_a_number_does(kind: str) -> None:
    moved = []
    for is_tensor in (False, True):
        generator = torch.Generator().manual_seed(0)
        weight = nn.Parameter(torch.randn(6, 4, generator=generator))
        optimizer: torch.optim.Optimizer
        if kind == "muon":
            optimizer = Muon([weight], 0.1, 0.6)
        else:
            optimizer = TowardsStart([{"params": [weight], "lr": 0.1}], 2.0)
        (group,) = optimizer.param_groups
        group["peak_lr"] = group["lr"]
        if is_tensor:
            group["lr"] = torch.tensor(0.1)

        with torch.no_grad():
            weight.add_(1)
        for relative_rate in (1.0, 0.5):
            weight.grad = torch.randn(6, 4, generator=generator)
            set_learning_rates([optimizer], relative_rate, 0.0)
            optimizer.step()
        moved.append(weight.detach())
    assert torch.allclose(moved[0], moved[1], atol=1e-6)


def test_the_pull_towards_the_start_never_overshoots() -> None:
    weight = nn.Parameter(torch.zeros(3))
    pull = TowardsStart([{"params": [weight], "lr": torch.tensor(1.0)}], 5.0)
    with torch.no_grad():
        weight.fill_(7)
    pull.step()
    assert (weight == 0).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_sum_of_losses_over_the_weights_is_the_mean_of_pytorch(smoothing: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(12, 3, generator=generator)
    labels = torch.arange(12) % 3
    weights = torch.tensor([0.5, 1.0, 3.0])
    expected = functional.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
    device = best_device()  # on a GPU, the loss is computed as a sum
    found = CrossEntropy(weights, smoothing).to(device)(logits.to(device), labels.to(device))
    assert found.item() == pytest.approx(expected.item())
    total = functional.cross_entropy(
        logits, labels, weights, label_smoothing=smoothing, reduction="sum"
    )
    assert total / weights[labels].sum() == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [("muon", True), ("sgd", True), ("adam", True), ("adamw", True), ("rmsprop", False)],
)
def test_the_optimizers_that_a_graph_can_hold(optimizer: str, expected: bool) -> None:
    net = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 2))
    recipe = make_recipe("mlp", {"optimizer": optimizer, "lr": 0.01})
    assert can_be_graphed(make_optimizers(net, recipe)) is expected


def test_a_head_that_is_solved_has_no_graph() -> None:
    assert not can_be_graphed([])


def test_on_a_cpu_a_step_is_an_ordinary_one(monkeypatch: pytest.MonkeyPatch) -> None:
    if best_device().type == "cuda":
        pytest.skip("this machine has a GPU")
    taken = []
    monkeypatch.setattr(_loop, "training_step", lambda *values: taken.append(values))
    net = nn.Linear(2, 2)
    loss, optimizers = (
        CrossEntropy(torch.ones(2), 0.0),
        make_optimizers(nn.Sequential(net), make_recipe("mlp", {"optimizer": "sgd", "lr": 0.1})),
    )
    inputs, labels = torch.zeros(3, 2), torch.zeros(3, dtype=torch.long)
    _loop._make_step(net, loss, optimizers)(inputs, labels)
    assert taken == [(net, inputs, labels, loss, optimizers)]


@pytest.mark.skipif(best_device().type != "cuda", reason="needs a CUDA GPU")
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_graph_trains_the_same_weights(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    recipe = make_recipe("cnn", {"optimizer": optimizer, "lr": 0.01, "epochs": 2, "nodes": 8})
    data = SplitDataset(digits, make_split(digits))
    train(TrainingJob(recipe, data, 0, tmp_path / "graph"))
    monkeypatch.setattr(_loop, "can_record_steps", lambda optimizers: False)
    train(TrainingJob(recipe, data, 0, tmp_path / "steps"))
    graph, steps = (load_file(tmp_path / name / "model.safetensors") for name in ("graph", "steps"))
    for name, weights in steps.items():
        assert np.allclose(graph[name], weights, atol=1e-5), name
