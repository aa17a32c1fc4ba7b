"""Numbers that are nearly zero do not slow the training, and the process keeps its mode."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from headstart.classifier import without_denormals
from headstart.training._step import CrossEntropy, training_step


def are_flushed() -> bool:
    return torch.tensor(1e-40).item() == 0


@pytest.fixture(params=[False, True], ids=["kept", "flushed"])
def mode(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Set the mode of the process, as its user may have done."""
    if not torch.set_flush_denormal(request.param):
        pytest.skip("this processor cannot flush denormals")
    yield request.param
    torch.set_flush_denormal(False)


def test_a_step_flushes_them_and_then_restores_the_mode(mode: bool) -> None:
    net = nn.Linear(3, 2)
    seen: list[bool] = []

    def forward(inputs: Tensor) -> Tensor:
        seen.append(are_flushed())
        logits: Tensor = net(inputs)
        return logits

    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    labels = torch.tensor([0, 1])
    result = training_step(
        forward, torch.ones(2, 3), labels, CrossEntropy(torch.ones(2), 0.0), [optimizer]
    )
    assert result.is_finite
    assert seen == [True]
    assert are_flushed() is mode


def test_the_mode_is_restored_after_an_error(mode: bool) -> None:
    with pytest.raises(ZeroDivisionError), without_denormals():
        raise ZeroDivisionError
    assert are_flushed() is mode
