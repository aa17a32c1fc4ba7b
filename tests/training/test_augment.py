"""Augmentation moves what is in the image, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from headstart.models.recipes import Recipe, make_recipe
from headstart.training._augment import augment
from headstart.training._random import RngKey


def recipe(**values: object) -> Recipe:
    return make_recipe("cnn", {"flip": False, **values})


def augmented(images: Tensor, seed: int = 0, epoch: int = 0, **values: object) -> Tensor:
    """What the network would see of float pixels, less the standardising."""
    rows = np.arange(len(images))
    return augment(
        images,
        lambda pixels: pixels,
        recipe(**values),
        rows,
        slice(0, len(rows)),
        RngKey(seed, epoch, epoch),
    )


@pytest.fixture
def images() -> Tensor:
    return 255 * torch.rand(64, 3, 12, 10, generator=torch.Generator().manual_seed(1))


def test_without_augmentation_nothing_changes(images: Tensor) -> None:
    assert torch.equal(augmented(images), images)


def test_flips_mirror_about_half_and_keep_the_rest(images: Tensor) -> None:
    out = augmented(images, flip=True)
    same = [torch.equal(a, b) for a, b in zip(out, images, strict=True)]
    mirrored = [torch.equal(a, b.flip(2)) for a, b in zip(out, images, strict=True)]
    assert all(a != b for a, b in zip(same, mirrored, strict=True))
    assert 16 < sum(mirrored) < 48


def test_a_rotation_turns_around_the_centre() -> None:
    image = torch.zeros(32, 1, 21, 21)
    image[:, :, 10, 10] = 100  # the centre
    image[:, :, 10, 20] = 100  # the right end
    out = augmented(image, rotation=180)
    assert (out[:, 0, 10, 10] > 60).all()
    assert (out[:, 0, 10, 20] < 50).sum() > 16


def test_a_rotation_keeps_shapes_on_images_that_are_not_square() -> None:
    image = torch.zeros(1, 1, 21, 61)
    image[0, 0, 10, 30], image[0, 0, 10, 36] = (
        100,
        100,
    )  # 6 pixels apart, far from the border and what it reflects
    rows, columns = torch.meshgrid(torch.arange(21.0) - 10, torch.arange(61.0) - 30, indexing="ij")
    away = (rows**2 + columns**2).sqrt()
    for seed in range(20):
        out = augmented(image, seed, rotation=90)[0, 0]
        bright = away[(out > 30) & (away < 9)]
        assert len(bright) >= 2
        assert ((bright < 1.5) | ((bright > 4.5) & (bright < 7.5))).all()


def test_a_shift_stays_within_its_bound() -> None:
    image = torch.zeros(200, 1, 20, 20)
    image[:, :, 10, 10] = 100
    out = augmented(image, shift=0.1)  # two pixels of twenty
    rows, columns = (out[:, 0] > 20).nonzero()[:, 1:].unbind(1)
    assert rows.min() >= 7 and rows.max() <= 13 and columns.min() >= 7 and columns.max() <= 13
    assert rows.min() <= 9 and rows.max() >= 11


def test_what_comes_in_from_outside_is_the_image_mirrored_not_black() -> None:
    out = augmented(torch.full((32, 1, 16, 16), 200.0), rotation=45, shift=0.3, shear=20, zoom=0.4)
    assert out.min() > 199


def test_each_image_moves_by_its_own_amount_and_the_seed_repeats(images: Tensor) -> None:
    same = images[:1].expand(16, -1, -1, -1)
    out = augmented(same, zoom=0.3)
    assert not torch.equal(out[0], out[1])
    assert torch.equal(out, augmented(same, zoom=0.3))
    assert not torch.equal(out, augmented(same, 1, zoom=0.3))


def test_each_image_is_seen_both_ways_in_every_two_epochs(images: Tensor) -> None:
    even, odd, later = (augmented(images, 5, epoch, flip=True) for epoch in (0, 1, 2))
    assert torch.equal(even, odd.flip(3))
    assert torch.equal(even, later)


def test_cutout_blanks_one_square_an_image(images: Tensor) -> None:
    out = augmented(images + 1, cutout=0.5)
    blank = (out == 0).all(1)
    assert (blank | (out == images + 1).all(1)).all()
    sizes = blank.flatten(1).sum(1)
    assert sizes.max() == 25  # half of the shorter side, 10 pixels, squared
    assert sizes.min() >= 4 and len(set(sizes.tolist())) > 3  # some reach over the border
    assert torch.equal(out, augmented(images + 1, cutout=0.5)) and not torch.equal(
        out, augmented(images + 1, 1, cutout=0.5)
    )


def test_a_part_of_a_batch_is_augmented_as_in_the_whole(images: Tensor) -> None:
    rows = np.arange(64)
    values: dict[str, Any] = {"flip": True, "rotation": 20, "zoom": 0.1, "cutout": 0.3}
    whole = augmented(images, **values)
    part = augment(
        images[20:40], lambda pixels: pixels, recipe(**values), rows, slice(20, 40), RngKey(0, 0, 0)
    )
    assert torch.equal(part, whole[20:40])
