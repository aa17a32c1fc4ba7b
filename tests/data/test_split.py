"""Splits: the parts that are kept, the parts that are drawn, and the errors."""

import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart import progress
from headstart.data import (
    TEST,
    TRAIN,
    UNASSIGNED,
    VALIDATION,
    Dataset,
    Split,
    SplitDataset,
    describe,
    make_split,
    read_split,
    write_split,
)
from headstart.data._cache_entry import as_dataset
from headstart.data._types import DecodedImages
from headstart.errors import InputError


def dataset(
    counts: list[int],
    part: NDArray[np.uint8] | None = None,
    groups: list[int] | None = None,
    copies: dict[int, int] | None = None,
) -> Dataset:
    """Make a dataset with `counts[k]` distinct images of class k, shuffled.

    Image `copies[i]` becomes a copy of image i.
    """
    labels = (
        np.random.default_rng(1)
        .permutation(np.repeat(np.arange(len(counts)), counts))
        .astype(np.int64)
    )
    images = np.arange(len(labels), dtype="<u4").view(np.uint8).reshape(-1, 2, 2, 1)
    for original, copy in (copies or {}).items():
        images[copy] = images[original]
    names = tuple(f"class{number}" for number in range(len(counts)))
    tied = None if groups is None else np.array(groups, np.int64)
    return as_dataset(DecodedImages(images, labels, names, part, groups=tied), "toy", "/toy")


def per_class(data: Dataset, indices: NDArray[np.int64]) -> list[int]:
    return [int((data.labels[indices] == label).sum()) for label in range(len(data.class_names))]


def parts_of(split: Split) -> list[list[int]]:
    return [split.train.tolist(), split.validation.tolist(), split.test.tolist()]


def fails(data: Dataset, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        make_split(data, **options)
    return str(caught.value)


def test_without_parts_it_is_70_15_15_in_every_class() -> None:
    data = dataset([200, 100, 40])
    split = make_split(data)
    assert per_class(data, split.train) == [140, 70, 28]
    assert per_class(data, split.validation) == [30, 15, 6]
    assert per_class(data, split.test) == [30, 15, 6]
    assert sorted(chain(*parts_of(split))) == list(range(340))
    assert all(part == sorted(part) for part in parts_of(split))


def test_totals_are_exact() -> None:
    split = make_split(dataset([11] * 7), validation=0.33, test=0)
    assert (len(split.train), len(split.validation), len(split.test)) == (52, 25, 0)


def test_a_datasets_own_test_part_is_kept() -> None:
    part = np.where(np.arange(300) < 240, TRAIN, TEST).astype(np.uint8)
    data = dataset([100, 100, 100], part)
    split = make_split(data)
    assert split.test.tolist() == list(range(240, 300))
    assert len(split.validation) == 36
    assert split.validation.max() < 240


def test_own_validation_is_kept_and_test_is_drawn_from_training() -> None:
    part = np.where(np.arange(200) < 160, TRAIN, VALIDATION).astype(np.uint8)
    split = make_split(dataset([100, 100], part))
    assert split.validation.tolist() == list(range(160, 200))
    assert len(split.test) == 24
    assert len(make_split(dataset([100, 100], part), test=0).test) == 0


def with_own_validation() -> Dataset:
    return dataset([100, 100], np.where(np.arange(200) < 160, TRAIN, VALIDATION).astype(np.uint8))


def test_what_evaluates_is_said_where_data_bring_validation_images_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(progress, "say", lines.append)
    make_split(with_own_validation())
    assert lines == [
        "toy has validation images, but no test images. It is evaluated on 24 images drawn from "
        "its training images. To evaluate on its own 40 validation images, add --evaluate-on "
        "validation"
    ]
    lines.clear()
    make_split(with_own_validation(), test=0.2)
    make_split(with_own_validation(), evaluate_on="test")
    make_split(dataset([100, 100]))
    assert lines == []


def test_own_validation_images_may_evaluate(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(progress, "say", lines.append)
    data = with_own_validation()
    split = make_split(data, evaluate_on="validation")
    assert split.test.tolist() == list(range(160, 200))
    assert len(split.validation) == 24 and split.validation.max() < 160
    assert len(split.train) == 136
    assert lines == [
        "toy: evaluated on its own 40 validation images; 24 images for validation are drawn from "
        "its training images"
    ]
    assert len(make_split(data, evaluate_on="validation", validation=0).train) == 160
    half = make_split(data, evaluate_on="validation", validation=0.5)
    assert (len(half.train), len(half.validation), len(half.test)) == (80, 80, 40)


def test_evaluating_on_validation_images_needs_them_and_no_others() -> None:
    part = np.full(200, TRAIN, np.uint8)
    part[100:150], part[150:] = VALIDATION, TEST
    text = fails(dataset([100, 100], part), evaluate_on="validation")
    assert "toy has its own test images, which are used for the evaluation." in text
    text = fails(dataset([100, 100]), evaluate_on="validation")
    assert "toy has no validation images of its own to evaluate on." in text
    text = fails(with_own_validation(), evaluate_on="validation", test=0.2)
    assert "--evaluate-on validation cannot be combined with --test 0.2" in text
    text = fails(with_own_validation(), evaluate_on="train")
    assert "invalid evaluate_on: expected test or validation, got 'train'." in text


def test_an_own_part_given_as_0_is_left_out_and_not_trained_on() -> None:
    part = np.full(200, TRAIN, np.uint8)
    part[100:150], part[150:] = VALIDATION, TEST
    split = make_split(dataset([100, 100], part), validation=0, test=0)
    assert parts_of(split) == [list(range(100)), [], []]


def test_a_fraction_for_an_own_part_is_an_error() -> None:
    part = np.where(np.arange(200) < 160, TRAIN, TEST).astype(np.uint8)
    text = fails(dataset([100, 100], part), test=0.2)
    assert "test is 0.2, but toy has its own 40 test images" in text
    assert "--test" in text


def test_each_choice_has_its_own_stream() -> None:
    data = dataset([100, 100])
    base = make_split(data)
    assert make_split(data, validation=0.3).test.tolist() == base.test.tolist()
    assert make_split(data, train_images=20).validation.tolist() == base.validation.tolist()
    assert parts_of(make_split(data, seed=1)) != parts_of(base)


def test_a_split_does_not_depend_on_numpys_global_state() -> None:
    data = dataset([50, 50])
    np.random.seed(1)
    first = make_split(data, seed=3)
    np.random.seed(2)
    assert parts_of(make_split(data, seed=3)) == parts_of(first)
    assert make_split(data, seed=3).fingerprint == first.fingerprint


def test_splits_do_not_change_between_versions() -> None:
    """Runs refer to splits for years. A new NumPy or an edit must not move an image."""
    images = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1)
    data = as_dataset(DecodedImages(images, np.arange(20) % 2, ("a", "b")), "toy", "/toy")
    split = make_split(data, seed=0, train_images=4)
    assert parts_of(split) == [[4, 8, 15, 19], [1, 3, 12], [2, 7, 18]]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"validation": 1.0},
            "invalid validation: expected a fraction from 0 up to, but not including, 1, got 1.",
        ),
        ({"test": -0.1}, "not including, 1, got -0.1."),
        ({"test": float("nan")}, "not including, 1, got nan."),
        ({"validation": 0.5, "test": 0.5}, "validation 0.5 and test 0.5 leave no training images"),
        ({"validation": 0.9}, "leave no training images"),
        (
            {"seed": -1},
            "invalid seed of the split: expected an integer from 0 to 2^63 - 1, got -1.\n"
            "  For example: --split-seed 0",
        ),
        ({"seed": 2**63}, "from 0 to 2^63 - 1, got 9223372036854775808."),
    ],
)
def test_fractions_are_checked(options: dict[str, float], text: str) -> None:
    assert text in fails(dataset([50, 50]), **options)


def test_the_largest_seed_is_kept_in_the_file(tmp_path: Path) -> None:
    data = dataset([50, 50])
    write_split(SplitDataset(data, make_split(data, seed=2**63 - 1)), tmp_path)
    assert read_split(tmp_path, data).seed == 2**63 - 1


def test_the_seed_decides_which_classes_a_small_part_lacks() -> None:
    data = dataset([5] * 120)
    splits = [make_split(data, seed=seed) for seed in (0, 1)]
    lacking = [
        set(np.flatnonzero(np.array(per_class(data, split.test)) == 0).tolist()) for split in splits
    ]
    for split, classes in zip(splits, lacking, strict=True):
        assert (len(split.train), len(split.validation), len(split.test)) == (420, 90, 90)
        assert max(per_class(data, split.test)) == 1
        assert classes - set(range(90, 120))
    assert lacking[0] != lacking[1]


def test_a_class_of_three_images_is_in_every_part_where_the_fraction_allows() -> None:
    data = dataset([300, 40, 3, 3, 3, 2, 1])
    split = make_split(data)
    assert per_class(data, split.train)[2:] == [1, 1, 1, 2, 1]
    assert per_class(data, split.validation)[2:5] == per_class(data, split.test)[2:5] == [1, 1, 1]
    assert len(split.validation) == len(split.test) == round(0.15 * len(data))
    small = dataset([3, 3, 30])
    assert 0 not in per_class(small, make_split(small, test=0.6, validation=0.1).test)
    assert 0 not in per_class(small, make_split(small, test=0.6, validation=0.1).validation)


def test_a_class_does_not_give_more_for_the_sake_of_classes_of_one_image() -> None:
    data = dataset([20] + [1] * 60)
    assert per_class(data, make_split(data, validation=0).test) == [3] + [0] * 60


def test_a_fraction_that_rounds_to_no_image_is_an_error() -> None:
    assert "test would be empty: 0.1 of 4 images rounds to none." in fails(
        dataset([2, 2]), test=0.1
    )


def test_train_images_are_stratified_and_nested() -> None:
    data = dataset([400, 200, 50])
    full = set(make_split(data).train.tolist())
    small, large = (make_split(data, train_images=count).train for count in (40, 130))
    assert (len(small), len(large)) == (40, 130)
    assert set(small.tolist()) < set(large.tolist()) < full
    assert np.abs(np.array(per_class(data, large)) - [80, 40, 10]).max() <= 1
    assert make_split(data, train_images=3).train.shape == (3,)
    assert per_class(data, make_split(data, train_images=3).train) == [1, 1, 1]
    equal = dataset([100] * 5)
    assert per_class(equal, make_split(equal, train_images=50).train) == [10] * 5


@pytest.mark.parametrize("count", [71, 1, 0, -5])
def test_the_error_about_too_many_train_images_gives_the_range(count: int) -> None:
    text = fails(dataset([50, 50]), train_images=count)
    assert f"invalid train_images: expected 2 (one per class) to 70 (all), got {count}." in text


def test_copies_of_held_out_images_are_removed_from_training_and_counted() -> None:
    part = np.full(100, TRAIN, np.uint8)
    part[80:90], part[90:] = VALIDATION, TEST
    data = dataset([50, 50], part, copies={85: 3, 95: 4, 96: 86, 10: 11})
    split = make_split(data)
    assert split.duplicates_removed == 2
    assert {3, 4}.isdisjoint(split.train.tolist())
    assert {10, 11} <= set(split.train.tolist())
    assert 86 in split.validation
    assert not {row.tobytes() for row in data.hashes[split.train]} & {
        row.tobytes() for row in data.hashes[split.test]
    }


def test_copies_are_removed_before_train_images_are_chosen() -> None:
    part = np.full(100, TRAIN, np.uint8)
    part[80:] = TEST
    data = dataset([50, 50], part, copies={90: 3, 91: 4})
    assert "to 78 (all), got 79." in fails(data, validation=0, train_images=79)


def test_a_class_left_without_training_images_is_named() -> None:
    data = dataset([10, 10, 1])
    assert per_class(data, make_split(data, validation=0, test=0.6).train) == [4, 4, 1]
    part = np.full(60, TRAIN, np.uint8)
    part[dataset([30, 30]).labels == 1] = TEST
    text = fails(dataset([30, 30], part), validation=0)
    assert "class 'class1' has 30 images, and none is left for training" in text


def test_groups_stay_together() -> None:
    groups = np.random.default_rng(0).integers(0, 60, 600).tolist()
    data = dataset([300, 200, 100], groups=groups)
    split = make_split(data, seed=2)
    seen = [
        set(np.array(groups)[part].tolist()) for part in (split.train, split.validation, split.test)
    ]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    assert sorted(chain(*parts_of(split))) == list(range(600))
    for part in (split.validation, split.test):
        assert np.abs(np.array(per_class(data, part)) - [45, 30, 15]).max() <= 12
    assert parts_of(make_split(data, seed=3)) != parts_of(split)


def test_groups_too_large_for_a_fraction_are_an_error_and_missing_classes_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(progress, "say", lines.append)
    text = fails(dataset([10, 10], groups=[0, 1] * 10))
    assert (
        "test would be empty: 2 groups of 20 images, which stay together, "
        "cannot give about 3 images to test" in text
    )
    assert "Name a finer column with --group-by" in text
    assert "1 group of 2 images, which stay together, cannot give about 1 image to" in fails(
        dataset([1, 1], groups=[0, 0]), test=0.4, validation=0
    )
    plain = dataset([40, 20])
    groups = np.where(plain.labels == 1, 100, np.arange(60) // 4).tolist()
    make_split(dataset([40, 20], groups=groups))
    assert any(
        "1 of the 2 classes has no test image" in line and "'class1'" in line for line in lines
    )
    assert any("the groups may be too large" in line for line in lines)


def test_a_group_in_two_own_parts_is_an_error() -> None:
    part = np.where(np.arange(20) < 15, TRAIN, TEST).astype(np.uint8)
    text = fails(dataset([10, 10], part, groups=[*range(15), 3, 16, 17, 18, 19]))
    assert "groups with images in more than one part: 1." in text
    assert "test and train" in text


def test_a_split_is_read_as_it_was_written(tmp_path: Path) -> None:
    data = dataset([30, 30], copies={5: 6})
    split = make_split(data, seed=4, train_images=12)
    write_split(SplitDataset(data, split), tmp_path)
    again = read_split(tmp_path, data)
    assert parts_of(again) == parts_of(split)
    assert (again.seed, again.duplicates_removed, again.fingerprint) == (
        4,
        split.duplicates_removed,
        split.fingerprint,
    )
    assert again.train.dtype == np.int64


def test_a_split_of_data_that_changed_is_an_error(tmp_path: Path) -> None:
    data = dataset([30, 30])
    write_split(SplitDataset(data, make_split(data)), tmp_path)
    assert "images that were changed, moved or removed: 2 of the 60 images" in reading_fails(
        tmp_path, dataset([30, 30], copies={0: 7, 1: 9})
    )
    assert "of the 60 images" in reading_fails(tmp_path, dataset([20, 20]))
    relabelled = as_dataset(
        DecodedImages(data.images, 1 - data.labels, data.class_names), "toy", "/toy"
    )
    assert "the labels of the images of the split" in reading_fails(tmp_path, relabelled)


def test_a_missing_or_damaged_split_is_an_input_error(tmp_path: Path) -> None:
    data = dataset([30, 30])
    assert "split.npz does not exist" in reading_fails(tmp_path, data)
    write_split(SplitDataset(data, make_split(data)), tmp_path)
    path = tmp_path / "split.npz"
    path.write_bytes(path.read_bytes()[:300])
    assert "split.npz cannot be read" in reading_fails(tmp_path, data)


def reading_fails(folder: Path, data: Dataset) -> str:
    with pytest.raises(InputError) as caught:
        read_split(folder, data)
    return str(caught.value)


def test_the_description_is_json_and_its_counts_add_up() -> None:
    data = dataset([20, 40], np.full(60, UNASSIGNED, np.uint8))
    about = json.loads(json.dumps(describe(SplitDataset(data, make_split(data)))))
    assert about["class_names"] == ["class0", "class1"]
    assert about["image_shape"] == [2, 2, 1]
    assert about["parts"]["test"] == {"images": 9, "per_class": [3, 6]}
    assert sum(part["images"] for part in about["parts"].values()) == about["images"] == 60
    assert about["fingerprint"] == data.fingerprint


def test_warnings_name_classes_without_test_images(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(progress, "say", lines.append)
    data = dataset([206] + [1] * 7)
    split = make_split(data, validation=0, test=0.1)
    assert describe(SplitDataset(data, split))["warnings"] == [
        "7 of the 8 classes have no test image, so test scores say nothing about them: "
        "'class1', 'class2', 'class3', 'class4', 'class5' and 2 more."
    ]
    assert lines == describe(SplitDataset(data, split))["warnings"]


def test_a_split_without_faults_has_no_warnings() -> None:
    data = dataset([40, 40])
    assert describe(SplitDataset(data, make_split(data)))["warnings"] == []
    assert describe(SplitDataset(data, make_split(data, test=0, validation=0)))["warnings"] == []


def test_warnings_count_copies_and_images_with_two_labels() -> None:
    part = np.full(100, TRAIN, np.uint8)
    part[80:90], part[90:] = VALIDATION, TEST
    plain = dataset([50, 50], part)
    zeros, ones = (np.flatnonzero(plain.labels[:80] == label) for label in (0, 1))
    data = dataset([50, 50], part, copies={int(zeros[0]): 95})
    assert (
        warnings_of(data)[0]
        == "1 exact copy of a validation or test image was removed from training."
    )
    data = dataset(
        [50, 50], part, copies={int(zeros[0]): int(ones[0]), int(zeros[1]): int(zeros[2])}
    )
    first, second = sorted((int(zeros[0]), int(ones[0])))
    (sentence,) = warnings_of(data)
    names = [f"{row:06d} ('class{data.labels[row]}')" for row in (first, second)]
    assert sentence == f"1 image has more than one label: {names[0]} and {names[1]} are the same."
    data = dataset([50, 50], part, copies={int(zeros[k]): int(ones[k]) for k in range(3)})
    (sentence,) = warnings_of(data)
    assert sentence.startswith("3 images have more than one label. For example, ")


def warnings_of(data: Dataset) -> list[str]:
    warnings = describe(SplitDataset(data, make_split(data)))["warnings"]
    assert isinstance(warnings, list)
    return warnings


def test_the_error_about_a_class_of_identical_images_suggests_different_ones() -> None:
    plain = dataset([20, 20])
    rows = np.flatnonzero(plain.labels == 1).tolist()
    text = fails(identical(plain, rows))
    assert (
        "class 'class1' has 20 images, and all that are left for training are exact copies" in text
    )
    assert "Add different images" in text
    assert "--test" not in text


def identical(data: Dataset, rows: list[int]) -> Dataset:
    images = data.images.copy()
    images[rows] = images[rows[0]]
    return as_dataset(DecodedImages(images, data.labels, data.class_names), "toy", "/toy")
