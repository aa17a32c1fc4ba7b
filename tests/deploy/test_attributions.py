"""Attribution maps highlight what a network uses, in the documented unit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from headstart.deploy._attributions import grad_cam, log_odds, occlusion


class Corner(nn.Module):
    """A net whose first logit is the brightness of the upper right quarter, after a convolution.

    The second logit is 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.conv.weight)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        side = x.shape[2] // 2
        seen = self.conv(x)[:, :, :side, side:].mean((1, 2, 3))
        return torch.stack([seen, torch.zeros_like(seen)], 1)


def test_occlusion_shows_the_corner_that_the_network_looks_at() -> None:
    values = occlusion(Corner(), torch.ones(1, 1, 32, 32), 0, torch.zeros(1, 1, 1, 1)).values
    assert values.shape == (16, 16)
    assert values[1:7, 9:15].min() > 0.02
    assert values[10:].max() == values[:, :6].max() == 0


def test_occlusion_is_the_log_odds_that_are_lost() -> None:
    whole = occlusion(
        Corner(), torch.full((1, 1, 2, 2), 3.0), 0, torch.full((1, 1, 1, 1), 1.0)
    )  # one cover hides all of it
    assert whole.values == pytest.approx(2.0)
    other = occlusion(Corner(), torch.full((1, 1, 2, 2), 3.0), 1, torch.full((1, 1, 1, 1), 1.0))
    assert other.values == pytest.approx(-2.0)


def test_grad_cam_sees_through_frozen_layers() -> None:
    image = torch.zeros(1, 1, 32, 32)
    image[:, :, 4:8, 20:28] = 1.0
    heat = grad_cam(Corner(), image, 0)
    assert heat is not None and heat.layer == "conv"
    assert heat.values.max() == 1 and heat.values[5, 22] == 1 and heat.values[20, 5] == 0
    against = grad_cam(Corner(), image, 1)
    assert against is not None and against.values.max() == 0


def test_a_mirrored_prediction_is_explained_on_both_sides() -> None:
    values = occlusion(
        Corner(), torch.ones(1, 1, 32, 32), 0, torch.zeros(1, 1, 1, 1), mirror=True
    ).values
    assert values == pytest.approx(values[:, ::-1], abs=1e-6)
    assert values[1:7, 1:7].min() > 0.01


def test_a_dense_net_has_no_feature_map() -> None:
    dense = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    assert grad_cam(dense, torch.rand(1, 1, 8, 8), 0) is None
    assert occlusion(dense, torch.rand(1, 1, 8, 8), 0, torch.zeros(1, 1, 1, 1)).values.shape == (
        8,
        8,
    )


def test_the_odds_of_a_sigmoid_are_those_of_both_classes() -> None:
    logits = torch.tensor([[1.5]])
    assert log_odds(logits, 1).item() == 1.5 and log_odds(logits, 0).item() == -1.5
    three = torch.tensor([[1.0, 2.0, 0.5]])
    probability = three.softmax(1)[0, 1]
    assert log_odds(three, 1).item() == pytest.approx(
        torch.log(probability / (1 - probability)).item(), abs=1e-6
    )


def test_grad_cam_uses_the_deepest_map_with_a_spatial_resolution() -> None:
    def net(side: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1),
            nn.MaxPool2d(2),
            nn.Conv2d(2, 2, 3, padding=1),
            nn.MaxPool2d(4),
            nn.Flatten(),
            nn.Linear(2 * (side // 8) ** 2, 2),
        )  # fmt: skip

    heat, small = (
        grad_cam(net(16), torch.rand(1, 1, 16, 16), 0),
        grad_cam(net(8), torch.rand(1, 1, 8, 8), 0),
    )
    assert heat is not None and (heat.layer, heat.values.shape) == ("2", (8, 8))
    assert small is not None and (small.layer, small.values.shape) == ("2", (4, 4))
