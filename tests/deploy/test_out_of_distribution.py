"""Image statistics, and the OOD score that they give with the energy score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from headstart.classifier import (
    OodThreshold,
    fit_ood_threshold,
    image_statistics,
    measure_images,
)
from headstart.classifier._fit_ood import shrink_covariance
from headstart.data import Dataset, Split, SplitDataset
from headstart.training._inference_metadata import fit_ood_limits

RNG = np.random.default_rng(0)


def blobs(n: int, px: int = 16, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Return smooth images: bright discs on a dark ground, with a little noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:px, :px]
    centre = rng.uniform(0.3 * px, 0.7 * px, (2, n, 1, 1))
    distance = np.hypot(rows - centre[0], columns - centre[1])
    discs = 200 / (1 + np.exp(2 * (distance - 0.25 * px))) + 30
    tint = rng.uniform(0.7, 1, (n, 1, 1, channels))
    images: NDArray[np.uint8] = (
        discs[..., None] * tint + rng.normal(0, 4, (n, px, px, channels))
    ).astype(np.uint8)
    return images


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return blobs(1200)


@pytest.fixture(scope="module")
def limits(images: NDArray[np.uint8]) -> OodThreshold:
    energy = np.random.default_rng(1).normal(size=500).astype(np.float32)
    measured = measure_images(images, np.arange(500), np.arange(500, 1200))
    return fit_ood_threshold(energy, measured)


def test_statistics_have_one_number_per_image_for_each_property() -> None:
    assert image_statistics(blobs(3, 28, 1)).shape == (3, 22)
    assert image_statistics(blobs(2, 100)).shape == (2, 62)
    grey = np.full((1, 8, 8, 1), 51, np.uint8)
    statistics = image_statistics(grey)[0]
    assert statistics[0] == pytest.approx(0.2)
    assert statistics[1:8] == pytest.approx(np.log(1e-3), abs=0.5)  # no contrast at any scale
    assert statistics[8:12] == pytest.approx(0.2)  # four cells
    assert statistics[12:].tolist() == [0, 0]


def test_statistics_do_not_depend_on_the_other_images() -> None:
    images = blobs(300, 40)
    alone = np.concatenate([image_statistics(image[None]) for image in images[:5]])
    assert np.allclose(image_statistics(images)[:5], alone, atol=1e-4)
    assert image_statistics(images[:0]).shape == (0, alone.shape[1])


@pytest.mark.parametrize(("rows", "columns"), [(1000, 22), (30, 22), (5, 62), (1, 3)])
@pytest.mark.filterwarnings("ignore:Only one sample available")
def test_the_covariance_is_shrunk_as_in_scikit_learn(rows: int, columns: int) -> None:
    rng = np.random.default_rng(0)
    statistics = rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns))
    expected = LedoitWolf(assume_centered=True).fit(statistics).covariance_
    assert np.allclose(shrink_covariance(statistics), expected, rtol=1e-9)


def test_limits_of_other_images_come_from_their_own_measurements(
    digits: Dataset, digits_split: Split
) -> None:
    data = SplitDataset(digits, digits_split)
    rows = digits_split.validation
    scores = RNG.normal(size=len(rows)).astype(np.float32)

    for part in (rows, rows[:100], rows[100:], rows):
        fitted = fit_ood_limits(scores[: len(part)], part, data)
        measured = measure_images(digits.images, part, digits_split.train)
        assert fitted == fit_ood_threshold(scores[: len(part)], measured)
        assert fitted.images == len(part)


def test_one_validation_image_in_a_hundred_is_beyond_one_of_the_limits(
    images: NDArray[np.uint8], limits: OodThreshold
) -> None:
    energy = np.random.default_rng(1).normal(size=500).astype(np.float32)
    scores = limits.scores(energy, images, np.arange(500))
    assert scores is not None
    assert (scores > 1).sum() in (4, 5, 6)
    assert (energy < limits.threshold).sum() in (1, 2, 3, 4)


@pytest.mark.parametrize("kind", ["noise", "constant", "inverted", "grey", "blurred"])
def test_other_kinds_of_images_are_beyond_the_limit_whatever_their_energy(
    limits: OodThreshold, kind: str
) -> None:
    new = blobs(40, seed=5)
    others = {
        "noise": RNG.integers(0, 256, new.shape).astype(np.uint8),
        "constant": np.broadcast_to(new[:, :1, :1], new.shape),
        "inverted": 255 - new,
        "grey": np.repeat(new[..., :1], 3, axis=3),
        "blurred": new.reshape(40, 4, 4, 4, 4, 3).mean((2, 4)).repeat(4, 1).repeat(4, 2),
    }
    usual = np.zeros(40, np.float32)
    scores = limits.scores(usual, others[kind].astype(np.uint8))
    own = limits.scores(usual, new)
    assert scores is not None and own is not None
    assert (scores > 1).mean() > 0.95
    assert (own > 1).mean() < 0.1


def test_a_low_energy_score_alone_is_beyond_the_limit(limits: OodThreshold) -> None:
    energy = np.array([limits.threshold - 0.1, limits.energy_median], np.float32)
    scores = limits.scores(energy, blobs(2, seed=9))
    assert scores is not None
    assert (scores > 1).tolist() == [True, False]


def test_limits_are_the_same_after_they_were_written_and_read(
    limits: OodThreshold, tmp_path: Path
) -> None:
    text = limits.model_dump_json()
    assert len(text) < 30_000
    read = OodThreshold.model_validate_json(text)
    energy, new = np.zeros(8, np.float32), blobs(8, seed=3)
    assert read == limits
    before, after = limits.scores(energy, new), read.scores(energy, new)
    assert before is not None and after is not None
    assert np.array_equal(before, after)


@pytest.mark.parametrize("line", ["1 2", "x", "nan"])
def test_damaged_statistics_are_refused(limits: OodThreshold, line: str) -> None:
    content = limits.model_dump(mode="json")
    content["image_distribution"]["mean"] = line
    with pytest.raises(ValueError, match=r"mean|number|float"):
        OodThreshold.model_validate(content)
