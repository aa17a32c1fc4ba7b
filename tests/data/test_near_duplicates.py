"""Near duplicates: altered copies are found, and different pictures are not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from scipy.ndimage import gaussian_filter

from headstart.data import find_near_duplicates

COUNT = 60


@pytest.fixture(scope="module")
def pictures() -> NDArray[np.uint8]:
    """Return random smooth RGB pictures of 40x40 pixels, each with structure of its own."""
    noise = np.random.default_rng(0).normal(size=(COUNT, 40, 40, 3))
    smooth = gaussian_filter(noise, (0, 2.0, 2.0, 0))
    smooth /= smooth.std(axis=(1, 2, 3), keepdims=True)
    pixels: NDArray[np.uint8] = np.clip(110 + 35 * smooth, 0, 255).astype(np.uint8)
    return pixels


def _re_encoded(picture: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=70)
    return Image.open(buffer)


def _resized(picture: Image.Image) -> Image.Image:
    return picture.resize((36, 36)).resize(picture.size)


def _cropped(picture: Image.Image) -> Image.Image:
    return picture.crop((0, 1, 37, 38)).resize(picture.size)


def _brightened(picture: Image.Image) -> Image.Image:
    return picture.point(lambda value: min(255, round(1.1 * value)))


@pytest.mark.parametrize(
    ("alter", "relations"),
    [
        (_re_encoded, {"same"}),
        (_resized, {"same"}),
        (_brightened, {"same"}),
        (ImageOps.mirror, {"flipped"}),
        (_cropped, {"cropped"}),
        (lambda picture: picture.copy(), {"exact"}),
    ],
    ids=["re-encoded", "resized", "brightened", "flipped", "cropped", "copied"],
)
def test_an_altered_copy_is_found_with_its_relation(
    pictures: NDArray[np.uint8], alter: object, relations: set[str]
) -> None:
    assert callable(alter)
    copies = [np.asarray(alter(Image.fromarray(picture))) for picture in pictures[:5]]
    images = np.concatenate([pictures, np.stack(copies)])

    pairs = find_near_duplicates(images)

    linked = list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    assert sorted(linked) == [(row, COUNT + row) for row in range(5)]
    assert set(pairs.relation) == relations
    assert (np.diff(pairs.distance) >= 0).all()


def test_different_pictures_are_not_near_duplicates(pictures: NDArray[np.uint8]) -> None:
    assert len(find_near_duplicates(pictures)) == 0


def test_equal_pictures_are_linked_to_the_first_of_them(pictures: NDArray[np.uint8]) -> None:
    images = np.concatenate([pictures[:4], pictures[[1, 1, 2]]])

    pairs = find_near_duplicates(images)

    assert pairs.first.tolist() == [1, 1, 2]
    assert pairs.second.tolist() == [4, 5, 6]
    assert (pairs.distance == 0).all()


def test_blank_pictures_are_not_duplicates_of_each_other() -> None:
    images = np.full((20, 32, 32, 3), np.arange(20)[:, None, None, None], np.uint8)

    assert len(find_near_duplicates(images)) == 0


@pytest.mark.parametrize("shape", [(1, 8, 8, 1), (2, 9, 13, 3), (3, 1, 1, 1)])
def test_few_and_tiny_images_are_accepted(shape: tuple[int, int, int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)

    assert len(find_near_duplicates(images)) == 0


def test_tiny_images_are_compared_for_exact_copies_only() -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (20, 8, 8, 1), np.uint8)
    images[7] = images[3]
    images[9] = np.clip(images[4].astype(int) + 2, 0, 255)
    pairs = find_near_duplicates(images)
    assert (pairs.first.tolist(), pairs.second.tolist()) == ([3], [7])
    assert pairs.relation == ("exact",)
