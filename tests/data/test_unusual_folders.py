"""Folders of other files, of masks, of several datasets, and of almost black images."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from folder_helpers import fill, write
from PIL import Image
from table_helpers import error_of, load_and_listen

from headstart.data import load


def write_masks(folder: Path, suffix: str, brightest: int = 1) -> Path:
    """Write two classes of grey images with values up to `brightest`."""
    for number in range(4):
        path = folder / "ab"[number % 2] / f"{number}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, brightest + 1, (16, 16), np.uint8)
        Image.fromarray(pixels).save(path, "PNG")
    return folder


@pytest.mark.parametrize(("brightest", "is_questioned"), [(1, True), (40, True), (200, False)])
def test_almost_black_images_are_questioned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], brightest: int, is_questioned: bool
) -> None:
    _, said = load_and_listen(capsys, write_masks(tmp_path / "masks", ".png", brightest))
    assert (f"the brightest pixel is {brightest}, where 255 is full" in said) is is_questioned


def test_images_without_a_suffix_are_named_for_what_they_are(tmp_path: Path) -> None:
    text = error_of(write_masks(tmp_path / "masks", ""))
    assert "Give each file its suffix: 0 is PNG, so name it 0.png." in text


def test_dicom_files_are_named_for_what_they_are(tmp_path: Path) -> None:
    for name in ("a/1.dcm", "b/2.dcm"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(bytes(128) + b"DICM" + bytes(50))
    assert ".dcm is a DICOM file, which is not read; convert it: dcm2pnm" in error_of(tmp_path)


def test_masks_beside_their_images_are_left_out_with_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{kind}/{kind} ({n}).png" for kind in ("benign", "malignant") for n in range(4)]
    masks = [name.replace(".png", "_mask.png") for name in names] + ["benign/benign (1)_mask_1.png"]
    fill(tmp_path / "BUSI", [*names, *masks])
    data, said = load_and_listen(capsys, tmp_path / "BUSI")
    assert list(data.image_names) == names
    assert "left out 9 masks of other images" in said


@pytest.mark.parametrize(
    "names",
    [
        ["a/face.png", "a/face_mask.png", "a/1.png", "a/2.png", "b/3.png", "b/4.png"],
        ["with_mask/1_mask.png", "with_mask/2_mask.png", "without/1.png", "without/2.png"],
    ],
)
def test_photographs_of_masks_stay(tmp_path: Path, names: list[str]) -> None:
    assert len(load(fill(tmp_path / "faces", names))) == len(names)


def test_several_datasets_in_one_folder_are_refused(tmp_path: Path) -> None:
    names = [
        f"{site}/{part}/{kind}/{site}{part}{n}.png"
        for site in ("rome", "oslo")
        for part in ("train", "test")
        for kind in ("cat", "dog")
        for n in range(2)
    ]
    text = error_of(fill(tmp_path / "sites", names))
    assert "holds 2 datasets: oslo, rome each have folders of parts" in text


def test_folders_without_images_beside_one_of_images_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "cub", ["images/001.Crow/1.jpg", "images/002.Gull/2.jpg"])
    write(tmp_path / "cub", "attributes/list.txt", "parts/parts.txt", "classes.txt")
    data, said = load_and_listen(capsys, tmp_path / "cub")
    assert data.class_names == ("001.Crow", "002.Gull")
    assert "ignored folders without images: attributes, parts" in said


@pytest.mark.parametrize(
    ("file", "content", "is_detection"),
    [
        ("_annotations.coco.json", "{}", True),
        ("1.xml", "<annotation/>", True),
        ("1.json", "{}", True),
        ("1.txt", "0 0.5 0.5 0.2 0.3\n", True),
        ("1.txt", "a photo of a cat\n", False),
        ("notes.txt", "0 0.5 0.5 0.2 0.3\n", False),
    ],
)
def test_annotations_beside_images_are_named(
    tmp_path: Path, file: str, content: str, is_detection: bool
) -> None:
    fill(tmp_path / "export", ["train/1.jpg"])
    (tmp_path / "export" / "train" / file).write_text(content)
    text = error_of(tmp_path / "export")
    assert (f"not supported: {file} annotates objects in its 1 image." in text) is is_detection


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["train_32x32.mat", "test_32x32.mat"], "test_32x32.mat is a MATLAB file. In Python, read"),
        (["a-train.tfrecord-00000-of-00002", "dataset_info.json"], "is a TFRecord file. Export it"),
        (["data.mdb", "lock.mdb"], "data.mdb is an LMDB database. Export it as image files"),
        (["train.rec", "train.lst"], "train.rec is a RecordIO file of MXNet."),
        (["data_batch_1", "batches.meta"], "Read it with: headstart train cifar10."),
    ],
)
def test_files_of_other_formats_in_a_folder_are_named(
    tmp_path: Path, names: list[str], words: str
) -> None:
    write(tmp_path / "download", *names)
    assert words in error_of(tmp_path / "download")


def test_a_metadata_file_without_labels_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "captions", ["1.png", "2.png"])
    (tmp_path / "captions" / "metadata.jsonl").write_text('{"file_name": "1.png", "text": "a cat"}')
    text = error_of(tmp_path / "captions")
    assert "Each line of metadata.jsonl needs the fields file_name and label." in text


def test_a_webdataset_and_classes_in_file_names_are_named(tmp_path: Path) -> None:
    names = ["pug_1.jpg", "pug_2.jpg", "beagle_1.jpg", "beagle_2.jpg"]
    text = error_of(fill(tmp_path / "pets", names))
    assert "If the file names hold the classes, as in beagle_1.jpg, write a CSV" in text
    write(tmp_path / "pets", "pug_1.cls", "pug_2.cls")
    assert "This looks like a WebDataset" in error_of(tmp_path / "pets")


def test_a_class_folder_of_other_files_is_named_for_what_it_holds(tmp_path: Path) -> None:
    fill(tmp_path / "photos", ["cat/1.png", "dog/2.png"])
    (tmp_path / "photos" / "cow").mkdir()
    (tmp_path / "photos" / "cow" / "1.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(99))
    assert "1.mp4 is not an image: it is an MP4 video; take images from it" in error_of(
        tmp_path / "photos"
    )


def test_a_name_that_is_not_utf_8_is_shown_alone(tmp_path: Path) -> None:
    fill(tmp_path / "photos", ["cat/1.png", "dog/2.png"])
    (tmp_path / "photos/cat/1.png").rename(tmp_path / "photos/cat" / os.fsdecode(b"\xff.png"))
    assert "has a name that is not UTF-8: 'cat/\\udcff.png'." in error_of(tmp_path / "photos")


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (["color", "segmented"], ["apple", "grape"]),  # PlantVillage
        (["seen", "unseen"], ["cats", "dogs"]),
        (["toets", "trein"], ["1 cat", "2 dog"]),  # parts in a language that is not known
    ],
)
def test_class_folders_with_the_same_folders_in_them_are_refused(
    tmp_path: Path, outer: list[str], inner: list[str]
) -> None:
    names = [f"{top}/{kind}/{n}.png" for top in outer for kind in inner for n in range(2)]
    text = error_of(fill(tmp_path / "plants", names))
    same = f"{', '.join(outer)} have the same folders, {', '.join(inner)}"
    assert f"the classes of {tmp_path}/plants are unclear: {same}." in text
    assert f"pass one of the outer folders, such as {tmp_path}/plants/{outer[0]}," in text


@pytest.mark.parametrize("inner", [["40X", "100X"], ["2019", "2020"], ["day 1", "day 2"]])
def test_a_numbered_series_in_each_class_folder_belongs_to_the_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], inner: list[str]
) -> None:
    names = [f"{c}/{part}/{n}.png" for c in ("benign", "malignant") for part in inner for n in "12"]
    data, said = load_and_listen(capsys, fill(tmp_path, names))
    assert data.class_names == ("benign", "malignant")
    assert "images in folders of a class folder belong to that class" in said


def test_a_folder_with_the_classes_beside_it_is_no_class(tmp_path: Path) -> None:
    names = [f"{top}{c}/{n}.png" for top in ("", "masks/") for c in ("cat", "dog") for n in "12"]
    text = error_of(fill(tmp_path / "pets", names))
    assert f"{tmp_path}/pets/masks may be a class or not" in text
    assert "has folders of the same names, cat, dog." in text


def test_archives_of_parts_and_archives_in_class_folders_are_named(tmp_path: Path) -> None:
    write(tmp_path / "parts", "train.zip", "test.zip")
    text = error_of(tmp_path / "parts")
    assert "If each is a class or a part, unpack each into a folder of its name" in text
    assert f"To read one of them, pass its path, such as {tmp_path}/parts/train.zip." in text
    write(tmp_path / "classes", "cat/images.tar.gz", "dog/images.tar.gz")
    text = error_of(tmp_path / "classes")
    assert "To read that file, pass its path" in text and "gunzip" not in text


def test_files_of_a_run_are_not_proposed_as_data(tmp_path: Path) -> None:
    fill(tmp_path, ["cat/1.png", "dog/2.png"])
    write(tmp_path, "bird/notes.txt", "run/recipe.json", "run/data.json", "run/curves.csv")
    text = error_of(tmp_path)
    assert "the class folder" in text and "curves.csv" not in text


def test_folders_that_are_dates_are_classes_with_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, [f"2023-01-0{day}/{number}.png" for day in (1, 2) for number in range(3)])
    data, said = load_and_listen(capsys, tmp_path)
    assert data.class_names == ("2023-01-01", "2023-01-02")
    assert "dates are often those of sessions" in said
