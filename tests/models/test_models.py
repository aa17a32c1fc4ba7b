"""Networks: shapes, published sizes, frozen parts and input checks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from headstart.classifier import Standardise
from headstart.errors import InputError, ResourceError
from headstart.models import (
    MODELS,
    BackboneOptions,
    Cnn,
    CnnOptions,
    FashionOptions,
    build_head,
    build_network,
    input_reduction,
    is_backbone,
    load_backbone,
    options_of,
    reduced_shape,
    summarise_layers,
)

PIXEL_MODELS = [name for name in MODELS if not is_backbone(name)]


@pytest.mark.parametrize("name", PIXEL_MODELS)
@pytest.mark.parametrize("outputs", [1, 7])
def test_every_network_maps_images_to_one_logit_per_output(name: str, outputs: int) -> None:
    shape = (96, 96, 3) if name == "cnn-scenes" else (28, 28, 1)
    net = build_network(name, MODELS[name](), shape, outputs, 0).eval()
    assert net(torch.zeros(2, shape[2], *shape[:2])).shape == (2, outputs)


@pytest.mark.parametrize(
    "shape",
    [
        (1, 1, 1),
        (2, 2, 3),
        (8, 8, 1),
        (28, 28, 1),
        (32, 20, 3),
        (128, 128, 3),
        (150, 150, 3),
        (224, 224, 3),
    ],
)
def test_cnn_supports_any_image_size(shape: tuple[int, int, int]) -> None:
    net = build_network("cnn", CnnOptions(), shape, 3, 0)
    assert net(torch.rand(4, shape[2], *shape[:2])).shape == (4, 3)


def test_the_cost_of_cnn_grows_much_slower_than_the_number_of_pixels() -> None:
    def cost(side: int) -> int:
        return sum(
            layer.multiply_adds
            for layer in summarise_layers(
                build_network("cnn", CnnOptions(), (side, side, 3), 10, 0),
                torch.zeros(1, 3, side, side),
            )
        )

    assert cost(224) < 10 * cost(32)  # 49 times the pixels


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, second, other = (
        build_network("mlp", MODELS["mlp"](), (8, 8, 1), 10, seed).state_dict()
        for seed in (3, 3, 4)
    )
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_published_fashion_net_has_its_published_size() -> None:
    layers = summarise_layers(
        build_network("cnn-fashion", FashionOptions(), (28, 28, 1), 10, 0),
        torch.zeros(1, 1, 28, 28),
    )
    convolutions = [layer for layer in layers if layer.kind == "Conv2d"]
    assert [layer.parameters for layer in convolutions] == [128 * 9 + 128, 128 * 128 * 9 + 128]
    assert [layer.output_shape for layer in convolutions] == [(128, 26, 26), (128, 11, 11)]
    assert convolutions[1].multiply_adds == 11 * 11 * 128 * 128 * 9
    assert (
        sum(layer.parameters for layer in layers) == 1280 + 147_584 + 5 * 5 * 128 * 128 + 128 + 1290
    )


def test_the_scenes_net_rejects_small_images() -> None:
    with pytest.raises(
        InputError,
        match="images too small for model cnn-scenes: expected at least 89x89 pixels, got 28x28",
    ) as caught:
        build_network("cnn-scenes", MODELS["cnn-scenes"](), (28, 28, 3), 6, 0)
    assert "--image-size" in caught.value.hint


def test_whitening_makes_the_patches_uncorrelated_and_stays_frozen() -> None:
    net = build_network("cnn", CnnOptions(), (16, 16, 1), 2, 0)
    assert isinstance(net, Cnn)
    noise = torch.randn(400, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    images = noise.cumsum(3)  # neighbours are correlated
    images = (images - images.mean()) / images.std()
    net.whitening.fit(images)
    half = net.whitening.out_channels // 2
    outputs = nn.functional.conv2d(images, net.whitening.weight[:half])
    rows = outputs.permute(1, 0, 2, 3).reshape(half, -1)
    covariance = rows @ rows.T / rows.shape[1]
    assert torch.allclose(covariance - covariance.diag().diag(), torch.zeros(half, half), atol=0.02)
    assert covariance.diag()[0] == pytest.approx(1, abs=0.05)
    assert not net.whitening.weight.requires_grad


def test_whitening_needs_fewer_of_large_images() -> None:
    enough = []
    for px in (32, 112, 128, 224):
        net = build_network("cnn", CnnOptions(), (px, px, 3), 2, 0)
        assert isinstance(net, Cnn)
        enough.append(net.whitening.enough_images(px, px))
    assert enough[0] > 5000  # more than are ever used
    assert enough[1] > 1000 > enough[2] > enough[3] >= 64


def test_the_cnn_sees_large_images_at_128_to_191_pixels() -> None:
    for px, factor in ((32, 1), (255, 1), (256, 2), (300, 2), (512, 4)):
        assert input_reduction("cnn", (px, px + 40, 3)) == factor
        assert input_reduction("mlp", (px, px, 3)) == 1
    assert reduced_shape("cnn", (301, 400, 3)) == (150, 200, 3)

    bytes_ = torch.randint(0, 256, (3, 3, 301, 400), dtype=torch.uint8)
    front = Standardise(3, 2)
    assert torch.equal(front.scale(front.reduce(bytes_)), front(bytes_.float()))
    net = build_network("cnn", CnnOptions(), (301, 400, 3), 4, 0)
    assert net(front(bytes_.float())).shape == (3, 4)


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'cnn'"):
        options_of("cnm")


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return 255 * torch.rand(6, 1, 20, 20, generator=torch.Generator().manual_seed(0))


def test_folding_batch_norm_keeps_the_function(images: torch.Tensor) -> None:
    backbone = load_backbone("efficientnet-lite0", BackboneOptions(), 64, 0)
    with torch.no_grad():
        before = backbone(images)
        layers = len(list(backbone.modules()))
        after = backbone.fold()(images)
    assert torch.allclose(before, after, atol=1e-3)
    assert before.abs().max() > 1
    assert not [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(list(backbone.modules())) <= layers


def test_a_frozen_backbone_stays_in_evaluation_mode(images: torch.Tensor) -> None:
    backbone = load_backbone("efficientnet-lite0", BackboneOptions(), 32, 0)
    holder = nn.Sequential(backbone).train()
    with torch.no_grad():
        first, second = holder(images), holder(images)
    assert torch.equal(first, second)
    assert not [module for module in backbone.modules() if module.training]
    assert not [weight for weight in backbone.parameters() if weight.requires_grad]


def test_the_backbone_standardises_images_as_it_was_trained(images: torch.Tensor) -> None:
    backbone = load_backbone("efficientnet-lite0", BackboneOptions(), 32, 0)
    seen = backbone.standardise(images)
    assert seen.shape == (6, 3, 32, 32)
    assert torch.equal(seen[:, 0], seen[:, 2])  # greyscale in all three channels
    assert seen.min() >= -1 and seen.max() <= 1  # mean and standard deviation 0.5
    white = backbone.standardise(torch.full((1, 3, 9, 9), 255.0))
    assert torch.allclose(white, torch.ones_like(white), atol=1e-4)


def test_the_control_differs_by_seed_and_has_no_pretrained_weights(images: torch.Tensor) -> None:
    states = [
        load_backbone(
            "efficientnet-lite0", BackboneOptions(pretrained=pretrained), 32, seed
        ).net.state_dict()
        for pretrained, seed in ((True, 0), (False, 0), (False, 1))
    ]
    stems = [state["conv_stem.weight"] for state in states]
    assert not torch.equal(stems[0], stems[1])
    assert not torch.equal(stems[1], stems[2])


def test_weights_with_another_digest_are_not_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "weights.pth").write_bytes(b"not the weights")
    monkeypatch.setattr("headstart.models._packaged.Packaged.path", tmp_path / "weights.pth")
    with pytest.raises(ResourceError, match="SHA-256"):
        load_backbone("efficientnet-lite0", BackboneOptions(), 32, 0)


def test_a_new_head_gives_every_class_the_same_probability() -> None:
    head = build_head(5, 3, BackboneOptions())
    assert torch.equal(head(torch.randn(2, 5)), torch.zeros(2, 3))
