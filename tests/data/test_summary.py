"""A dataset and its split in one line."""

from __future__ import annotations

import numpy as np

from headstart.data import Dataset, SplitDataset, describe, load, make_split, summary_line


def dataset_of(counts: list[int]) -> Dataset:
    labels = np.repeat([f"class {number:03d}" for number in range(len(counts))], counts)
    images = np.arange(len(labels), dtype="<u4").view(np.uint8).reshape(-1, 2, 2)
    return load((images, labels))


def test_the_first_line_of_a_command_names_parts_and_classes() -> None:
    digits = load("digits")
    assert summary_line(SplitDataset(digits, make_split(digits))) == (
        "digits: 1,797 images (train 1,257, validation 270, test 270); 10 classes: "
        "0 (178), 1 (182), 2 (177), 3 (183), 4 (181), 5 (182), 6 (181), 7 (179), 8 (174), 9 (180)"
    )


def test_images_outside_every_part_are_counted() -> None:
    digits = load("digits")
    line = summary_line(SplitDataset(digits, make_split(digits, train_images=200, test=0)))
    assert "(train 200, validation 270, test 0; 1,327 unused)" in line


def test_only_ten_of_many_classes_are_named() -> None:
    dataset = dataset_of([4] * 230)
    line = summary_line(SplitDataset(dataset, make_split(dataset)))
    assert "230 classes: class 000 (4), " in line
    assert line.endswith("class 009 (4) and 220 more")


def test_a_large_dataset_and_its_split_have_short_representations() -> None:
    dataset = dataset_of([2000, 3000])
    split = make_split(dataset)
    assert repr(dataset) == "<Dataset arrays: 5,000 images of 2x2 pixels, grey; 2 classes>"
    assert repr(split) == "<Split: train 3,500, validation 750, test 750; seed 0>"


def test_a_name_never_breaks_the_line() -> None:
    images = np.zeros((12, 2, 2), np.uint8)
    dataset = load((images, np.array(["a\nb", "x" * 500] * 6)))
    line = summary_line(SplitDataset(dataset, make_split(dataset, validation=0, test=0)))
    assert "a\\nb (6)" in line and "\n" not in line
    assert len(line) < 200
    described = describe(SplitDataset(dataset, make_split(dataset, validation=0, test=0)))
    assert "('a\\\\nb')" in str(described["warnings"])
