"""Folders of parts with a table in each, as Roboflow exports multi-class data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from table_helpers import error_of, labels_of, load_and_listen, write_images, write_table

from headstart.data import TEST, TRAIN, VALIDATION, load

HEADER = "filename, cat, dog, owl"
ROWS = ("0.jpg, 1, 0, 0", "1.jpg, 0, 1, 0", "2.jpg, 0, 0, 1")


def part(folder: Path, *rows: str, header: str = HEADER, table: str = "_classes.csv") -> Path:
    write_images(folder, [row.split(",")[0] for row in rows])
    write_table(folder / table, header, *rows)
    return folder


def roboflow(root: Path, *parts: str) -> Path:
    """Write an export of Roboflow. Only the first part has all classes."""
    for number, name in enumerate(parts):
        part(root / name, *(ROWS[:1] if number else ROWS))
    write_table(root / "README.roboflow.txt", "pets - v1", "Exported from roboflow.com")
    return root


def test_the_parts_of_roboflow_are_one_dataset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, said = load_and_listen(capsys, roboflow(tmp_path / "pets", "train", "valid", "test"))
    assert data.class_names == ("cat", "dog", "owl")
    assert labels_of(data) == {
        "test/0.jpg": "cat",
        "train/0.jpg": "cat",
        "train/1.jpg": "dog",
        "train/2.jpg": "owl",
        "valid/0.jpg": "cat",
    }
    part_of = dict(zip(data.image_names, data.parts.tolist(), strict=True))
    assert part_of["train/2.jpg"] == TRAIN
    assert part_of["valid/0.jpg"] == VALIDATION
    assert part_of["test/0.jpg"] == TEST
    assert "train/_classes.csv: read 3 one-hot columns as classes" in said
    assert "left out" not in said  # validation lacks two classes, and the dataset none


def test_a_changed_table_of_a_part_is_noticed(tmp_path: Path) -> None:
    root = roboflow(tmp_path / "pets", "train", "valid")
    before = load(root)
    write_table(root / "valid/_classes.csv", HEADER, "0.jpg, 0, 0, 1")
    assert labels_of(before)["valid/0.jpg"] == "cat"
    assert labels_of(load(root))["valid/0.jpg"] == "owl"


@pytest.mark.parametrize("place", ["", "train"])
def test_one_part_alone_is_split_later(tmp_path: Path, place: str) -> None:
    part(tmp_path / "pets" / place, *ROWS)
    data = load(tmp_path / "pets")
    assert data.class_names == ("cat", "dog", "owl")
    assert len(set(data.parts.tolist())) == 1


def test_a_class_without_images_is_left_out_with_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train", "valid"):
        part(tmp_path / name, *ROWS[:2])
    data, said = load_and_listen(capsys, tmp_path)
    assert data.class_names == ("cat", "dog")
    assert "no row has the class 'owl', so it is left out" in said


def test_tables_of_other_names_and_columns_are_read(tmp_path: Path) -> None:
    for name in ("training", "validation"):
        rows = ("a.png,cat,7", "b.png,dog,8")
        part(tmp_path / name, *rows, header="image,label,animal", table=f"{name}.csv")
    data = load(tmp_path, group_by="animal")
    assert data.class_names == ("cat", "dog")
    assert set(data.parts.tolist()) == {TRAIN, VALIDATION}
    assert data.groups is not None and len(np.unique(data.groups)) == 2


def test_a_part_without_a_table_is_left_out_with_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roboflow(tmp_path, "train", "valid")
    write_images(tmp_path / "test", ["7.jpg", "8.jpg"])
    data, said = load_and_listen(capsys, tmp_path)
    assert len(data) == 4
    assert "test: ignored 2 images" in said and "headstart submit" in said


def test_class_folders_go_before_the_tables(tmp_path: Path) -> None:
    for name in ("train", "test"):
        write_images(tmp_path / name, ["cat/0.png", "dog/0.png"])
        write_table(tmp_path / name / "list.csv", "image,label", "cat/0.png,x", "dog/0.png,y")
    assert load(tmp_path).class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("0.jpg, 1, 0, 1", "line 2 of valid/_classes.csv: more than one of the columns cat, dog"),
        ("0.jpg, 0, 0, 0", "line 2 of valid/_classes.csv: none of the one-hot columns"),
        ("0.jpg, 1, 0", "line 2 of valid/_classes.csv: expected 4 fields"),
        ("0.jpg, 1, , 0", "line 2 of valid/_classes.csv: the one-hot column dog is empty"),
    ],
)
def test_errors_name_the_part_and_the_line(tmp_path: Path, row: str, text: str) -> None:
    part(tmp_path / "train", *ROWS)
    part(tmp_path / "valid", row, ROWS[1])
    assert text in error_of(tmp_path)


def test_several_labels_per_image_are_refused_by_name(tmp_path: Path) -> None:
    part(tmp_path / "train", *ROWS, "3.jpg, 1, 1, 0")
    assert "multi-label is not supported" in error_of(tmp_path)


def test_boxes_are_refused_by_name(tmp_path: Path) -> None:
    header = "filename,width,height,class,xmin,ymin,xmax,ymax"
    for name in ("train", "valid"):
        rows = ("0.jpg,4,4,cat,0,0,2,2", "1.jpg,4,4,dog,0,0,2,2")
        part(tmp_path / name, *rows, header=header, table="_annotations.csv")
    error = error_of(tmp_path)
    assert "train/_annotations.csv has boxes" in error and "detection is not supported" in error


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    part(tmp_path / "train", *ROWS)
    (tmp_path / "train/1.jpg").unlink()
    assert f"{tmp_path / 'train/1.jpg'} does not exist" in error_of(tmp_path)


def test_two_tables_of_one_part_are_refused(tmp_path: Path) -> None:
    roboflow(tmp_path, "train", "val", "valid")
    error = error_of(tmp_path)
    assert "two tables of validation images: val/_classes.csv and valid/_classes.csv" in error


def test_a_class_that_only_validation_has_is_refused(tmp_path: Path) -> None:
    part(tmp_path / "train", *ROWS[:2])
    part(tmp_path / "valid", *ROWS)
    assert "classes that its training images lack: 'owl'" in error_of(tmp_path)


def tables_of_parts(folder: Path) -> None:
    """Write train.csv, val.csv and test.csv, whose images are in folders beside them."""
    for part in ("train", "val", "test"):
        names = [f"{part}_images/{number}.png" for number in range(4)]
        write_images(folder, names)
        rows = [f"{name},{'cat' if row % 2 else 'dog'}" for row, name in enumerate(names)]
        write_table(folder / f"{part}.csv", "path,label", *rows)


def test_tables_that_are_named_after_parts_are_one_dataset(tmp_path: Path) -> None:
    tables_of_parts(tmp_path)
    data = load(tmp_path)
    assert data.class_names == ("cat", "dog")
    assert (
        data.parts is not None
        and data.parts.tolist() == [TEST] * 4 + [TRAIN] * 4 + [VALIDATION] * 4
    )
    write_table(tmp_path / "val.csv", "path,label", "train_images/0.png,dog")
    assert "train.csv and val.csv" in error_of(tmp_path)
    assert "both list the image train_images/0.png" in error_of(tmp_path)


def test_a_test_table_without_labels_is_no_part(tmp_path: Path) -> None:
    tables_of_parts(tmp_path)
    (tmp_path / "val.csv").unlink()
    write_table(tmp_path / "test.csv", "path", "test_images/0.png")
    assert "train.csv" in error_of(tmp_path)


def test_class_folders_go_before_tables_that_are_named_after_parts(tmp_path: Path) -> None:
    write_images(tmp_path, [f"{name}/{row}.png" for name in ("eel", "fox") for row in range(3)])
    for part in ("train", "test"):
        write_table(tmp_path / f"{part}.csv", "path,label", "eel/0.png,cat", "fox/0.png,dog")
    assert load(tmp_path).class_names == ("eel", "fox")
