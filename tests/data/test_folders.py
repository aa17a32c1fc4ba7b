"""Folders of images: which folders are parts, which are classes, and what is never data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from folder_helpers import fails, fill, write

from headstart import progress
from headstart.data import PART_NAMES, TEST, TRAIN, UNASSIGNED, VALIDATION, Dataset, load


def contents(data: Dataset) -> dict[str, list[str]]:
    """Return "part class" by image name, as the dataset has them."""
    found: dict[str, list[str]] = {}
    for row, name in enumerate(data.image_names):
        part = PART_NAMES.get(int(data.parts[row]), "any")
        found.setdefault(f"{part} {data.class_names[data.labels[row]]}", []).append(name)
    return found


@pytest.fixture
def notices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(progress, "say", lines.append)
    return lines


def test_class_numbers_come_from_sorted_names(tmp_path: Path) -> None:
    data = load(
        fill(tmp_path, ["zebra/b.png", "ant/c.png", "Bee/a.png", "ant/a.png", "zebra/a.png"])
    )
    assert data.class_names == ("Bee", "ant", "zebra")
    assert data.image_names == ("Bee/a.png", "ant/a.png", "ant/c.png", "zebra/a.png", "zebra/b.png")
    assert data.labels.tolist() == [0, 1, 1, 2, 2]
    assert set(data.parts.tolist()) == {UNASSIGNED}


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("Training", "Validation", "Testing"),
        ("seg_train/seg_train", "dev", "seg_test/seg_test"),
        ("data/train", "data/valid", "data/test"),
    ],
)
def test_folders_of_parts_are_kept(tmp_path: Path, names: tuple[str, str, str]) -> None:
    for part in names:
        fill(tmp_path / part, ["dog/0.png", "dog/1.png", "cat/0.png", "cat/1.png"])
    data = load(tmp_path)
    assert data.class_names == ("cat", "dog")
    for part, code in zip(names, (TRAIN, VALIDATION, TEST), strict=True):
        rows = np.flatnonzero(data.parts == code)
        assert len(rows) == 4
        assert all(data.image_names[row].startswith(part) for row in rows)


def test_only_a_train_folder_leaves_the_split_to_be_made(tmp_path: Path) -> None:
    assert set(load(fill(tmp_path, ["train/a/1.png", "train/b/1.png"])).parts.tolist()) == {
        UNASSIGNED
    }


def test_a_folder_that_an_archive_wrapped_around_the_others_is_skipped(tmp_path: Path) -> None:
    data = load(
        fill(
            tmp_path, ["pets-1.0/images/cat/1.png", "pets-1.0/images/dog/1.png", "__MACOSX/x/1.png"]
        )
    )
    assert data.class_names == ("cat", "dog")


def test_images_below_a_class_folder_belong_to_it(tmp_path: Path) -> None:
    data = load(fill(tmp_path, ["cat/2020/may/1.png", "cat/1.png", "dog/x/1.PNG"]))
    assert data.class_names == ("cat", "dog")
    assert data.labels.tolist() == [0, 0, 1]


def test_hidden_files_and_other_kinds_are_ignored(tmp_path: Path, notices: list[str]) -> None:
    fill(tmp_path, ["cat/1.png", "dog/1.png", ".ipynb_checkpoints/1.png", "cat/.hidden.png"])
    (tmp_path / "cat/Thumbs.db").write_bytes(b"x")
    (tmp_path / "dog/photo.psd").write_bytes(b"x")
    data = load(tmp_path)
    assert data.image_names == ("cat/1.png", "dog/1.png")
    assert any("1 .psd file" in line for line in notices)
    assert any("2 files and 1 folder, hidden or of the system" in line for line in notices)


def test_an_unlabelled_test_folder_is_ignored_with_a_notice(
    tmp_path: Path, notices: list[str]
) -> None:
    data = load(
        fill(
            tmp_path,
            ["seg_train/a/1.png", "seg_train/b/1.png", "seg_test/1.png", "seg_pred/seg_pred/2.png"],
        )
    )
    assert len(data) == 2
    assert any("seg_test" in line and "no label" in line for line in notices)
    assert any("seg_pred" in line and "no label" in line for line in notices)


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    fill(tmp_path, ["cat/1.png", "dog/1.png"])
    (tmp_path / "dog/round").symlink_to(tmp_path, target_is_directory=True)
    assert load(tmp_path).image_names == ("cat/1.png", "dog/1.png")


def test_a_test_class_that_training_lacks_is_an_error(tmp_path: Path) -> None:
    text = fails(fill(tmp_path, ["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/c/1.png"]))
    assert "test images" in text
    assert "'c'" in text


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    fill(tmp_path, ["cat/1.png", "dog/1.png"])
    (tmp_path / "owl").mkdir()
    (tmp_path / "owl/notes.txt").write_text("none")
    assert f"the class folder {tmp_path / 'owl'} has no images: it has 1 .txt file." in fails(
        tmp_path
    )


def test_one_class_is_an_error(tmp_path: Path) -> None:
    assert "only one class, 'cat'" in fails(fill(tmp_path, ["cat/1.png", "cat/2.png"]))


def test_the_error_about_a_folder_without_images_says_what_it_has(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt", "d.pdf"):
        (tmp_path / name).write_text("x")
    assert "it has 3 .txt files, 1 .pdf file." in fails(tmp_path)
    (tmp_path / "empty").mkdir()
    assert "it has nothing." in fails(tmp_path / "empty")


def test_images_without_class_folders_are_an_error(tmp_path: Path) -> None:
    assert "2 .png files" in fails(fill(tmp_path / "flat", ["1.png", "2.png"]))
    assert "has no class folders" in fails(fill(tmp_path / "parts", ["train/1.png", "test/2.png"]))


def test_the_hint_for_a_single_class_folder_is_the_folder_above(tmp_path: Path) -> None:
    fill(tmp_path / "two", ["cat/1.png", "dog/1.png"])
    assert f"pass the folder above it: {tmp_path / 'two'}." in fails(tmp_path / "two/cat")


def test_class_folders_that_look_alike_are_an_error_that_names_both(tmp_path: Path) -> None:
    fill(tmp_path, ["caf\u00e9/1.png", "cafe\u0301/1.png", "bar/1.png"])
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("this file system makes them one folder")
    text = fails(tmp_path)
    assert "look alike" in text
    assert "'cafe\\u0301' and 'caf\\xe9'" in text


def test_a_folder_of_only_a_test_part_is_split_again_with_a_notice(
    tmp_path: Path, notices: list[str]
) -> None:
    data = load(fill(tmp_path, ["test/a/1.png", "test/b/1.png"]))
    assert set(data.parts.tolist()) == {UNASSIGNED}
    assert any("has only the part 'test'" in line and "split again" in line for line in notices)
    notices.clear()
    load(fill(tmp_path / "more", ["train/a/1.png", "train/b/1.png"]))
    assert not notices


def test_a_class_folder_next_to_a_train_folder_is_an_error(tmp_path: Path) -> None:
    assert "is next to a train folder" in fails(
        fill(tmp_path, ["train/a/1.png", "train/b/1.png", "more/a/1.png"])
    )


def test_two_folders_of_one_part_are_an_error(tmp_path: Path) -> None:
    for part in ("train", "val", "valid"):
        fill(tmp_path / part, ["a/1.png", "b/1.png"])
    assert "a second folder of validation images" in fails(tmp_path)


def test_options_that_do_not_apply_to_a_folder_are_errors(tmp_path: Path) -> None:
    fill(tmp_path, ["a/1.png", "b/1.png"])
    assert "group_by does not apply" in fails(tmp_path, group_by="patient")
    assert "a CSV of path,label" in fails(tmp_path, group_by="patient")
    text = fails(tmp_path, pixel_max=255)
    assert f"pixel_max does not apply to {tmp_path}: none of its images has more than 8" in text


CLASSES = ["cat/1.png", "dog/2.png"]
LAYOUTS: dict[str, tuple[list[str], dict[str, list[str]], str]] = {
    "nested in a folder of the same name": (
        [
            "training_set/training_set/cat/1.png",
            "training_set/training_set/dog/2.png",
            "test_set/test_set/cat/3.png",
            "single_prediction/4.png",
        ],
        {
            "train cat": ["training_set/training_set/cat/1.png"],
            "train dog": ["training_set/training_set/dog/2.png"],
            "test cat": ["test_set/test_set/cat/3.png"],
        },
        "single_prediction: ignored 1 image outside every class folder",
    ),
    "wrapped by an archive": (
        [
            "pets-main/data/Train/cat/1.png",
            "pets-main/data/Train/dog/2.png",
            "pets-main/data/Test/dog/3.png",
        ],
        {
            "train cat": ["pets-main/data/Train/cat/1.png"],
            "train dog": ["pets-main/data/Train/dog/2.png"],
            "test dog": ["pets-main/data/Test/dog/3.png"],
        },
        "the class folders are those in pets-main/data",
    ),
    "an addition to every part": (
        ["pets_train/cat/1.png", "pets_train/dog/2.png", "pets_test/dog/3.png"],
        {
            "train cat": ["pets_train/cat/1.png"],
            "train dog": ["pets_train/dog/2.png"],
            "test dog": ["pets_test/dog/3.png"],
        },
        "",
    ),
    "evaluation is the test without one": (
        [
            "training/cat/1.png",
            "training/dog/2.png",
            "validation/cat/3.png",
            "evaluation/dog/4.png",
        ],
        {
            "train cat": ["training/cat/1.png"],
            "train dog": ["training/dog/2.png"],
            "validation cat": ["validation/cat/3.png"],
            "test dog": ["evaluation/dog/4.png"],
        },
        "evaluation: read as the test images",
    ),
    "evaluation is validation beside a test": (
        ["train/cat/1.png", "train/dog/2.png", "eval/cat/3.png", "test/dog/4.png"],
        {
            "train cat": ["train/cat/1.png"],
            "train dog": ["train/dog/2.png"],
            "validation cat": ["eval/cat/3.png"],
            "test dog": ["test/dog/4.png"],
        },
        "eval: read as the validation images",
    ),
    "classes first": (
        ["cat/train/1.png", "cat/test/2.png", "dog/train/3.png", "dog/Test_set/4.png"],
        {
            "train cat": ["cat/train/1.png"],
            "train dog": ["dog/train/3.png"],
            "test cat": ["cat/test/2.png"],
            "test dog": ["dog/Test_set/4.png"],
        },
        "the classes are cat, dog, each divided into test, train",
    ),
    "part and class in one name": (
        ["train_cats/1.png", "train_dogs/2.png", "test_cats/3.png", "test_dogs/4.png"],
        {
            "train cats": ["train_cats/1.png"],
            "train dogs": ["train_dogs/2.png"],
            "test cats": ["test_cats/3.png"],
            "test dogs": ["test_dogs/4.png"],
        },
        "read part and class from the folder names",
    ),
    "class and part in one name": (
        [
            "Golden Retriever-train/1.png",
            "pug-train/2.png",
            "pug-val/3.png",
            "Golden Retriever-val/4.png",
        ],
        {
            "train Golden Retriever": ["Golden Retriever-train/1.png"],
            "train pug": ["pug-train/2.png"],
            "validation Golden Retriever": ["Golden Retriever-val/4.png"],
            "validation pug": ["pug-val/3.png"],
        },
        "is class 'Golden Retriever' of",
    ),
    "a test folder beside its classes": (
        ["cat/1.png", "dog/2.png", "test/cat/3.png", "test/dog/4.png"],
        {
            "train cat": ["cat/1.png"],
            "train dog": ["dog/2.png"],
            "test cat": ["test/cat/3.png"],
            "test dog": ["test/dog/4.png"],
        },
        "the class folders beside test are the training images, because test has the same",
    ),
    "a flat test folder": (
        ["train/cat/1.png", "train/dog/2.png", "test/3.png", "test/4.png"],
        {"any cat": ["train/cat/1.png"], "any dog": ["train/dog/2.png"]},
        "test: ignored 2 images outside every class folder, which have no label. To predict them",
    ),
    "a flat test folder beside classes": (
        [*CLASSES, "test images/3.png"],
        {"any cat": ["cat/1.png"], "any dog": ["dog/2.png"]},
        "test images: left out 1 image without labels",
    ),
    "an empty validation folder": (
        ["train/cat/1.png", "train/dog/2.png", "val/", "test/cat/3.png"],
        {
            "train cat": ["train/cat/1.png"],
            "train dog": ["train/dog/2.png"],
            "test cat": ["test/cat/3.png"],
        },
        "val: ignored, because it has no images",
    ),
    "classes in file names": (
        ["train/cat.0.jpg", "train/cat.1.jpg", "train/dog.0.jpg", "train/dog.7.jpg", "test1/1.jpg"],
        {
            "any cat": ["train/cat.0.jpg", "train/cat.1.jpg"],
            "any dog": ["train/dog.0.jpg", "train/dog.7.jpg"],
        },
        "read the classes from the file names, such as cat.0.jpg: cat, dog",
    ),
    "classes in the file names of the folder itself": (
        ["cat.0.jpg", "cat.1.jpg", "dog.0.jpg", "dog.7.jpg"],
        {"any cat": ["cat.0.jpg", "cat.1.jpg"], "any dog": ["dog.0.jpg", "dog.7.jpg"]},
        "read the classes from the file names",
    ),
    "a train among vehicles": (
        ["bus/1.png", "car/2.png", "train/3.png"],
        {"any bus": ["bus/1.png"], "any car": ["car/2.png"], "any train": ["train/3.png"]},
        "'train' is read as a class, because it lies beside bus, car and has no class folders",
    ),
    "valid and invalid tickets": (
        ["valid/1.png", "invalid/2.png"],
        {"any invalid": ["invalid/2.png"], "any valid": ["valid/1.png"]},
        "'valid' is read as a class",
    ),
    "kinds of trains": (
        ["steam_train/1.png", "freight train/2.png", "test tube/3.png"],
        {
            "any freight train": ["freight train/2.png"],
            "any steam_train": ["steam_train/1.png"],
            "any test tube": ["test tube/3.png"],
        },
        "read as classes, although their names mention a part",
    ),
    "two levels of classes": (
        ["animals/cat/1.png", "animals/dog/2.png", "plants/rose/3.png"],
        {
            "any animals": ["animals/cat/1.png", "animals/dog/2.png"],
            "any plants": ["plants/rose/3.png"],
        },
        "belong to that class: animals/cat, animals/dog, plants/rose. To make these folders",
    ),
    "a train below a class": (
        ["animals/cat/1.png", "vehicles/train/2.png", "vehicles/bus/3.png"],
        {
            "any animals": ["animals/cat/1.png"],
            "any vehicles": ["vehicles/bus/3.png", "vehicles/train/2.png"],
        },
        "belong to that class",
    ),
    "parts with a letter for the class": (
        ["trainA/1.png", "trainB/2.png", "testA/3.png", "testB/4.png"],
        {
            "train A": ["trainA/1.png"],
            "train B": ["trainB/2.png"],
            "test A": ["testA/3.png"],
            "test B": ["testB/4.png"],
        },
        "read part and class from the folder names",
    ),
    "unlabelled images beside labelled ones": (
        ["labelled/cat/1.png", "labelled/dog/2.png", "unlabelled/3.png"],
        {"any cat": ["labelled/cat/1.png"], "any dog": ["labelled/dog/2.png"]},
        "unlabelled: ignored 1 image outside every class folder",
    ),
    "a flat test in a folder of its own name": (
        ["train/cat/1.png", "train/dog/2.png", "test/test/3.png", "unlabeled/4.png"],
        {"any cat": ["train/cat/1.png"], "any dog": ["train/dog/2.png"]},
        "test: ignored 1 image outside every class folder",
    ),
    "a test folder for Keras": (
        ["train/cat/1.png", "train/dog/2.png", "test/unknown/3.png"],
        {"any cat": ["train/cat/1.png"], "any dog": ["train/dog/2.png"]},
        "test: ignored 1 image outside every class folder",
    ),
    "annotations beside the images": (
        ["Images/cat/1.png", "Images/dog/2.png", "Annotation/cat/1", "Annotation/dog/2"],
        {"any cat": ["Images/cat/1.png"], "any dog": ["Images/dog/2.png"]},
        "",
    ),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_a_layout_is_read_and_said(tmp_path: Path, notices: list[str], case: str) -> None:
    names, expected, line = LAYOUTS[case]
    fill(tmp_path, [name for name in names if name.endswith(("png", "jpg"))])
    for name in names:
        if name.endswith("/"):
            (tmp_path / name).mkdir()
        elif not name.endswith(("png", "jpg")):
            write(tmp_path, name)
    assert contents(load(tmp_path)) == expected
    if line:
        assert any(line in notice for notice in notices), notices


REFUSED: dict[str, tuple[list[str], str]] = {
    "validation and test only": (
        ["val/cat/1.png", "val/dog/2.png", "test/cat/3.png"],
        "has test, val, but no class folders of training images",
    ),
    "an unlabelled training folder": (
        ["train/1.png", "test/cat/2.png", "test/dog/3.png"],
        "has test, train, but no class folders of training images",
    ),
    "a test folder with other classes": (
        [*CLASSES, "test/owl/3.png", "test/cat/4.png"],
        "test may be a part of the data or a class",
    ),
    "two parts among classes": (
        [*CLASSES, "train/3.png", "test/4.png"],
        "may be a part of the data or a class",
    ),
    "one class and a test": (["cat/1.png", "test/2.png"], "lies beside cat"),
    "a train with folders among flat classes": (
        ["bus/1.png", "car/2.png", "train/steam/3.png", "train/electric/4.png"],
        "train may be a part of the data or a class",
    ),
    "only some classes are divided": (
        ["cat/train/1.png", "cat/test/2.png", "dog/3.png"],
        "such as cat, and others with images outside these: dog",
    ),
    "only some names have a part": (
        ["train_cats/1.png", "test_cats/2.png", "dogs/3.png"],
        "may be a part of the data or a class",
    ),
    "folds": (
        ["fold1/cat/1.png", "fold1/dog/2.png", "fold2/cat/3.png", "fold2/dog/4.png"],
        "look like parts of the data, not like classes: fold1, fold2",
    ),
    "numbered parts beside a table": (
        ["HAM_images_part_1/1.png", "HAM_images_part_2/2.png", "HAM_metadata.csv"],
        "It holds HAM_metadata.csv. To read that file, pass its path",
    ),
    "numbered folders beside a table": (
        ["images_001/images/1.png", "images_002/images/2.png", "Data_Entry_2017.csv"],
        "look like parts of the data, not like classes: images_001, images_002",
    ),
    "segmentation": (["images/1.png", "masks/1.png"], "looks like detection or segmentation data"),
    "segmentation in parts": (
        ["train/Images/1.png", "train/Masks/1.png", "val/Images/1.png", "val/Masks/1.png"],
        "looks like detection or segmentation data",
    ),
    "detection": (["images/1.png", "labels/1.txt"], "looks like detection or segmentation data"),
    "detection in parts": (
        ["train/images/1.png", "train/labels/1.txt", "valid/images/2.png", "valid/labels/2.txt"],
        "looks like detection or segmentation data",
    ),
    "detection with parts below": (
        ["images/train/1.png", "images/val/2.png", "labels/train/1.txt", "labels/val/2.txt"],
        "looks like detection or segmentation data",
    ),
    "detection with one file of boxes": (
        ["train2017/1.png", "val2017/2.png", "annotations/instances.json"],
        "looks like detection or segmentation data",
    ),
    "a table beside flat parts": (
        ["train/a1.png", "test/b2.png", "labels.csv", "sample_submission.csv"],
        "labels.csv has the labels, pass that file instead",
    ),
    "a table beside images": (
        ["images/a1.png", "images/b2.png", "annotations.csv"],
        "annotations.csv has the labels, pass that file instead",
    ),
    "numbered photographs": (
        ["IMG.0001.jpg", "IMG.0002.jpg", "IMG.0003.jpg"],
        "holds no class folders",
    ),
    "an empty class in the test": (
        ["train/cat/1.png", "train/dog/2.png", "test/cat/3.png", "test/dog/none.txt"],
        "test/dog has no images: it has 1 .txt file.",
    ),
    "several empty classes": (
        [*CLASSES, "owl/a.txt", "fox/b.pdf"],
        "2 class folders have no images",
    ),
    "an empty class among divided ones": (
        ["cat/train/1.png", "cat/test/2.png", "dog/train/3.png", "dog/test/4.png", "owl/a.txt"],
        "owl has no images",
    ),
    "a class of validation images only": (
        ["train/cat/1.png", "train/dog/2.png", "val/cat/3.png", "val/owl/4.png"],
        "have classes that its training images lack: 'owl'",
    ),
    "a class of test images only, class first": (
        ["cat/train/1.png", "cat/test/2.png", "dog/train/3.png", "owl/test/4.png"],
        "have classes that its training images lack: 'owl'",
    ),
    "parts that spell a class differently": (
        ["train/Cat/1.png", "train/dog/2.png", "test/cat/3.png"],
        "classes 'Cat' and 'cat', which differ only in upper and lower case",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_layout_that_is_a_guess_is_refused(tmp_path: Path, case: str) -> None:
    names, message = REFUSED[case]
    fill(tmp_path, [name for name in names if name.endswith(("png", "jpg"))])
    write(tmp_path, *(name for name in names if not name.endswith(("png", "jpg"))))
    assert message in fails(tmp_path)


@pytest.mark.parametrize("names", [("part1", "part2"), ("images_1", "images_2")])
def test_numbered_folders_without_a_table_are_classes_and_a_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: tuple[str, str]
) -> None:
    fill(tmp_path, [f"{name}/{number}.png" for name in names for number in range(2)])
    write(tmp_path, f"{names[0]}/notes.csv")  # in a class folder, so it labels nothing
    progress.show_progress(True)
    data = load(tmp_path)
    progress.show_progress(False)
    assert data.class_names == names
    said = capsys.readouterr().err
    assert f"{names[0]}, {names[1]} are read as classes, although such names are often" in said


def test_masks_in_a_folder_of_their_own_are_left_out_of_their_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = ("images", "masks")
    names = [f"{name}/{kind}/{n}.png" for name in ("flu", "well") for kind in kinds for n in "12"]
    fill(tmp_path, names)
    progress.show_progress(True)
    data = load(tmp_path)
    progress.show_progress(False)
    said = capsys.readouterr().err
    expected = ["flu/images/1.png", "flu/images/2.png", "well/images/1.png", "well/images/2.png"]
    assert list(data.image_names) == expected
    assert "flu/masks: left out 2 masks of other images" in said

    fill(tmp_path, ["carnival/masks/a.png", "carnival/hats/b.png"])
    assert "carnival/masks/a.png" in load(tmp_path).image_names
