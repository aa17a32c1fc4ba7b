"""Backbones: weights, preprocessing, folding, cuts and heads."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from headstart.errors import InputError, ResourceError
from headstart.models import (
    BackboneOptions,
    _backbone,
    build_head,
    load_backbone,
    native_input_size,
    pin_weights,
    summarise_layers,
    weights_digest,
)
from headstart.models._backbone import Backbone
from headstart.models._hub import fetch_from_hub
from headstart.models._options import InceptionOptions, TimmOptions, head_layers
from headstart.models._packaged import PACKAGED
from headstart.models._resize import resize
from headstart.models.fused._fused_conv import fused_ops_work

RANDOM = TimmOptions(pretrained=False)


@pytest.fixture
def resnet_file(tmp_path: Path) -> Path:
    """Save weights of timm's smallest ResNet with its classifier, as a user might have done."""
    import timm

    torch.manual_seed(5)
    path = tmp_path / "mine.safetensors"
    save_file(timm.create_model("test_resnet", num_classes=7).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return 255 * torch.rand(4, 1, 20, 20, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "name", ["test_resnet", "test_efficientnet", "test_byobnet", "test_coatnet", "resnet18"]
)
def test_folding_changes_no_features(name: str) -> None:
    """A pool or a sum also reads the output of a convolution in some of these."""
    native_px, is_fixed = native_input_size(f"timm/{name}")
    backbone = load_backbone(f"timm/{name}", RANDOM, native_px if is_fixed else 64, 0)
    images = 255 * torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    backbone.calibrate_batch_norm([images])
    with torch.no_grad():
        before = backbone(images)
        after = backbone.fold()(images)
    assert (
        not any(isinstance(module, nn.BatchNorm2d) for module in backbone.modules())
        or name == "test_coatnet"
    )
    assert torch.allclose(after, before, rtol=1e-3, atol=1e-3 * float(before.std()))


def test_activations_are_fused_into_convolutions_except_after_a_sum() -> None:
    net = load_backbone("timm/resnet18", RANDOM, 64, 0, empty=True).fold().net
    remaining = [name for name, module in net.named_modules() if isinstance(module, nn.ReLU)]
    assert remaining and all(name.endswith("act2") for name in remaining)


@pytest.mark.parametrize("model", PACKAGED)
def test_packaged_weights_have_the_pinned_digest_and_distinguish_images(
    model: str, images: torch.Tensor
) -> None:
    backbone = load_backbone(model, BackboneOptions(), 64, 0)
    with torch.no_grad():
        features = backbone(images)
    assert features.shape == (4, 1280)
    assert features.std(0).mean() > 0.01
    assert weights_digest(model, BackboneOptions()) == f"sha256:{PACKAGED[model].sha256}"


def test_a_recipe_identifies_a_file_of_weights_by_content_not_by_name(
    resnet_file: Path, tmp_path: Path, images: torch.Tensor
) -> None:
    first = pin_weights("timm/test_resnet", TimmOptions(weights=str(resnet_file)))
    moved = resnet_file.rename(tmp_path / "renamed.safetensors")
    second = pin_weights("timm/test_resnet", TimmOptions(weights=str(moved)))
    assert first == second
    assert (
        isinstance(first, TimmOptions)
        and first.weights is not None
        and first.weights.startswith("sha256:")
    )
    with torch.no_grad():
        assert load_backbone("timm/test_resnet", first, 64, 0)(images).shape[0] == 4


def test_weights_that_changed_or_disappeared_are_not_replaced_silently(resnet_file: Path) -> None:
    options = pin_weights("timm/test_resnet", TimmOptions(weights=str(resnet_file)))
    assert isinstance(options, TimmOptions)
    save_file({"conv1.weight": torch.zeros(3)}, resnet_file)
    with pytest.raises(
        ResourceError, match=r"mine.safetensors: expected weights with SHA-256 [0-9a-f]{64}, got"
    ):
        load_backbone("timm/test_resnet", options, 64, 0)
    resnet_file.unlink()
    with pytest.raises(ResourceError, match=r"no longer exists(.|\n)*--weights"):
        load_backbone("timm/test_resnet", options, 64, 0)


def test_weights_of_another_network_and_other_formats_are_refused(
    resnet_file: Path, tmp_path: Path
) -> None:
    other = pin_weights("timm/test_vit", TimmOptions(weights=str(resnet_file)))
    assert isinstance(other, TimmOptions)
    with pytest.raises(
        InputError, match=r"do not fit timm/test_vit: \d+ of \d+ tensors are missing"
    ):
        load_backbone("timm/test_vit", other, 160, 0)
    (tmp_path / "old.pth").write_bytes(b"x")
    with pytest.raises(InputError, match=r"is not a .safetensors file(.|\n)*save_file"):
        pin_weights("timm/test_resnet", TimmOptions(weights=str(tmp_path / "old.pth")))
    (tmp_path / "bad.safetensors").write_bytes(b"not tensors at all")
    bad = pin_weights("timm/test_resnet", TimmOptions(weights=str(tmp_path / "bad.safetensors")))
    assert isinstance(bad, TimmOptions)
    with pytest.raises(InputError, match="is not a safetensors file"):
        load_backbone("timm/test_resnet", bad, 64, 0)


class _Hub(types.ModuleType):
    """A substitute for the hub's client.

    Args:
        file: The file on the hub. None: the hub does not answer.
        cached: The file in the cache, from an earlier download.
    """

    def __init__(self, file: Path | None, cached: Path | None = None) -> None:
        super().__init__("huggingface_hub")
        self.file, self.cached = file, cached
        self.requests: list[tuple[str, str, str | None]] = []

    def hf_hub_url(self, repo: str, filename: str, revision: str | None = None) -> str:
        return f"{repo}/{filename}"

    def get_hf_file_metadata(self, url: str, timeout: float) -> None:
        assert timeout <= 5
        if self.file is None:
            raise RuntimeError("no route to host\nand much more")

    def try_to_load_from_cache(
        self, repo: str, filename: str, revision: str | None = None
    ) -> str | None:
        return str(self.cached) if self.cached else None

    def hf_hub_download(self, repo: str, filename: str, revision: str | None = None) -> str:
        assert self.file is not None, "the client would retry for a minute"
        self.requests.append((repo, filename, revision))
        return str(self.file)


@pytest.fixture
def fresh_hub() -> object:
    fetch_from_hub.cache_clear()
    return None


def test_a_model_from_the_hub_is_pinned_to_a_commit_and_a_digest(
    resnet_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_hub: object
) -> None:
    (tmp_path / "snapshots" / "abc123").mkdir(parents=True)
    hub = _Hub(resnet_file.rename(tmp_path / "snapshots" / "abc123" / "model.safetensors"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    options = pin_weights("timm/test_resnet", TimmOptions())
    assert isinstance(options, TimmOptions)
    assert hub.requests == [("timm/test_resnet.r160_in1k", "model.safetensors", None)]
    assert options.revision == "abc123" and (options.weights or "").startswith("sha256:")
    assert load_backbone("timm/test_resnet", options, 64, 0).num_features > 0


def test_without_a_network_the_error_names_the_backbones_that_work(
    monkeypatch: pytest.MonkeyPatch, fresh_hub: object
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", _Hub(None))
    with pytest.raises(
        ResourceError, match=r"no route to host(.|\n)*efficientnet-lite0(.|\n)*--weights"
    ) as caught:
        pin_weights("timm/test_resnet", TimmOptions())
    assert "much more" not in str(caught.value)


def test_without_a_network_cached_weights_are_used(
    resnet_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_hub: object
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    (tmp_path / commit).mkdir()
    hub = _Hub(None, cached=resnet_file.rename(tmp_path / commit / "model.safetensors"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    options = pin_weights("timm/test_resnet", TimmOptions())
    assert isinstance(options, TimmOptions) and options.revision == commit
    assert pin_weights("timm/test_resnet", TimmOptions(revision=commit)) == options
    assert not hub.requests


def test_no_request_is_sent_unless_a_model_from_the_hub_is_named(
    monkeypatch: pytest.MonkeyPatch, fresh_hub: object
) -> None:
    hub = _Hub(None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    pin_weights("efficientnet-lite1", BackboneOptions())
    pin_weights("timm/test_resnet", RANDOM)
    with pytest.raises(
        InputError,
        match=r"inception-mixed7 has no packaged weights(.|\n)*--weights(.|\n)*efficientnet-lite0",
    ):
        weights_digest("inception-mixed7", InceptionOptions())
    assert not hub.requests


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("timm/resnet81", "resnet"),
        ("timm/test_resnet.r161", "test_resnet.r160_in1k"),
        ("timm/", "Example"),
    ],
)
def test_an_unknown_network_names_known_ones(name: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        pin_weights(name, RANDOM)


@pytest.mark.parametrize(
    ("model", "mean", "interpolation"),
    [
        ("efficientnet-lite0", 0.5, "bicubic"),
        ("timm/resnet18", 0.485, "bicubic"),
        ("timm/test_resnet", 0.5, "bilinear"),
    ],
)
def test_images_are_preprocessed_as_each_network_was_trained(
    model: str, mean: float, interpolation: str
) -> None:
    options = RANDOM if model.startswith("timm/") else BackboneOptions(pretrained=False)
    backbone = load_backbone(model, options, 64, 0)
    rgb = torch.tensor([255.0, 127.5, 0.0]).view(1, 3, 1, 1).expand(1, 3, 9, 9)
    seen = backbone.standardise(rgb)
    assert seen.shape == (1, 3, 64, 64) and backbone.interpolation == interpolation
    means, stds = backbone.mean.flatten() / 255, backbone.std.flatten() / 255
    assert means[0] == pytest.approx(mean, abs=1e-6)
    # Divided by 255 exactly once, with red first, unlike OpenCV.
    assert seen[0, :, 4, 4].tolist() == pytest.approx(
        ((torch.tensor([1.0, 0.5, 0.0]) - means) / stds).tolist(), abs=1e-4
    )
    grey = backbone.standardise(torch.full((1, 1, 9, 9), 51.0))
    assert grey[0, :, 0, 0].tolist() == pytest.approx(((0.2 - means) / stds).tolist(), abs=1e-4)


def test_training_a_head_changes_nothing_in_a_frozen_backbone(images: torch.Tensor) -> None:
    backbone = load_backbone("timm/test_resnet", RANDOM, 64, 0)
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    holder = nn.Sequential(backbone, nn.Linear(backbone.num_features, 2)).train()
    optimizer = torch.optim.SGD(
        [weight for weight in holder.parameters() if weight.requires_grad], 0.1
    )
    for _ in range(3):
        optimizer.zero_grad()
        holder(images).pow(2).sum().backward()
        optimizer.step()
    assert [
        name
        for name, tensor in backbone.state_dict().items()
        if not torch.equal(tensor, before[name])
    ] == []


def test_a_network_with_a_fixed_input_size_rejects_others() -> None:
    with pytest.raises(
        InputError, match=r"invalid input_px: timm/test_vit accepts only 160, got 96"
    ):
        load_backbone("timm/test_vit", RANDOM, 96, 0)


def test_too_few_pixels_for_a_network_are_an_error_with_a_hint() -> None:
    with pytest.raises(InputError, match=r"does not accept images of 32x32 pixels(.|\n)*input_px"):
        load_backbone("inception-mixed7", InceptionOptions(pretrained=False), 32, 0)


def test_inception_is_cut_where_the_published_comparison_cut_it() -> None:
    options = InceptionOptions(pretrained=False)
    backbone = load_backbone("inception-mixed7", options, 150, 0)
    assert backbone.num_features == 768 * 7 * 7
    assert weights_digest("inception-mixed7", options) == "random"
    shapes = [
        layer.output_shape for layer in summarise_layers(backbone, torch.zeros(1, 3, 150, 150))
    ]
    assert shapes[-1][1:] == (7, 7)
    assert not [
        name for name, _ in backbone.named_parameters() if "Mixed_7" in name or "AuxLogits" in name
    ]
    head = build_head(backbone.num_features, 6, options)
    dense = [module.out_features for module in head.modules() if isinstance(module, nn.Linear)]
    assert dense == [1024, 1024, 1024, 1024, 1024, 6]
    assert [module.p for module in head.modules() if isinstance(module, nn.Dropout)] == [0.0, 0.2]


@pytest.mark.parametrize("pool", ["avg", "max", "flatten", None])
def test_a_feature_map_is_pooled_as_configured(pool: str | None, images: torch.Tensor) -> None:
    options = RANDOM.model_copy(update={"cut": "layer2", "pool": pool})
    backbone = load_backbone("timm/test_resnet", options, 64, 0)
    maps: list[torch.Tensor] = []
    backbone.net.get_submodule("layer2").register_forward_hook(
        lambda *given: maps.append(given[2]), prepend=True
    )
    with torch.no_grad():
        features = backbone(images)
    pooled = {"max": maps[0].amax((2, 3)), "flatten": maps[0].flatten(1)}
    expected = pooled.get(str(pool), maps[0].mean((2, 3)))
    assert torch.allclose(features, expected, atol=1e-6)
    assert features.shape[1] == backbone.num_features


def test_folding_keeps_a_cut_before_a_batch_norm(images: torch.Tensor) -> None:
    backbone = load_backbone(
        "efficientnet-lite0", BackboneOptions(cut="blocks.1.0.conv_pw", pool="flatten"), 48, 0
    )
    with torch.no_grad():
        before = backbone(images)
        after = backbone.fold()(images)
    assert torch.allclose(before, after, atol=1e-3) and before.abs().max() > 0.1


def test_folding_keeps_an_activation_after_a_residual_sum(
    images: torch.Tensor,
) -> None:
    backbone = load_backbone("timm/test_resnet", RANDOM, 64, 0)
    torch.manual_seed(0)
    for module in backbone.modules():
        # In new networks, the last batch norm of each block has zeros, which would hide errors.
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    with torch.no_grad():
        before = backbone(images)
        after = backbone.fold()(images)
    assert torch.allclose(before, after, atol=1e-4 * float(before.abs().max()))


def test_fused_layers_compute_the_same_features_in_bfloat16(images: torch.Tensor) -> None:
    for model, options in (
        ("efficientnet-lite0", BackboneOptions()),
        ("timm/resnet18", RANDOM),
        ("timm/test_vit", RANDOM),
    ):
        backbone = load_backbone(model, options, 160, 0)
        if not options.pretrained:
            backbone.calibrate_batch_norm([images])
        with torch.no_grad():
            exact = backbone(images)
            folded = backbone.fold()(images)
            with torch.autocast("cpu", torch.bfloat16):
                rounded = backbone(images).float()
                again = backbone(images[:1]).float()
        assert torch.allclose(exact, folded, atol=1e-3 * float(exact.abs().max()))
        assert nn.functional.cosine_similarity(exact, rounded).min() > 0.99
        assert nn.functional.cosine_similarity(again, rounded[:1]).min() > 0.999
        kinds = {type(module).__name__ for module in backbone.modules()}
        assert model == "timm/test_vit" or (
            "FusedConv" in kinds and "BatchNorm2d" not in kinds and "ReLU6" not in kinds
        )


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Repeat the check of fused convolutions in this test and after it."""
    fused_ops_work.cache_clear()
    yield
    fused_ops_work.cache_clear()


def _missing(*_: object) -> torch.Tensor:
    raise AttributeError("no such operator")


def _inaccurate(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, *arguments: object
) -> torch.Tensor:
    output: torch.Tensor = torch.ops.mkldnn._convolution_pointwise.default(
        x, weight, bias, *arguments
    )
    return output * 1.05


@pytest.mark.parametrize("operator", [_missing, _inaccurate])
def test_if_fused_convolutions_are_missing_or_inaccurate_plain_ones_are_used(
    operator: Callable[..., torch.Tensor],
    images: torch.Tensor,
    monkeypatch: pytest.MonkeyPatch,
    unchecked: None,
) -> None:
    backbone = load_backbone("timm/test_resnet", RANDOM, 64, 0).fold()
    with torch.no_grad():
        exact = backbone(images)
        monkeypatch.setattr(torch.ops.mkldnn, "_convolution_pointwise", operator)
        with torch.autocast("cpu", torch.bfloat16):
            features = backbone(images).float()
    assert not fused_ops_work()
    assert nn.functional.cosine_similarity(exact, features).min() > 0.999


def test_the_check_of_fused_convolutions_draws_no_random_numbers(unchecked: None) -> None:
    before = torch.get_rng_state()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        capabilities = torch.cpu.get_capabilities()
        assert fused_ops_work() or not capabilities.get("avx512_bf16")
    assert torch.equal(before, torch.get_rng_state())


def test_weights_loaded_after_a_first_pass_are_used(images: torch.Tensor) -> None:
    backbone = load_backbone("timm/test_resnet", RANDOM, 64, 0).fold()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        before = backbone(images)
        backbone.load_state_dict(
            {name: 2 * tensor for name, tensor in backbone.state_dict().items()}
        )
        assert not torch.allclose(before, backbone(images))


def test_transformers_and_other_families_give_vectors(images: torch.Tensor) -> None:
    for model in ("timm/test_vit", "timm/test_convnext", "timm/test_efficientnet"):
        for pool in (None, "max"):
            backbone = load_backbone(model, RANDOM.model_copy(update={"pool": pool}), 160, 0)
            with torch.no_grad():
                assert backbone(images).shape == (4, backbone.num_features)


def test_an_unknown_layer_names_similar_ones_and_how_to_list_all() -> None:
    with pytest.raises(
        InputError,
        match=r"unknown layer 'Mixed_6z' to cut at. Similar layers: .*Mixed_6[a-e](.|\n)*--summary",
    ):
        load_backbone("inception-mixed7", InceptionOptions(pretrained=False, cut="Mixed_6z"), 96, 0)


def test_too_many_features_for_a_head_are_refused() -> None:
    with pytest.raises(
        InputError,
        match=r"too many features per image: expected at most 131,072, got (.|\n)*--pool avg",
    ):
        load_backbone(
            "timm/resnet18", RANDOM.model_copy(update={"cut": "layer1", "pool": "flatten"}), 224, 0
        )


def test_a_head_is_written_as_its_layers() -> None:
    assert head_layers("linear") == []
    assert BackboneOptions(head=[1024, "d0.2", 512]).head == "1024,d0.2,512"
    assert BackboneOptions(head=64).head == "64"
    assert head_layers("1024,d0.2,512") == [1024, 0.2, 512]
    for invalid in ("1024,", "d2", "wide", "0", "9999"):
        with pytest.raises(ValueError, match="is neither a number of units"):
            BackboneOptions(head=invalid)


def test_a_head_with_hidden_layers_depends_on_its_seed() -> None:
    options = BackboneOptions(head="8")
    heads = [build_head(5, 3, options, seed).state_dict()["1.weight"].numpy() for seed in (0, 0, 1)]
    assert np.array_equal(heads[0], heads[1]) and not np.array_equal(heads[1], heads[2])


@pytest.mark.parametrize(
    ("model", "size_px"), [("efficientnet-lite0", 64), ("timm/test_efficientnet", 64)]
)
def test_features_in_parts_are_those_of_a_whole_batch(
    model: str, size_px: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = BackboneOptions() if model == "efficientnet-lite0" else RANDOM
    backbone = load_backbone(model, options, size_px, 0).fold()
    images = 255 * torch.rand(7, 1, 20, 28, generator=torch.Generator().manual_seed(0))
    batches: list[int] = []
    in_parts = Backbone._features_in_parts

    def recorded(
        self: Backbone, x: torch.Tensor, preprocess: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        batches.append(len(x))
        return in_parts(self, x, preprocess)

    monkeypatch.setattr(Backbone, "_features_in_parts", recorded)
    with torch.no_grad():
        expected = backbone(images)
    assert batches == []  # batches are split only in inference mode
    monkeypatch.setattr(_backbone, "_EARLY_PIXELS", 3 * size_px**2)
    with torch.inference_mode():
        from_images = backbone(images)
        from_standardised = backbone.features(backbone.standardise(images))
        small_batch = backbone(images[:3])
    assert batches == [7, 7]

    tolerance = 1e-4 * float(expected.std())
    for features in (from_images, from_standardised):
        assert torch.allclose(features, expected, rtol=1e-4, atol=tolerance)
    assert torch.allclose(small_batch, expected[:3], rtol=1e-4, atol=tolerance)


@pytest.mark.parametrize("shape", [(32, 32), (20, 28), (64, 7), (48, 64)])
@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
def test_resizing_by_matrix_products_is_interpolation(shape: tuple[int, int], mode: str) -> None:
    x = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    for size_px in (32, 96):
        expected = nn.functional.interpolate(x, (size_px, size_px), mode=mode, antialias=True)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            resized = resize(x, size_px, mode)
        assert resized.dtype == torch.float32
        assert torch.allclose(resized, expected, atol=1e-5)
