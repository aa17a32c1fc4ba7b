"""Fused activations, linear layers and squeeze-and-excite layers against torch's own."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from headstart.models import load_backbone, summarise_layers
from headstart.models._options import TimmOptions
from headstart.models.fused import FusedConv, FusedLinear, fused_ops_work
from headstart.models.fused._folding import fold_and_fuse
from headstart.models.fused._fused_conv import ACTIVATIONS, activation_of
from headstart.models.fused._squeeze_excite import FastSqueezeExcite

RANDOM = TimmOptions(pretrained=False)


def close(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Return whether two tensors are equal up to a rounding to bfloat16."""
    return torch.allclose(first.float(), second.float(), atol=0.01 * float(second.abs().max()))


@pytest.mark.parametrize("kind", list(ACTIVATIONS))
@pytest.mark.parametrize("layer", ["convolution", "linear layer"])
def test_an_activation_is_fused_into_the_layer_before_it(kind: type[nn.Module], layer: str) -> None:
    torch.manual_seed(0)
    before: nn.Module = nn.Linear(8, 16)
    x = torch.randn(2, 5, 6, 8)
    if layer == "convolution":
        before, x = nn.Conv2d(8, 16, 3, padding=1), torch.randn(2, 8, 6, 6)
    net = nn.Sequential(before, kind())
    fused = copy.deepcopy(net)
    with torch.no_grad():
        fold_and_fuse(fused, lambda: fused(x))
        assert [type(module).__name__ for module in fused] == [
            "FusedConv" if layer == "convolution" else "FusedLinear",
            "Identity",
        ]
        assert fused.state_dict().keys() == net.state_dict().keys()
        assert torch.allclose(fused(x.clone()), net(x.clone()), atol=1e-6)
        with torch.autocast("cpu", torch.bfloat16):
            assert close(fused(x), net(x))
    assert fused_ops_work()


def test_the_gradients_of_fused_layers_are_those_of_the_layers() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Conv2d(8, 8, 3), nn.Hardswish())
    net.extend([nn.Flatten(), nn.Linear(8 * 16, 5), nn.GELU(), nn.Linear(5, 2)])
    fused, x = copy.deepcopy(net), torch.randn(4, 3, 8, 8)
    with torch.no_grad():
        fold_and_fuse(fused, lambda: fused(x))
    net(x).square().sum().backward()
    fused.requires_grad_(True)
    fused(x).square().sum().backward()
    for parameter, other in zip(net.parameters(), fused.parameters(), strict=True):
        assert parameter.grad is not None and other.grad is not None
        assert torch.allclose(parameter.grad, other.grad, rtol=1e-4, atol=1e-6)


def test_an_activation_without_an_equal_in_onednn_stays() -> None:
    assert activation_of(nn.GELU("tanh")) is None
    assert activation_of(nn.ELU()) is None
    net = nn.Sequential(nn.Linear(8, 16), nn.GELU("tanh"))
    x = torch.randn(3, 8)
    with torch.no_grad():
        fold_and_fuse(net, lambda: net(x))
    assert isinstance(net[0], FusedLinear) and isinstance(net[1], nn.GELU)


def test_weights_that_change_after_a_first_pass_are_used() -> None:
    net = nn.Sequential(nn.Linear(8, 16))
    x = torch.randn(3, 8)
    with torch.no_grad():
        fold_and_fuse(net, lambda: net(x))
        with torch.autocast("cpu", torch.bfloat16):
            first = net(x)
            for parameter in net.parameters():
                parameter.mul_(2)
            assert close(net(x), 2 * first)


@pytest.mark.parametrize("name", ["test_efficientnet", "mobilenetv3_small_050", "test_vit"])
def test_all_layers_of_a_network_are_fused(name: str) -> None:
    px = 160 if name == "test_vit" else 64
    backbone = load_backbone(f"timm/{name}", RANDOM, px, 0)
    keys = set(backbone.net.state_dict())
    images = 255 * torch.rand(6, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    backbone.calibrate_batch_norm([images])
    with torch.no_grad():
        exact = backbone(images)
        folded = backbone.fold()(images)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = backbone(images)
    assert torch.allclose(exact, folded, rtol=1e-3, atol=1e-3 * float(exact.std()))
    assert nn.functional.cosine_similarity(exact, rounded.float()).min() > 0.97

    modules = list(backbone.net.modules())
    assert any(isinstance(module, FusedConv) for module in modules)
    assert not any(isinstance(module, nn.SiLU | nn.Hardswish | nn.GELU) for module in modules)
    kinds = {type(module).__name__ for module in modules}
    if name == "test_vit":
        assert "FusedLinear" in kinds and "Linear" not in kinds
    else:
        assert "FastSqueezeExcite" in kinds and "SqueezeExcite" not in kinds
    assert {key for key in backbone.net.state_dict() if "bn" not in key} <= keys | {
        key.replace(".weight", ".bias") for key in keys
    }


def test_a_squeeze_excite_layer_computes_the_same_function() -> None:
    from timm.models._efficientnet_blocks import SqueezeExcite

    torch.manual_seed(0)
    layer = SqueezeExcite(16).eval()
    fast = FastSqueezeExcite(layer)
    x = torch.randn(2, 16, 7, 7).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        assert torch.equal(fast(x), layer(x))
        with torch.autocast("cpu", torch.bfloat16):
            assert close(fast(x.bfloat16()), layer(x.bfloat16()))
    assert fast.state_dict().keys() == layer.state_dict().keys()


def test_a_fused_linear_layer_has_its_multiply_adds_in_the_summary() -> None:
    net = nn.Sequential(nn.Linear(8, 16))
    x = torch.zeros(1, 8)
    before = [row.multiply_adds for row in summarise_layers(net, x)]
    with torch.no_grad():
        fold_and_fuse(net, lambda: net(x))
    assert [row.multiply_adds for row in summarise_layers(net, x)] == before == [128]
