"""Correction of the shift that bfloat16 causes in features."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from headstart.models import BackboneOptions, _backbone, load_backbone
from headstart.models._backbone import Backbone
from headstart.models._options import TimmOptions
from headstart.models.fused._fused_conv import FusedConv, fused_ops_work, round_weights
from headstart.models.fused._rounding import correct_rounding, dead_leaves_images


def _images() -> Tensor:
    """Return smooth images with other colours than those that the correction uses."""
    noise = torch.rand(32, 3, 5, 5, generator=torch.Generator().manual_seed(1))
    enlarged: Tensor = nn.functional.interpolate(255 * noise, (32, 32), mode="bicubic")
    return enlarged.clamp(0, 255)


def _in_bfloat16(backbone: Backbone, images: Tensor) -> Tensor:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        features: Tensor = backbone(images).float()
    return features


@pytest.fixture
def backbone() -> Backbone:
    if not fused_ops_work():
        pytest.skip("this processor has no fused convolutions in bfloat16, so nothing is rounded")
    return load_backbone("efficientnet-lite0", BackboneOptions(), 96, 0).fold()


def test_networks_on_which_the_correction_was_not_measured_are_not_corrected() -> None:
    if not fused_ops_work():
        pytest.skip("this processor has no fused convolutions in bfloat16, so nothing is rounded")
    images = _images()
    net = load_backbone("timm/efficientnet_b0", TimmOptions(pretrained=False), 64, 0)
    net.calibrate_batch_norm([images])
    net.fold()
    with torch.no_grad():
        exact = net(images)
    similarity = nn.functional.cosine_similarity(exact, _in_bfloat16(net, images))
    assert similarity.mean() > 0.99  # 0.34 with the correction
    assert not net.corrects_rounding


def test_the_rounding_errors_of_a_kernel_sum_to_almost_zero() -> None:
    weight = torch.randn(64, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    error = round_weights(weight).float() - weight
    usual_error = weight.bfloat16().float() - weight
    assert error.sum((2, 3)).abs().mean() < usual_error.sum((2, 3)).abs().mean() / 2
    assert (error.abs() <= weight.abs() / 64 + 2**-7).all()
    points = torch.randn(8, 4, 1, 1)
    assert torch.equal(round_weights(points), points.bfloat16())


def test_the_correction_brings_bfloat16_features_closer_to_exact_ones(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = _images()
    with torch.no_grad():
        exact = backbone(images)
    corrected = nn.functional.cosine_similarity(exact, _in_bfloat16(backbone, images))
    plain = load_backbone("efficientnet-lite0", BackboneOptions(), 96, 0).fold()
    monkeypatch.setattr(_backbone, "correct_rounding", lambda *_: None)
    uncorrected = nn.functional.cosine_similarity(exact, _in_bfloat16(plain, images))
    assert corrected.mean() > 0.998
    assert 1 - corrected.mean() < (1 - uncorrected.mean()) / 2


def test_float32_features_do_not_change(backbone: Backbone) -> None:
    with torch.no_grad():
        before = backbone(_images())
    _in_bfloat16(backbone, _images())
    with torch.no_grad():
        assert torch.equal(backbone(_images()), before)


def test_rounding_is_corrected_once_and_again_for_other_weights(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counted(net: nn.Module, run: Callable[[], object]) -> None:
        calls.append(net)
        correct_rounding(net, run)

    monkeypatch.setattr(_backbone, "correct_rounding", counted)
    first = _in_bfloat16(backbone, _images())
    assert torch.equal(_in_bfloat16(backbone, _images()), first) and len(calls) == 1
    weights = {
        name: 1.01 * tensor if name.endswith("conv_pw.weight") else tensor
        for name, tensor in backbone.state_dict().items()
    }
    backbone.load_state_dict(weights)
    features = _in_bfloat16(backbone, _images())
    assert len(calls) == 2
    fresh = load_backbone("efficientnet-lite0", BackboneOptions(), 96, 0, empty=True).fold()
    fresh.load_state_dict(weights)
    assert torch.equal(_in_bfloat16(fresh, _images()), features)


def test_the_result_does_not_depend_on_threads(backbone: Backbone) -> None:
    threads = torch.get_num_threads()
    results: list[Tensor] = []

    def work() -> None:
        torch.set_num_threads(1)
        results.append(_in_bfloat16(backbone, _images()))

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    torch.set_num_threads(threads)
    other = load_backbone("efficientnet-lite0", BackboneOptions(), 96, 0).fold()
    _in_bfloat16(other, _images())
    offsets = [
        [layer.offset for layer in net.modules() if isinstance(layer, FusedConv)]
        for net in (backbone, other)
    ]
    assert len(offsets[0]) == 49
    assert all(
        first is not None and second is not None and torch.equal(first, second)
        for first, second in zip(*offsets, strict=True)
    )
    assert all(torch.equal(features, results[0]) for features in results)


def test_the_synthetic_images_are_always_the_same() -> None:
    first = dead_leaves_images().clone()
    dead_leaves_images.cache_clear()
    assert torch.equal(dead_leaves_images(), first)
    assert first.min() >= 0 and first.max() <= 255 and first.std() > 30
