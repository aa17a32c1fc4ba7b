"""Arrays in files: the keys that people use, the shapes they have, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import progress, store
from headstart.data import TEST, TRAIN, UNASSIGNED, VALIDATION, load
from headstart.data.formats.arrays import _array_files
from headstart.errors import InputError

IMAGES = np.arange(6 * 8 * 8, dtype=np.uint16).astype(np.uint8).reshape(6, 8, 8)
LABELS = np.array([1, 3, 1, 3, 7, 7], np.uint8)
COLOUR = np.arange(6 * 3 * 8 * 9, dtype=np.uint16).astype(np.uint8).reshape(6, 3, 8, 9)


def save(path: Path, arrays: dict[str, Any]) -> None:
    np.savez(path, **arrays)


def fails(source: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        load(source, **options)
    return str(caught.value)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(progress, "say", said.append)
    return said


@pytest.mark.parametrize(
    "keys",
    [
        ["train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"],
        ["x_train", "y_train", "x_val", "y_val", "x_test", "y_test"],
        ["X_train", "Y_train", "X_valid", "Y_valid", "X_test", "Y_test"],
        ["trainX", "trainY", "validX", "validY", "testX", "testY"],
        ["train_data", "train_targets", "dev_data", "dev_targets", "test_data", "test_targets"],
        ["images_train", "labels_train", "images_val", "labels_val", "images_test", "labels_test"],
        [
            "a-train-imgs",
            "a-train-labels",
            "a-val-imgs",
            "a-val-labels",
            "a-test-imgs",
            "a-test-labels",
        ],
    ],
)
@pytest.mark.parametrize("in_folder", [False, True])
def test_keys_name_parts_images_and_labels(
    tmp_path: Path, keys: list[str], in_folder: bool
) -> None:
    arrays = [IMAGES, LABELS[:, None], IMAGES[:4], LABELS[:4, None], IMAGES[2:5], LABELS[2:5, None]]
    path = tmp_path / "medical.npz"
    if in_folder:
        path = tmp_path
        for key, array in zip(keys, arrays, strict=True):
            np.save(tmp_path / f"{key}.npy", array)
    else:
        save(path, dict(zip(keys, arrays, strict=True)))
    dataset = load(path)
    assert dataset.parts.tolist() == [TRAIN] * 6 + [VALIDATION] * 4 + [TEST] * 3
    assert dataset.class_names == ("1", "3", "7")
    assert dataset.labels.tolist() == [0, 1, 0, 1, 2, 2, 0, 1, 0, 1, 0, 1, 2]
    assert (dataset.images[:6, ..., 0] == IMAGES).all()


@pytest.mark.parametrize(
    "keys", [("X", "y"), ("data", "labels"), ("data", "target"), ("imgs", "label"), ("image", "Y")]
)
def test_undivided_arrays_have_many_names(tmp_path: Path, keys: tuple[str, str]) -> None:
    save(tmp_path / "a.npz", {keys[0]: IMAGES, keys[1]: LABELS})
    dataset = load(tmp_path / "a.npz")
    assert set(dataset.parts.tolist()) == {UNASSIGNED} and len(dataset) == 6


def test_arrays_without_names_are_read_by_position(tmp_path: Path, lines: list[str]) -> None:
    np.savez(tmp_path / "a.npz", IMAGES, LABELS)
    assert load(tmp_path / "a.npz").class_names == ("1", "3", "7")
    assert "arr_0 is read as the images, arr_1 as the labels" in lines[0]


def test_other_arrays_are_ignored_and_named(tmp_path: Path, lines: list[str]) -> None:
    meta = np.array([{"a": 1}], object)
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS, ids=LABELS, meta=meta)
    assert len(load(tmp_path / "a.npz")) == 6
    assert [line for line in lines if "ignored the arrays 'ids', 'meta'" in line]


def test_files_of_one_array_each_form_a_dataset(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "kmnist-train-imgs.npz", IMAGES)
    np.savez_compressed(tmp_path / "kmnist-train-labels.npz", LABELS)
    assert load(tmp_path).labels.tolist() == [0, 1, 0, 1, 2, 2]
    np.savez(tmp_path / "kmnist-train-labels.npz", LABELS, LABELS)
    assert "kmnist-train-labels.npz holds 2 arrays: expected one" in fails(tmp_path)


def test_one_hot_labels_are_read(tmp_path: Path, lines: list[str]) -> None:
    one_hot = np.eye(8, dtype=np.float32)[LABELS]
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=one_hot)
    assert load(tmp_path / "a.npz").class_names == ("1", "3", "7")
    assert [line for line in lines if "labels of shape (6, 8) are one-hot" in line]
    names = np.array(["a", "b", "c"])
    np.savez(tmp_path / "b.npz", images=IMAGES, labels=np.eye(3)[[0, 1, 2] * 2], class_names=names)
    assert load(tmp_path / "b.npz").class_names == ("a", "b", "c")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, bool])
def test_several_labels_per_image_are_refused(tmp_path: Path, dtype: type) -> None:
    several: np.ndarray = np.zeros((6, 14), dtype)
    several[0, :2] = several[3, 4:7] = several[5, 1] = 1
    np.savez(tmp_path / "chest.npz", train_images=IMAGES, train_labels=several)
    text = fails(tmp_path / "chest.npz")
    assert "multi-label is not supported: 2 of 6 rows" in text
    assert "(row 0 has 2), and 3 have none." in text


def test_other_columns_of_labels_are_refused() -> None:
    empty = np.eye(6)
    empty[2, 2] = 0
    assert "1 of 6 rows in the labels of the pair of arrays have no 1" in fails((IMAGES, empty))
    soft = np.full((6, 4), 0.25)
    assert "pass labels.argmax(axis=1)" in fails((IMAGES, soft))
    fine_and_coarse = np.stack([LABELS, LABELS], axis=1)
    assert "expected one label per image, (6,), or a single 1 per row" in fails(
        (IMAGES, fine_and_coarse)
    )
    assert "got (6, 2, 2)" in fails((IMAGES, np.zeros((6, 2, 2))))
    assert "learns classes only" in fails((IMAGES, np.linspace(0.1, 0.7, 6)))


def test_channels_first_are_moved_to_the_end(lines: list[str]) -> None:
    dataset = load((COLOUR, LABELS))
    assert dataset.image_shape == (8, 9, 3)
    assert (dataset.images == COLOUR.transpose(0, 2, 3, 1)).all()
    assert [line for line in lines if "shape (6, 3, 8, 9) has the channels first" in line]
    assert load((COLOUR[:, :1] / 255.0, LABELS)).image_shape == (8, 9, 1)
    # Where both could be channels, the last dimension is.
    assert load((COLOUR[..., :3].transpose(0, 1, 2, 3), LABELS)).image_shape == (3, 8, 3)


def test_rows_of_square_images_are_read(lines: list[str]) -> None:
    dataset = load((IMAGES.reshape(6, -1), LABELS))
    assert (dataset.images[..., 0] == IMAGES).all()
    assert "rows of 64 pixels are read as 8x8 grey images" in lines[0]
    text = fails((np.zeros((6, 3072), np.uint8), LABELS))
    assert "images.reshape(-1, 3, 32, 32)" in text


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((6, 28, 28, 28), "These look like volumes, which are not supported"),
        ((6, 1, 28, 28, 28), "These look like volumes, which are not supported"),
        ((6, 28, 28, 4), "Drop the alpha channel: images[..., :3]."),
        ((6, 28, 28, 5), "Choose one or three of the channels."),
        ((28, 28, 3, 6), "numbers the images: numpy.moveaxis(images, -1, 0)."),
        ((6,), "got (6,)."),
    ],
)
def test_other_shapes_are_refused_in_words(shape: tuple[int, ...], text: str) -> None:
    assert text in fails((np.zeros(shape, np.uint8), LABELS))


def test_images_of_several_sizes_in_one_array_are_refused(tmp_path: Path) -> None:
    ragged = np.array([np.zeros((2, 2)), np.zeros((3, 3))], object)
    np.savez(tmp_path / "a.npz", images=ragged, labels=LABELS[:2])
    assert "the array images cannot be read: it holds Python objects" in fails(tmp_path / "a.npz")
    np.save(tmp_path / "images.npy", ragged)
    np.save(tmp_path / "labels.npy", LABELS[:2])
    assert "images.npy cannot be read: it holds Python objects" in fails(tmp_path)


@pytest.mark.parametrize("pixel_max", [None, 1023.0])
def test_real_numbers_follow_the_rule_of_the_scale(tmp_path: Path, pixel_max: float | None) -> None:
    full = 1.0 if pixel_max is None else pixel_max
    np.savez(tmp_path / "a.npz", images=IMAGES / 255 * full, labels=LABELS)
    dataset = load(tmp_path / "a.npz", pixel_max=pixel_max)
    assert (dataset.images[..., 0] == IMAGES).all()


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (["train_images"], "has train_images, but no train_labels."),
        (["X_train", "y_train", "X_test"], "has X_test, but no y_test."),
        (["X"], "has X, but no y."),
        (["images", "data", "labels"], "images and data both seem to be the images."),
        (["test_images", "test_labels"], "Read as well: train_images"),
        (["x_train", "y_train", "images", "labels"], "invalid keys of "),
        (["arr_0"], "got arr_0."),
        ([], "got none."),
    ],
)
def test_errors_about_keys_name_them(tmp_path: Path, keys: list[str], text: str) -> None:
    save(tmp_path / "a.npz", dict.fromkeys(keys, LABELS))
    assert text in fails(tmp_path / "a.npz")


def test_a_truncated_npz_is_an_error(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: len(content) // 2])
    assert "a.npz cannot be read as .npz" in fails(tmp_path / "a.npz")


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_large_arrays_are_mapped_and_give_the_same_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., None]
) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": np.asfortranarray(rng.integers(0, 4096, (6, 8, 8), np.uint16)),
        "y_train": np.array([0, 1, 2] * 2),
        "x_test": rng.integers(0, 4096, (3, 8, 8), np.uint16),
        "y_test": np.arange(3),
    }
    write(tmp_path / "a.npz", **arrays)
    expected = load(tmp_path / "a.npz", pixel_max=4095)
    monkeypatch.setattr(_array_files, "IN_MEMORY_BYTES", 0)
    mapped = load(tmp_path / "a.npz", pixel_max=4095, cache=False)
    assert mapped.fingerprint == expected.fingerprint
    assert not list(store.cache_folder().rglob("*.spool"))

    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[200] ^= 1  # a pixel of the first array
    (tmp_path / "b.npz").write_bytes(content)
    assert "is damaged or incomplete" in fails(tmp_path / "b.npz", pixel_max=4095)


def test_pairs_of_keras_are_the_parts() -> None:
    train, test = (IMAGES, LABELS), (IMAGES[:4] // 2, LABELS[:4, None])
    data = load((train, test))
    assert data.parts.tolist() == [TRAIN] * 6 + [TEST] * 4
    assert (data.images[6:, ..., 0] == IMAGES[:4] // 2).all()
    assert load((train, test, test)).parts.tolist() == [TRAIN] * 6 + [VALIDATION] * 4 + [TEST] * 4


def test_pictures_of_several_sizes_in_a_list_are_refused() -> None:
    pictures = [np.zeros((2, 2), np.uint8), np.zeros((3, 3), np.uint8)]
    text = fails((pictures, ["cat", "dog"]))
    assert "invalid images of the pair of arrays: expected one shape for all, got several." in text
