"""Groups inferred from file names, EXIF and near duplicates, and `--group-by inferred`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from headstart.data import (
    INFERRED,
    Split,
    infer_groups,
    load,
    make_split,
    read_file_facts,
)

CLASSES = ("cat", "dog", "fox")


def _save(path: Path, colour: int, seed: int, taken: str | None = None) -> None:
    """Write a noisy 16x16 photograph whose ground has the given colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(0, 25, (16, 16, 3))
    ground = np.random.default_rng(1000 + colour).uniform(60, 200, 3)
    image = Image.fromarray(np.clip(ground + noise, 0, 255).astype(np.uint8))
    exif = Image.Exif()
    if taken is not None:
        exif[0x0132] = taken
        exif[0x0110] = "Camera"
    image.save(path, "JPEG", exif=exif)


def _expected(names: tuple[str, ...], group_of: dict[str, int]) -> NDArray[np.int64]:
    return np.array([group_of[Path(name).name] for name in names])


def _same_partition(left: NDArray[np.int64], right: NDArray[np.int64]) -> bool:
    return bool(((left[:, None] == left) == (right[:, None] == right)).all())


@pytest.mark.parametrize(
    "pattern",
    [
        "patient_{group:03d}_{image:02d}.jpg",
        "p{group}-{image}.jpg",
        "clip{group}_frame{image:04d}.jpg",
    ],
)
def test_names_that_share_their_beginning_form_groups(tmp_path: Path, pattern: str) -> None:
    group_of = {}
    for group in range(12):
        for image in range(6):
            name = pattern.format(group=group, image=image)
            group_of[name] = group
            _save(tmp_path / CLASSES[image % 3] / name, group, 10 * group + image)

    dataset = load(tmp_path)
    inferred = infer_groups(dataset)

    assert inferred.sources == ("file names",)
    assert _same_partition(inferred.groups, _expected(dataset.image_names, group_of))


def test_running_numbers_whose_classes_repeat_form_groups(tmp_path: Path) -> None:
    group_of = {}
    for number in range(45):
        name = f"IMG_{1000 + number}.JPG"
        group_of[name] = number // 3
        _save(tmp_path / CLASSES[number % 3] / name, number // 3, number)

    dataset = load(tmp_path)

    assert _same_partition(infer_groups(dataset).groups, _expected(dataset.image_names, group_of))


def test_bursts_of_a_camera_form_groups(tmp_path: Path) -> None:
    group_of = {}
    order = np.random.default_rng(0).permutation(40)
    for burst in range(10):
        for shot in range(4):
            name = f"{chr(97 + order[4 * burst + shot] % 26)}{order[4 * burst + shot]}x.jpg"
            group_of[name] = burst
            taken = f"2020:01:01 10:{burst:02d}:{10 + 2 * shot:02d}"
            _save(tmp_path / CLASSES[burst % 2] / name, burst, 4 * burst + shot, taken)

    dataset = load(tmp_path)
    inferred = infer_groups(dataset)

    assert inferred.sources == ("EXIF",)
    assert _same_partition(inferred.groups, _expected(dataset.image_names, group_of))


@pytest.mark.parametrize(
    "pattern", ["{number:05d}.jpg", "{label}_{number}.jpg", "IMG_{number}.jpg"]
)
def test_names_without_meaning_form_no_groups(tmp_path: Path, pattern: str) -> None:
    for number in range(60):
        label = CLASSES[number // 20]
        name = pattern.format(number=number, label=label)
        _save(tmp_path / label / name, int(number * 7919 % 60), number)

    inferred = infer_groups(load(tmp_path))

    assert inferred.count == 0
    assert inferred.sentence.startswith("no groups")


def test_group_by_inferred_gives_the_same_groups_again_and_divides_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for group in range(12):
        for image in range(6):
            name = f"patient_{group:03d}_{image:02d}.jpg"
            _save(tmp_path / CLASSES[image % 3] / name, group, 10 * group + image)

    dataset = load(tmp_path, group_by=INFERRED)
    monkeypatch.setattr("headstart.data.groups._with_groups.infer_groups", None)
    again = load(tmp_path, group_by=INFERRED)

    assert dataset.options["group_by"] == INFERRED
    assert dataset.groups is not None and again.groups is not None
    assert len(np.unique(dataset.groups)) == 12
    assert (again.groups == dataset.groups).all()
    assert not _divided_groups(dataset.groups, make_split(dataset))
    assert _divided_groups(dataset.groups, make_split(load(tmp_path)))


def _divided_groups(groups: NDArray[np.int64], split: Split) -> set[int]:
    train, validation, test = (set(groups[rows].tolist()) for rows in split.parts.values())
    return train & validation | train & test | validation & test


def test_arrays_are_grouped_by_near_duplicates() -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3)).astype(np.uint8)
    images[20:25] = images[:5]

    dataset = load((images, np.arange(30) % 2), group_by=INFERRED)

    assert dataset.groups is not None
    assert (dataset.groups[20:25] == dataset.groups[:5]).all()
    assert len(np.unique(dataset.groups)) == 25


def test_an_image_without_relatives_is_named_beside_the_groups() -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3)).astype(np.uint8)
    images[20:30] = images[:10]
    both = infer_groups(load((images, np.arange(30) % 2)))
    assert both.sentence.startswith("10 groups of about 2 images")
    assert both.sentence.endswith("; 10 other images are groups of their own")
    assert len(np.unique(both.groups)) == 10 + 10
    one = infer_groups(load((images[:21], np.arange(21) % 2)))
    assert one.sentence.endswith("; 19 other images are groups of their own")
    pairs = infer_groups(load((images[[0, 20, 1]], np.array([0, 0, 1]))))
    assert pairs.sentence.endswith("; 1 other image is a group of its own")
    whole = infer_groups(load((images[[0, 20, 1, 21]], np.array([0, 0, 1, 1]))))
    assert whole.sentence.endswith("near duplicates)")


def test_groups_end_at_the_parts_that_come_with_the_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("train", "test"):
        for number, name in enumerate(CLASSES):
            for copy in range(4):
                # Photograph 0 of each class is in both parts.
                seed = 100 * number + copy if copy else number
                offset = 50 if part == "test" and copy else 0
                _save(tmp_path / part / name / f"{copy}.jpg", number, seed + offset)
    data = load(tmp_path, group_by=INFERRED)
    assert data.groups is not None
    for group in np.unique(data.groups):
        assert len(np.unique(data.parts[data.groups == group])) == 1
    make_split(data)


@pytest.mark.parametrize(
    ("maker", "model", "name"),
    [
        ("Canon", "Canon EOS 550D", "Canon EOS 550D"),
        ("NIKON CORPORATION", "NIKON D90", "NIKON D90"),
        ("Apple", "iPhone 7", "Apple iPhone 7"),
        ("SONY\0", "DSC-F828 ", "SONY DSC-F828"),
        ("Canon", None, "Canon"),
        (None, "EOS 550D", "EOS 550D"),
        (None, None, ""),
    ],
)
def test_a_camera_has_the_name_of_its_maker_once(
    tmp_path: Path, maker: str | None, model: str | None, name: str
) -> None:
    exif = Image.Exif()
    for tag, value in ((0x010F, maker), (0x0110, model)):
        if value is not None:
            exif[tag] = value
    for number, label in enumerate(CLASSES[:2]):
        (tmp_path / label).mkdir()
        image = Image.new("RGB", (16, 16), (200, 90 * number, 0))
        image.save(tmp_path / label / "photo.jpg", exif=exif)
    facts = read_file_facts(load(tmp_path))
    assert facts is not None and facts.camera == (name, name)
