"""Folds of cross-validation: every image once, stratified, with groups and copies undivided."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.data import (
    TEST,
    VALIDATION,
    Dataset,
    Folds,
    SplitDataset,
    load,
    make_folds,
    make_split,
    most_folds,
    read_split,
    write_split,
)
from headstart.errors import InputError


def made(
    images: int = 60, classes: int = 3, px: int = 8, *, rng_seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(rng_seed)
    pixels = rng.integers(0, 256, (images, px, px, 1), np.uint8)
    return pixels, np.arange(images) % classes


def folded(
    dataset: Dataset, folds: int = 5, repeats: int = 2, validation: float | None = None
) -> Folds:
    data = SplitDataset(dataset, make_split(dataset, validation=validation))
    return make_folds(data, folds, repeats)


def test_every_image_is_tested_once_per_repeat_by_disjoint_training_images() -> None:
    made_folds = folded(load(made()))
    assert made_folds.images.tolist() == list(range(60))
    for splits in made_folds.splits:
        tested = np.concatenate([split.test for split in splits])
        assert sorted(tested.tolist()) == list(range(60))
        for split in splits:
            parts = np.concatenate([split.train, split.validation, split.test])
            assert sorted(parts.tolist()) == list(range(60))
            assert len(split.test) == 12
            # 15 of 85 images that are not tested, as in the usual split.
            assert len(split.validation) == round(48 * 0.15 / 0.85)
    assert (made_folds.fold_of[0] != made_folds.fold_of[1]).any()


def test_folds_are_stratified_and_follow_from_the_seed() -> None:
    pixels, _ = made(97)
    labels = np.repeat([0, 1, 2], [60, 30, 7])
    dataset = load((pixels, labels))
    made_folds = folded(dataset)
    for splits in made_folds.splits:
        counts = np.array([np.bincount(labels[split.test], minlength=3) for split in splits])
        assert (np.ptp(counts, axis=0) <= 1).all()
        assert np.ptp(counts.sum(axis=1)) <= 1
        assert all(np.bincount(labels[split.train], minlength=3).min() > 0 for split in splits)
    assert (folded(dataset).fold_of == made_folds.fold_of).all()


def test_groups_and_copies_stay_in_one_fold() -> None:
    pixels, labels = made(80, 2)
    pixels[1] = pixels[41]  # an exact copy, in another group
    group_of = np.arange(80) // 4
    dataset = replace(load((pixels, labels)), groups=group_of)
    made_folds = folded(dataset)
    assert len(made_folds.images) == 80, "the copy that the split removed is tested as well"
    for fold_of, splits in zip(made_folds.fold_of, made_folds.splits, strict=True):
        for group in range(20):
            assert len(np.unique(fold_of[group_of == group])) == 1
        assert fold_of[1] == fold_of[41]
        for split in splits:
            groups = [set(group_of[rows]) for rows in (split.train, split.validation, split.test)]
            assert not groups[0] & groups[1] and not groups[0] & groups[2]
            assert len(split.validation) > 0


def test_near_copies_stay_in_one_fold() -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (40, 6, 6, 1), np.uint8)
    pixels = small.repeat(8, axis=1).repeat(8, axis=2)  # blocks: pictures with edges
    pixels[39] = np.clip(pixels[0].astype(int) + 3, 0, 255)
    labels = np.arange(40) % 2
    labels[39] = labels[0]
    for fold_of in folded(load((pixels, labels))).fold_of:
        assert fold_of[39] == fold_of[0]


def test_test_images_of_the_user_are_never_mixed_in_and_validation_images_are() -> None:
    pixels, labels = made(90)
    dataset = load((pixels, labels))
    parts = np.zeros(90, np.uint8)
    parts[:30], parts[30:45] = TEST, VALIDATION
    made_folds = folded(replace(dataset, parts=parts))
    assert made_folds.images.tolist() == list(range(30, 90))
    assert made_folds.kept_test == 30

    parts[:30] = 0
    whole = folded(replace(dataset, parts=parts))
    assert (len(whole.images), whole.kept_test) == (90, 0)
    without = SplitDataset(whole.dataset, make_split(whole.dataset, evaluate_on="validation"))
    assert make_folds(without, 5, 1).kept_test == 15


def test_a_class_with_too_few_images_is_refused_with_what_to_do() -> None:
    pixels, _ = made(40)
    labels = np.repeat([0, 1], [37, 3])
    data = SplitDataset(load((pixels, labels)), make_split(load((pixels, labels))))
    assert most_folds(data) == 3
    with pytest.raises(
        InputError, match=r"at least 5 images of each class, but '1' has 3 images"
    ) as e:
        make_folds(data, 5, 1)
    assert "--folds 3 or fewer" in str(e.value)
    with pytest.raises(InputError, match="at least 2 folds"):
        make_folds(data, 1, 1)

    grouped = replace(data.dataset, groups=np.where(labels == 1, 37, np.arange(40)))
    whole = SplitDataset(grouped, make_split(data.dataset))
    with pytest.raises(InputError, match="3 images in 1 group of related images"):
        make_folds(whole, 2, 1)


def test_no_validation_images_are_drawn_where_the_split_has_none() -> None:
    made_folds = folded(load(made()), validation=0)
    assert all(len(split.validation) == 0 for split in made_folds.splits[0])


def test_the_split_of_a_fold_is_written_with_all_images_of_the_cross_validation(
    tmp_path: Path,
) -> None:
    made_folds = folded(load(made()))
    data = made_folds.data(1, 2)
    write_split(data, tmp_path)
    read = read_split(tmp_path, data.dataset)
    assert read.fingerprint == data.split.fingerprint
    assert read.cross_validated is not None
    assert read.cross_validated.tolist() == made_folds.images.tolist()
