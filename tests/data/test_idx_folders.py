"""Folders of IDX files: any prefix, several sets, EMNIST's transposition, unpacked folders."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import progress
from headstart.data import TEST, TRAIN, UNASSIGNED, VALIDATION, load
from headstart.data.formats.arrays._idx_sets import IMAGES, LABELS, parse_idx_name
from headstart.errors import InputError

PICTURES = np.arange(6 * 4 * 5, dtype=np.uint8).reshape(6, 4, 5)
NUMBERS = np.array([1, 3, 1, 3, 26, 26], np.uint8)
TYPES = {np.dtype("u1"): 0x08, np.dtype(">i4"): 0x0C}


def idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, TYPES[array.dtype], array.ndim])
    content = header + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def idx_set(folder: Path, prefix: str = "", parts: tuple[str, str] = ("train", "test")) -> None:
    for part, count in zip(parts, (6, 4), strict=True):
        idx(folder / f"{prefix}{part}-images-idx3-ubyte.gz", PICTURES[:count])
        idx(folder / f"{prefix}{part}-labels-idx1-ubyte.gz", NUMBERS[:count])


def fails(source: Any) -> str:
    with pytest.raises(InputError) as caught:
        load(source)
    return str(caught.value)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(progress, "say", said.append)
    return said


@pytest.mark.parametrize(
    ("name", "set_name", "part", "role"),
    [
        ("train-images-idx3-ubyte", "", TRAIN, IMAGES),
        ("t10k-labels.idx1-ubyte.gz", "", TEST, LABELS),
        ("emnist-letters-test-images-idx3-ubyte.gz", "emnist-letters", TEST, IMAGES),
        ("EMNIST-Digits-Train-Labels-IDX1-ubyte", "EMNIST-Digits", TRAIN, LABELS),
        ("qmnist-train-labels-idx2-int.gz", "qmnist", TRAIN, LABELS),
        ("my_set_valid_images.idx3-ubyte", "my_set", VALIDATION, IMAGES),
        ("images-idx3-ubyte", "", UNASSIGNED, IMAGES),
        ("letters-labels-idx1-ubyte", "letters", UNASSIGNED, LABELS),
    ],
)
def test_a_name_says_set_part_and_role(name: str, set_name: str, part: int, role: str) -> None:
    parsed = parse_idx_name(name)
    assert parsed is not None
    assert (parsed.set_name, parsed.part, parsed.role) == (set_name, part, role)


@pytest.mark.parametrize("name", ["train.csv", "idx3.png", "train-images-idx3-ubyte.gz.part"])
def test_other_names_are_not_idx(name: str) -> None:
    assert parse_idx_name(name) is None


@pytest.mark.parametrize("prefix", ["emnist-letters-", "kmnist_", "Kuzushiji.", "a-b-c-"])
def test_a_set_of_any_prefix_is_read_with_its_parts(tmp_path: Path, prefix: str) -> None:
    idx_set(tmp_path, prefix)
    dataset = load(tmp_path)
    assert dataset.class_names == ("1", "3", "26")
    assert dataset.labels.tolist() == [0, 1, 0, 1, 2, 2, 0, 1, 0, 1]
    assert dataset.parts.tolist() == [TRAIN] * 6 + [TEST] * 4


def test_emnist_is_turned_upright_and_others_are_not(tmp_path: Path, lines: list[str]) -> None:
    idx_set(tmp_path / "kmnist", "kmnist-")
    idx_set(tmp_path / "emnist", "emnist-balanced-")
    assert load(tmp_path / "kmnist").image_shape == (4, 5, 1)
    assert not [line for line in lines if "transposed" in line]
    turned = load(tmp_path / "emnist")
    assert turned.image_shape == (5, 4, 1)
    assert (turned.images[:6, ..., 0] == PICTURES.transpose(0, 2, 1)).all()
    assert [line for line in lines if "EMNIST stores its images transposed" in line]


def test_a_mapping_file_names_the_classes(tmp_path: Path, lines: list[str]) -> None:
    idx_set(tmp_path, "emnist-letters-")
    mapping = "\n".join(f"{number} {64 + number} {96 + number}" for number in range(1, 27))
    (tmp_path / "emnist-letters-mapping.txt").write_text(mapping)
    assert load(tmp_path).class_names == ("Aa", "Cc", "Zz")
    assert [line for line in lines if "class 1 is 'Aa'" in line]
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 65\n")
    assert load(tmp_path).class_names == ("1", "3", "26")
    assert [line for line in lines if "has no line for class 3" in line]


def test_several_sets_are_refused_and_a_file_chooses_one(tmp_path: Path) -> None:
    idx_set(tmp_path, "emnist-letters-")
    idx_set(tmp_path, "emnist-digits-")
    idx_set(tmp_path, "", ("train", "t10k"))
    text = fails(tmp_path)
    assert "holds 3 sets of IDX files: expected one, got MNIST names (train, test); " in text
    assert "emnist-digits (train, test); emnist-letters (train, test)" in text
    assert "Name a file of the set" in text
    chosen = load(tmp_path / "emnist-letters-test-labels-idx1-ubyte.gz")
    assert chosen.image_shape == (5, 4, 1) and len(chosen) == 10
    assert load(tmp_path / "train-images-idx3-ubyte.gz").image_shape == (4, 5, 1)


def test_unpacked_folders_and_wrappers_are_searched(tmp_path: Path, lines: list[str]) -> None:
    raw = tmp_path / "MNIST" / "raw"
    for word in ("train", "t10k"):
        idx(raw / f"{word}-images-idx3-ubyte" / f"{word}-images-idx3-ubyte", PICTURES)
        idx(raw / f"{word}-labels-idx1-ubyte" / f"{word}-labels.idx1-ubyte", NUMBERS)
    for place in (tmp_path, raw, raw / "train-images-idx3-ubyte" / "train-images-idx3-ubyte"):
        assert load(place).parts.tolist() == [TRAIN] * 6 + [TEST] * 6
    # Kaggle's archive of MNIST holds every file twice.
    idx(raw / "train-images.idx3-ubyte", PICTURES)
    idx(raw / "train-images-idx3-ubyte.gz", PICTURES)
    assert len(load(raw)) == 12
    assert [line for line in lines if "ignored its copies" in line]


def test_a_set_without_parts_is_split_later(tmp_path: Path) -> None:
    idx(tmp_path / "images-idx3-ubyte", PICTURES)
    idx(tmp_path / "labels-idx1-ubyte", NUMBERS)
    assert set(load(tmp_path).parts.tolist()) == {UNASSIGNED}


def test_the_labels_of_qmnist_are_the_first_column(tmp_path: Path) -> None:
    columns = np.stack([NUMBERS.astype(int), np.arange(6)], axis=1).astype(">i4")
    idx(tmp_path / "qmnist-train-images-idx3-ubyte", PICTURES)
    idx(tmp_path / "qmnist-train-labels-idx2-int", columns)
    assert load(tmp_path).labels.tolist() == [0, 1, 0, 1, 2, 2]


def test_errors_about_a_set_name_the_missing_file(tmp_path: Path) -> None:
    idx(tmp_path / "emnist-letters-train-images-idx3-ubyte", PICTURES)
    assert "but no emnist-letters-train-labels-idx1-ubyte" in fails(tmp_path)
    idx(tmp_path / "two" / "emnist-mnist-test-images-idx3-ubyte", PICTURES)
    idx(tmp_path / "two" / "emnist-mnist-test-labels-idx1-ubyte", NUMBERS)
    assert "has no emnist-mnist-train-images-idx3-ubyte" in fails(tmp_path / "two")
    idx(tmp_path / "three" / "train-images-idx3-ubyte", PICTURES)
    idx(tmp_path / "three" / "images-idx3-ubyte", PICTURES)
    assert "others without a part: images-idx3-ubyte" in fails(tmp_path / "three")


def test_a_second_download_of_a_browser_is_read(tmp_path: Path) -> None:
    idx(tmp_path / "train-images-idx3-ubyte (1)", PICTURES)
    idx(tmp_path / "train-labels-idx1-ubyte(2)", NUMBERS)
    data = load(tmp_path)
    assert [data.class_names[label] for label in data.labels] == [str(n) for n in NUMBERS]
