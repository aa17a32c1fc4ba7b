"""What bfloat16 shifts in a network's features is put back."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from headstart.models import BackboneOptions, _backbone, load_backbone
from headstart.models._backbone import Backbone
from headstart.models.fused._fused_conv import FusedConv, fused_ops_work, round_weights
from headstart.models.fused._rounding import correct_rounding, dead_leaves_images


def _pictures() -> Tensor:
    """Smooth ones, with other colours than those by which rounding is corrected."""
    draws = torch.rand(32, 3, 5, 5, generator=torch.Generator().manual_seed(1))
    enlarged: Tensor = nn.functional.interpolate(255 * draws, (32, 32), mode="bicubic")
    return enlarged.clamp(0, 255)


def _in_bfloat16(backbone: Backbone, images: Tensor) -> Tensor:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        found: Tensor = backbone(images).float()
    return found


@pytest.fixture
def backbone() -> Backbone:
    if not fused_ops_work():
        pytest.skip(
            "this processor has no fused convolutions in bfloat16, so nothing is rounded in them"
        )
    return load_backbone("efficientnet-lite0", BackboneOptions(), 96, 0).fold()


def test_the_errors_of_a_kernel_sum_to_about_nothing() -> None:
    weight = torch.randn(64, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    found, usual = (given.float() - weight for given in (round_weights(weight), weight.bfloat16()))
    assert found.sum((2, 3)).abs().mean() < usual.sum((2, 3)).abs().mean() / 2
    assert (found.abs() <= weight.abs() / 64 + 2**-7).all()
    points = torch.randn(8, 4, 1, 1)
    assert torch.equal(round_weights(points), points.bfloat16())


def test_correction_brings_features_in_bfloat16_nearer_to_exact_ones(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = _pictures()
    with torch.no_grad():
        exact = backbone(images)
    corrected = nn.functional.cosine_similarity(exact, _in_bfloat16(backbone, images))
    plain = load_backbone("efficientnet-lite0", BackboneOptions(), 96, 0).fold()
    monkeypatch.setattr(_backbone, "correct_rounding", lambda *_: None)
    uncorrected = nn.functional.cosine_similarity(exact, _in_bfloat16(plain, images))
    assert corrected.mean() > 0.998
    assert 1 - corrected.mean() < (1 - uncorrected.mean()) / 2


def test_exact_features_are_not_touched(backbone: Backbone) -> None:
    with torch.no_grad():
        before = backbone(_pictures())
    _in_bfloat16(backbone, _pictures())
    with torch.no_grad():
        assert torch.equal(backbone(_pictures()), before)


def test_other_weights_are_corrected_anew_and_the_same_ones_once(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counted(net: nn.Module, run: Callable[[], object]) -> None:
        calls.append(net)
        correct_rounding(net, run)

    monkeypatch.setattr(_backbone, "correct_rounding", counted)
    first = _in_bfloat16(backbone, _pictures())
    assert torch.equal(_in_bfloat16(backbone, _pictures()), first) and len(calls) == 1
    weights = {
        name: 1.01 * tensor if name.endswith("conv_pw.weight") else tensor
        for name, tensor in backbone.state_dict().items()
    }
    backbone.load_state_dict(weights)
    found = _in_bfloat16(backbone, _pictures())
    assert len(calls) == 2
    fresh = load_backbone("efficientnet-lite0", BackboneOptions(), 96, 0, empty=True).fold()
    fresh.load_state_dict(weights)
    assert torch.equal(_in_bfloat16(fresh, _pictures()), found)


def test_one_thread_and_many_at_once_find_the_same(backbone: Backbone) -> None:
    threads = torch.get_num_threads()
    found: list[Tensor] = []

    def work() -> None:
        torch.set_num_threads(1)
        found.append(_in_bfloat16(backbone, _pictures()))

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    torch.set_num_threads(threads)
    other = load_backbone("efficientnet-lite0", BackboneOptions(), 96, 0).fold()
    _in_bfloat16(other, _pictures())
    offsets = [
        [layer.offset for layer in one.modules() if isinstance(layer, FusedConv)]
        for one in (backbone, other)
    ]
    assert len(offsets[0]) == 49
    assert all(
        one is not None and two is not None and torch.equal(one, two)
        for one, two in zip(*offsets, strict=True)
    )
    assert all(torch.equal(one, found[0]) for one in found)


def test_the_pictures_are_always_the_same() -> None:
    first = dead_leaves_images().clone()
    dead_leaves_images.cache_clear()
    assert torch.equal(dead_leaves_images(), first)
    assert first.min() >= 0 and first.max() <= 255 and first.std() > 30
