"""A step whose loss or gradient is not finite leaves the weights as they were."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from headstart.training._step import CrossEntropy, training_step


def infinite_gradient(logits: Tensor) -> Tensor:
    """Return the logits; the derivative of the root at 0 is infinite."""
    zeros = logits - logits.detach()
    return logits.detach() + zeros.abs().sqrt()


def infinite_loss(logits: Tensor) -> Tensor:
    return logits * math.inf


@pytest.mark.parametrize(
    ("broken", "is_loss_finite"), [(infinite_gradient, True), (infinite_loss, False)]
)
def test_the_weights_and_the_optimizer_stay(broken: object, is_loss_finite: bool) -> None:
    assert callable(broken)
    net = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    result = training_step(
        lambda inputs: broken(net(inputs)),
        torch.ones(2, 3),
        torch.tensor([0, 1]),
        CrossEntropy(torch.ones(2), 0.0),
        [optimizer],
    )
    assert not result.is_finite
    assert math.isfinite(result.loss) is is_loss_finite
    assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in before.items())
    assert not optimizer.state
