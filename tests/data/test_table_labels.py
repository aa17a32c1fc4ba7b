"""Labels of tables: exactly as written, and refused if they are not classes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from table_helpers import error_of, labels_of, load_and_listen, write_images, write_table

from headstart.data import load, make_split
from headstart.data.formats.tables._label_meaning import require_classes
from headstart.data.formats.tables._multi_label import labels_that_combine_others
from headstart.errors import InputError


def table_of(folder: Path, labels: list[str], header: str = "path,label") -> Path:
    """Write a table with one image per label."""
    names = [f"{number}.png" for number in range(len(labels))]
    write_images(folder, names)
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(zip(names, labels, strict=True))
    return folder / "t.csv"


@pytest.mark.parametrize(
    "labels",
    [
        ["001", "002", "010"],
        ["007", "7", "8"],
        ["1.0", "2.0", "10.0"],
        ["\u09e7", "\u09e8"],  # Bengali digits
        ["\u0661", "\u0662", "\u0661\u0660"],  # Arabic-Indic digits
        ["+1", "2"],
        ["-1", "0", "2", "10"],
        ["1e3", "2"],
        ["FALSE", "TRUE"],
        ["NA", "None", "none of them"],
        ["=1+1", "@x", "a,b;c"],
        ["..", "<script>", "CON", "\U0001f600"],
        ["two\nlines", "x"],
    ],
)
def test_labels_come_back_exactly_as_written(tmp_path: Path, labels: list[str]) -> None:
    data = load(table_of(tmp_path, labels))
    assert data.class_names == tuple(labels)
    assert [data.class_names[label] for label in data.labels] == labels

    pixels = ["label,p0", *(f'"{label}",{number}' for number, label in enumerate(labels))]
    assert load(write_table(tmp_path / "p.csv", *pixels)).class_names == tuple(labels)


def test_different_spellings_of_one_number_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, said = load_and_listen(capsys, table_of(tmp_path, ["7", "007", "8"]))
    assert data.class_names == ("007", "7", "8")
    assert "t.csv: '007' and '7' are two classes" in said

    data, said = load_and_listen(capsys, table_of(tmp_path, ["7", "7.0", "10.0"]))
    assert data.class_names == ("7", "10")
    assert data.labels.tolist() == [0, 0, 1]
    assert "some labels end in .0 and others do not" in said


def test_only_blanks_around_labels_are_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, said = load_and_listen(capsys, table_of(tmp_path, [" cat", "cat", "big  dog "]))
    assert data.class_names == ("big  dog", "cat")
    assert "spaces around labels were removed, which merged the spellings of 'cat'" in said
    _, said = load_and_listen(capsys, table_of(tmp_path, [" cat", " dog"]))
    assert "blanks" not in said


@pytest.mark.parametrize("label", ["nan", "NaN", "null", "NULL", "<NA>", "#N/A", "", "  "])
def test_a_missing_label_is_an_error_with_its_line(tmp_path: Path, label: str) -> None:
    text = error_of(table_of(tmp_path, ["cat", label, "dog"]))
    assert "line 3 of t.csv: the label (label) is empty" in text
    assert ("rename it" in text) == bool(label.strip())
    lines = ["label,p0", "cat,1", f'"{label}",2', "dog,3"]
    assert "line 3 of p.csv: the label (label) is empty" in error_of(
        write_table(tmp_path / "p.csv", *lines)
    )


@pytest.mark.parametrize(
    "labels",
    [
        ["scab", "rust", "spot", "scab rust", "rust spot", "scab spot"],
        ["scab frog_eye_leaf_spot", "scab", "healthy", "frog_eye_leaf_spot", "rust"],
        ["Effusion|Mass", "Effusion", "Mass|Nodule"],
        ["a;b", "b;c"],
        ["a,b", "a", "b", "c"],
        ["cat+dog", "cat", "dog"],
        ["cat / dog", "cat", "dog"],
        ["['cat', 'dog']", "['cat']"],
        ["[0, 1]", "[1, 2]"],
        # tags of satellite images: few of them alone, many lists
        [
            *("agriculture clear primary", "clear primary", "clear primary water", "clear water"),
            *("agriculture clear", "clear primary road", "clear road water", "agriculture road"),
            *("primary water", "agriculture clear water", "cloudy"),
        ],
    ],
)
def test_several_labels_in_one_cell_are_an_error(tmp_path: Path, labels: list[str]) -> None:
    text = error_of(table_of(tmp_path, labels * 2))
    assert "invalid labels of t.csv: expected one class per image" in text
    assert "multi-label is not supported" in text
    assert "If each of these is one class, join its words: " in text


@pytest.mark.parametrize(
    "labels",
    [
        ["polar bear", "grizzly bear", "brown bear"],
        ["golden retriever", "labrador retriever", "pug"],
        ["cat", "wild cat", "dog", "wild dog"],
        # Quick, Draw! has one name that is made of two others, among many that are not.
        ["baseball", "bat", "baseball bat", "ice cream", "hot dog", "school bus", "wine glass"],
        ["tench, Tinca tinca", "ear, spike, capitulum", "corn", "missile", "projectile, missile"],
        ["black dress", "blue dress", "black shoes", "blue shoes", "red dress", "red shoes"],
        ["Black footed Albatross", "Laysan Albatross", "Sooty Albatross", "Groove billed Ani"],
        ["T-shirt/top", "Trouser", "Ankle boot"],
        ["A", "B", "space", "nothing", "del"],
        ["+", "-", ",", "/", "|", ";", "[", "]"],
        ["New York", "New Orleans", "York"],
        ["0-9", "10-19", "20+"],
        ["rock & roll", "blues", "hip hop"],
        ["[a]", "[b]"],
    ],
)
def test_ordinary_names_of_several_words_are_classes(labels: list[str]) -> None:
    assert labels_that_combine_others(labels) == []


def test_measurements_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ages = [f"{age:.1f}" for age in rng.uniform(18, 80, 40)]
    text = error_of(table_of(tmp_path, ages))
    assert "These look like measurements; regression is not supported." in text
    assert "c23 instead of 23" in text
    commas = [age.replace(".", ",") for age in ages]
    assert "look like measurements" in error_of(table_of(tmp_path, commas))
    pixels = ["label,p0", *(f"{age},7" for age in ages)]
    assert "look like measurements" in error_of(write_table(tmp_path / "p.csv", *pixels))


@pytest.mark.parametrize(
    ("labels", "column"),
    [
        ([f"{0.37 * n:.2f}" for n in range(30)], "label"),
        ([f"{n / 10}" for n in range(50)] * 10, "y"),  # 50 values to one decimal, ten images each
        ([str(n * 7) for n in range(40)], "target"),  # integers, each once
        ([str(n) for n in range(30)] * 40, "age"),
        ([str(n) for n in range(1, 26)] * 9, "boneage"),
        ([f"{1.5**n:e}" for n in range(20)], "label"),
        ([f"-{n}.25" for n in range(9)], "label"),
    ],
)
def test_numbers_to_estimate_are_refused(labels: list[str], column: str) -> None:
    with pytest.raises(InputError, match="look like measurements"):
        require_classes(labels, "t.csv", column)


@pytest.mark.parametrize(
    ("labels", "column"),
    [
        ([str(n) for n in range(10)], "label"),  # the ten digits, one image each
        ([str(n) for n in range(230)] * 3, "label"),
        (["0.5", "1.0", "1.5"] * 20, "dose"),
        (["1", "1.5", "2", "2.5", "3", "3.5", "4", "4.5", "5"] * 20, "score"),
        (["1.0", "2.0", "3.0"], "label"),
        ([f"c{n}" for n in range(60)] * 2, "label"),
        ([f"c{n}" for n in range(9)], "label"),
        (["0", "1"], "age"),
        ([f"{n:04d}" for n in range(14)], "label"),
    ],
)
def test_numbers_that_are_classes_are_kept(labels: list[str], column: str) -> None:
    require_classes(labels, "t.csv", column)


@pytest.mark.parametrize(
    "columns",
    [
        "xmin,ymin,xmax,ymax",
        "XMin,XMax,YMin,YMax",
        "x,y,w,h",
        "bbox_x1,bbox_y1,bbox_x2,bbox_y2",
        "Roi.X1,Roi.Y1,Roi.X2,Roi.Y2",
        "bbox",
        "x_center,y_center,width,height",
        "PredictionString",
    ],
)
def test_boxes_are_refused_unless_the_label_column_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], columns: str
) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    cells = ",".join("1" for _ in columns.split(","))
    head, rows = f"filename,class,{columns}", [f"a.png,cat,{cells}", f"b.png,dog,{cells}"]
    table = write_table(tmp_path / "t.csv", head, *rows)
    text = error_of(table)
    assert "t.csv has boxes (" in text and "detection is not supported" in text
    assert "name its column: --label-column class" in text

    data, said = load_and_listen(capsys, table, label_column="class")
    assert labels_of(data) == {"a.png": "cat", "b.png": "dog"}
    assert "ignored the boxes (" in said

    table = write_table(tmp_path / "t.csv", head, *rows, f"a.png,dog,{cells}")
    assert "a.png has the label 'dog', but 'cat' on line 2" in error_of(table, label_column="class")


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        ("id,xmin,ymin,xmax,ymax,category name", "--label-column 'category name'"),
        ("id,xmin,ymin,xmax,ymax,source", "--label-column NAME"),
    ],
)
def test_a_table_of_boxes_names_the_column_that_may_hold_classes(
    tmp_path: Path, header: str, hint: str
) -> None:
    write_images(tmp_path, ["a.png"])
    assert hint in error_of(write_table(tmp_path / "t.csv", header, "a.png,1,2,3,4,cat"))


def test_numbered_corners_of_boxes_are_not_pixels(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    rows = ["a,1,2,3,4,cat", "b,1,2,3,4,dog"]
    table = write_table(tmp_path / "t.csv", "patientId,x1,y1,x2,y2,class", *rows)
    assert "t.csv has boxes (x1, y1, x2, y2)" in error_of(table)
    text = error_of(table, label_column="class")
    assert "a is an image, so name its column: --path-column patientId" in text
    labels = labels_of(load(table, label_column="class", path_column="patientId"))
    assert labels == {"a.png": "cat", "b.png": "dog"}


@pytest.mark.parametrize("column", ["EncodedPixels", "rle", "segmentation", "mask_path"])
def test_masks_are_refused(tmp_path: Path, column: str) -> None:
    write_images(tmp_path, ["a.png"])
    table = write_table(tmp_path / "t.csv", f"ImageId,ClassId,{column}", "a.png,1,1 3 10 5")
    text = error_of(table)
    assert f"t.csv has masks ({column}); segmentation is not supported." in text


def test_a_table_without_paths_or_with_width_and_height_is_not_one_of_boxes(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    table = write_table(tmp_path / "t.csv", "path,width,height,label", "a.png,4,4,x", "b.png,4,4,y")
    assert load(table).class_names == ("x", "y")


@pytest.mark.parametrize("label", ["sea lion", "sea & lion"])
def test_a_name_of_two_words_that_are_classes_is_one_class(
    tmp_path: Path, label: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = table_of(tmp_path, ["sea", "lion", label] * 2)
    dataset, said = load_and_listen(capsys, table)
    assert dataset.class_names == ("lion", "sea", label)
    assert f"'{label}' is read as one class" in said


def test_classes_of_one_image_each_are_named(tmp_path: Path) -> None:
    data = load(table_of(tmp_path, ["12", "31", "45", "58"]))
    with pytest.raises(InputError, match="each of the 4 classes has only one image"):
        make_split(data)


@pytest.mark.parametrize("mark", ["_", "-", " and ", ":"])
def test_joined_labels_are_classes_and_a_line_names_them(
    tmp_path: Path, mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["scab", "rust", "spot"]
    joined = [f"scab{mark}rust", f"rust{mark}spot", f"spot{mark}scab"]
    dataset, said = load_and_listen(capsys, table_of(tmp_path, [*words, *joined] * 2))
    assert set(dataset.class_names) == {*words, *joined}
    assert (
        f"'scab{mark}rust', 'rust{mark}spot', 'spot{mark}scab' are each read as one class" in said
    )


@pytest.mark.parametrize("form", ["{} years", "{}%", "${}.50", "{} kg", "{},5 cm"])
def test_numbers_with_one_unit_are_measurements(tmp_path: Path, form: str) -> None:
    labels = [form.format(number) for number in range(20, 50)]
    text = error_of(table_of(tmp_path, labels))
    assert "expected classes, got 30 different numbers in 30 rows" in text


@pytest.mark.parametrize("form", ["person {}", "{}-inch pipe", "{}th", "c{}"])
def test_numbers_in_names_and_few_numbers_with_a_unit_are_classes(
    tmp_path: Path, form: str
) -> None:
    count = 3 if "th" in form else 30
    labels = [form.format(number) for number in range(20, 20 + count)]
    assert set(load(table_of(tmp_path, labels * 2)).class_names) == set(labels)


def test_yes_and_no_in_one_column_per_class_are_one_hot(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    table = write_table(tmp_path / "t.csv", "path,cat,dog", "a.png,Yes,No", "b.png,No,Yes")
    assert labels_of(load(table)) == {"a.png": "cat", "b.png": "dog"}


def test_a_column_that_counts_the_rows_is_not_proposed_for_the_labels(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    table = write_table(tmp_path / "t.csv", "Nr,Datei,Klasse", "1,a.png,x", "2,b.png,y")
    assert "for example: --label-column Klasse" in error_of(table)


@pytest.mark.parametrize(
    "form", ["masks/{}.png", "{}_mask.PNG", "SegmentationClass/{}.tif", "{}.jpg 1"]
)
def test_labels_that_are_images_are_refused(tmp_path: Path, form: str) -> None:
    labels = [form.format(number // 2) for number in range(6)]
    text = error_of(table_of(tmp_path, labels))
    assert f"invalid labels of t.csv: expected classes, got names of images ({labels[0]})." in text
    assert "Masks (segmentation) and pairs of images are not supported." in text


def test_a_list_of_pairs_of_images_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png", "c.png"])
    table = write_table(tmp_path / "pairs.txt", "a.png b.png 0", "b.png c.png 1", "c.png a.png 1")
    assert "expected classes, got names of images (b.png 0)" in error_of(table)


def test_a_list_of_images_and_masks_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path, ["images/a b.png", "images/c.png"])
    lines = ["images/a b.png masks/a b.png", "images/c.png masks/c.png"]
    text = error_of(write_table(tmp_path / "train.txt", *lines))
    assert "expected classes, got names of images (masks/a b.png)" in text


def test_a_list_separated_by_blanks_is_told_what_it_needs(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    text = error_of(write_table(tmp_path / "cat_train.txt", "a  1", "b -1"))
    assert "Separate the fields by commas, and name them in line 1" in text
    text = error_of(write_table(tmp_path / "list_attr.txt", "2", "Smiling Male", "a.png 1 -1"))
    assert "got numbers (2)" in text and "Write path,label instead" in text
    assert "seq" not in text


def test_labels_that_no_two_images_share_are_refused(tmp_path: Path) -> None:
    captions = [f"a {animal} on a {thing}" for animal in ("cat", "dog") for thing in "abcdef"]
    text = error_of(table_of(tmp_path, captions))
    assert "expected classes that images share, got 12 different labels in 12 rows" in text
    assert "('a cat on a a', 'a cat on a b', …)" in text
    with pytest.raises(InputError, match="12 different labels in 13 rows"):
        require_classes([*captions, captions[0]], "t.csv", "label")


@pytest.mark.parametrize(
    ("labels", "column"),
    [
        (["1", "2", "3", "4", "5"], "rating"),
        (["0", "1", "2"], "level"),
        (["1", "1.5", "2"], "label"),
        (["0", "90", "180"], "angle"),
    ],
)
def test_few_numbers_that_may_have_an_order_are_classes_and_a_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: list[str], column: str
) -> None:
    table = table_of(tmp_path, labels * 4, f"path,{column}")
    data, said = load_and_listen(capsys, table)
    assert data.class_names == tuple(labels)
    count = len(labels)
    assert f"t.csv: the {count} different numbers are read as classes; their order" in said


@pytest.mark.parametrize("labels", [["1", "2", "3"], ["0.0", "1.0"], ["low", "high"]])
def test_numbers_that_only_name_classes_need_no_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: list[str]
) -> None:
    assert load_and_listen(capsys, table_of(tmp_path, labels * 4))[1] == ""


@pytest.mark.parametrize("form", ["{} ({:.2f})", "{}: {:.2f}", "{} ({:.0%})"])
def test_classes_with_a_confidence_are_refused(tmp_path: Path, form: str) -> None:
    names = [f"{number}.png" for number in range(8)]
    write_images(tmp_path, names)
    rows = [
        f"{name},{form.format('cat' if row % 2 else 'dog', 0.9 + row / 100)}"
        for row, name in enumerate(names)
    ]
    text = error_of(write_table(tmp_path / "t.csv", "path,label", *rows))
    assert "got classes with a confidence" in text
    assert "Write the class alone: dog" in text


def test_numbers_in_parentheses_that_tell_classes_apart_are_kept(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png", "c.png"])
    rows = ["a.png,milk (3.5%)", "b.png,milk (1.5%)", "c.png,steel (1.2)"]
    data = load(write_table(tmp_path / "t.csv", "path,label", *rows))
    assert data.class_names == ("milk (1.5%)", "milk (3.5%)", "steel (1.2)")
