"""The columns of tables: recognized by name, named by options, indices, parts, one-hot."""

from __future__ import annotations

from pathlib import Path

import pytest
from table_helpers import error_of, labels_of, load_and_listen, write_images, write_table

from headstart.data import TEST, TRAIN, VALIDATION, load
from headstart.data.formats.tables._path_csv import list_unlabelled

NAMES = ["a.png", "b.png", "c.png", "d.png"]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    write_images(tmp_path, NAMES)
    return tmp_path


@pytest.mark.parametrize(
    "path_column",
    ["path", "image_id", "ImageId", "Image Index", "filepath", "file_name", "img", "fname", "id"],
)
@pytest.mark.parametrize(
    "label_column", ["label", "class", "target", "y", "breed", "dx", "Finding Labels", "kind"]
)
def test_usual_names_of_columns_are_recognized(
    images: Path, path_column: str, label_column: str
) -> None:
    lines = [f"{path_column},{label_column}", "a.png,x", "b.png,y"]
    assert labels_of(load(write_table(images / "t.csv", *lines))) == {"a.png": "x", "b.png": "y"}


def test_a_guessed_label_column_is_printed(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_table(images / "labels.csv", "id,breed", "a,pug", "b,husky")
    data, said = load_and_listen(capsys, path)
    assert data.class_names == ("husky", "pug")
    assert "labels.csv: labels are in the column 'breed', paths in 'id'" in said
    assert "for example, 'a' is a.png" in said
    _, said = load_and_listen(
        capsys, write_table(images / "p.csv", "path,label", "a.png,1", "b.png,2")
    )
    assert "column" not in said


def test_the_usual_name_wins_among_others(images: Path) -> None:
    path = write_table(
        images / "meta.csv", "lesion,image_id,dx,age,sex", "7,a,nv,50,f", "7,b,mel,60,m"
    )
    assert labels_of(load(path)) == {"a.png": "nv", "b.png": "mel"}
    path = write_table(images / "t.csv", "id,label,class", "a,1,x", "b,2,x")
    assert labels_of(load(path)) == {"a.png": "1", "b.png": "2"}


def test_the_column_of_paths_is_the_one_that_leads_to_files(images: Path) -> None:
    path = write_table(images / "w.csv", "Image,Id", "a.png,w_1", "b.png,w_2")
    assert labels_of(load(path)) == {"a.png": "w_1", "b.png": "w_2"}
    path = write_table(images / "w.csv", "file,id,label", "17,a,x", "18,b,y")
    assert labels_of(load(path)) == {"a.png": "x", "b.png": "y"}
    path = write_table(images / "w.csv", "where,what", "a.png,x", "b.png,y")
    assert labels_of(load(path)) == {"a.png": "x", "b.png": "y"}


def test_several_columns_that_may_hold_labels_are_an_error_that_names_the_option(
    images: Path,
) -> None:
    path = write_table(images / "t.csv", "path,colour,shape", "a.png,red,round", "b.png,blue,flat")
    text = error_of(path)
    assert "2 columns that may hold labels: colour, shape." in text
    assert "--label-column colour" in text
    assert load(path, label_column="shape").class_names == ("flat", "round")


def test_the_options_choose_columns(images: Path) -> None:
    path = write_table(
        images / "t.csv", "path,label,other,alt", "a.png,1,x,c.png", "b.png,2,y,d.png"
    )
    assert labels_of(load(path)) == {"a.png": "1", "b.png": "2"}
    assert labels_of(load(path, label_column="other")) == {"a.png": "x", "b.png": "y"}
    assert labels_of(load(path, path_column="alt")) == {"c.png": "1", "d.png": "2"}
    # The cache holds one entry for each way to read the table.
    assert labels_of(load(path)) == {"a.png": "1", "b.png": "2"}


def test_an_unknown_column_is_an_error_that_suggests_the_nearest(images: Path) -> None:
    path = write_table(images / "t.csv", "path,breed", "a.png,1", "b.png,2")
    text = error_of(path, label_column="bred")
    assert "t.csv has no column 'bred' (label_column); it has path, breed." in text
    assert "did you mean 'breed'?" in text
    assert "(path_column)" in error_of(path, path_column="pfad")


@pytest.mark.parametrize("first", ["", "Unnamed: 0", "index", "level_0"])
def test_an_index_column_is_ignored_with_a_word(
    images: Path, capsys: pytest.CaptureFixture[str], first: str
) -> None:
    path = write_table(images / "t.csv", f"{first},path,kind", "0,a.png,x", "1,b.png,y")
    data, said = load_and_listen(capsys, path)
    assert labels_of(data) == {"a.png": "x", "b.png": "y"}
    assert "t.csv: ignored the index column " in said


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("split", ["train", "Train", "val", "test"]),
        ("Usage", ["Training", "Training", "PublicTest", "PrivateTest"]),
        ("subset", ["training", "train", "validation", "testing"]),
        ("set", ["train", "train", "dev", "test"]),
        ("partition", ["train", "train", "valid", "test"]),
    ],
)
def test_a_column_of_parts_is_kept(images: Path, column: str, words: list[str]) -> None:
    rows = [
        f"{name},{label},{word}" for name, label, word in zip(NAMES, "xyxy", words, strict=True)
    ]
    data = load(write_table(images / "t.csv", f"path,label,{column}", *rows))
    assert data.parts.tolist() == [TRAIN, TRAIN, VALIDATION, TEST]


def test_a_column_of_other_words_is_not_one_of_parts(images: Path) -> None:
    path = write_table(images / "t.csv", "path,label,set", "a.png,x,blue", "b.png,y,red")
    assert set(load(path).parts.tolist()) == {0}
    path = write_table(images / "t.csv", "path,label,set", "a.png,x,train", "b.png,y,red")
    assert "line 3 of t.csv: invalid set 'red': expected train, validation or test." in error_of(
        path
    )


@pytest.mark.parametrize(
    ("columns", "rows", "parts"),
    [
        ("is_valid", ["False", "False", "True", "False"], [TRAIN, TRAIN, VALIDATION, TRAIN]),
        ("is_test", ["0", "0", "0", "1"], [TRAIN, TRAIN, TRAIN, TEST]),
        ("is_training_image", ["1", "1", "0", "1"], [TRAIN, TRAIN, TEST, TRAIN]),
        ("is_val,is_test", ["no,no", "n,0", "yes,no", "no,yes"], [TRAIN, TRAIN, VALIDATION, TEST]),
        ("dataset", ["TRAIN", "TRAIN", "TEST", "TEST"], [TRAIN, TRAIN, TEST, TEST]),
    ],
)
def test_parts_may_be_named_by_yes_and_no_or_in_any_column(
    images: Path,
    capsys: pytest.CaptureFixture[str],
    columns: str,
    rows: list[str],
    parts: list[int],
) -> None:
    lines = [f"{name},{label},{row}" for name, label, row in zip(NAMES, "xyxy", rows, strict=True)]
    data, said = load_and_listen(
        capsys, write_table(images / "t.csv", f"path,label,{columns}", *lines)
    )
    assert data.parts.tolist() == parts
    assert f"'{columns.partition(',')[0]}'" in said


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("fold", ["0", "1", "2", "0"]),
        ("partition", ["0", "0", "1", "2"]),
        ("is_valid", ["True", "True", "True", "False"]),  # which images are usable, perhaps
    ],
)
def test_a_column_that_seems_to_name_parts_is_not_ignored_silently(
    images: Path, capsys: pytest.CaptureFixture[str], column: str, words: list[str]
) -> None:
    rows = [
        f"{name},{label},{word}" for name, label, word in zip(NAMES, "xyxy", words, strict=True)
    ]
    data, said = load_and_listen(
        capsys, write_table(images / "t.csv", f"path,label,{column}", *rows)
    )
    assert set(data.parts.tolist()) == {0}
    assert f"'{column}'" in said


@pytest.mark.parametrize(("on", "off"), [("1", "0"), ("1.0", "0.0"), ("True", "False")])
def test_one_hot_columns_of_one_class_are_read(
    images: Path, capsys: pytest.CaptureFixture[str], on: str, off: str
) -> None:
    path = write_table(
        images / "t.csv",
        "image,healthy,scab,rust,age",
        f"a.png,{off},{on},{off},31",
        f"b.png,{off},{off},{on},45",
        f"c.png,{off},{on},{off},31",
    )
    data, said = load_and_listen(capsys, path)
    assert labels_of(data) == {"a.png": "scab", "b.png": "rust", "c.png": "scab"}
    assert "read 3 one-hot columns as classes" in said
    assert "no row has the class 'healthy'" in said
    assert "ignored the other columns (age)" in said


def test_one_hot_columns_with_several_or_no_class_are_an_error(images: Path) -> None:
    head = "image,scab,rust,spot"
    text = error_of(
        write_table(images / "t.csv", head, "a.png,1,0,0", "b.png,1,1,0", "c.png,1,0,1")
    )
    assert "line 3 of t.csv: more than one of the columns scab, rust, spot is 1" in text
    assert "2 of 3 lines; multi-label is not supported." in text
    assert "--label-column NAME" in text
    text = error_of(
        write_table(images / "t.csv", head, "a.png,1,0,0", "b.png,0,0,0", "c.png,0,1,0")
    )
    assert "line 3 of t.csv: none of the one-hot columns (scab, rust, spot) is 1" in text


def test_columns_of_numbers_to_estimate_are_an_error(images: Path) -> None:
    path = write_table(images / "t.csv", "image,p1,p2", "a.png,0.2,0.8", "b.png,0.7,0.3")
    text = error_of(path)
    assert "2 columns of numbers: p1, p2. These look like measurements or probabilities" in text


def test_the_ids_of_a_table_without_labels_are_as_written(images: Path) -> None:
    listed = list_unlabelled(write_table(images / "t.csv", "id", "b", "a"))
    assert listed is not None
    assert listed.ids == ["b", "a"]
    assert listed.paths == [images / "b.png", images / "a.png"]

    listed = list_unlabelled(write_table(images / "t.csv", "id,path", "007,b.png", "1.0, a.png"))
    assert listed is not None
    assert (listed.ids, listed.names) == (["007", "1.0"], ["b.png", "a.png"])
    assert list_unlabelled(write_table(images / "p.csv", "id,pixel0", "1,2")) is None


@pytest.mark.parametrize(
    "header", ["image1,image2,label", "left,right,label", "anchor,positive,negative"]
)
def test_pairs_of_images_are_refused_unless_the_column_is_named(images: Path, header: str) -> None:
    rows = ["a.png,b.png,c.png", "b.png,c.png,a.png"]
    if header.endswith("label"):
        rows = ["a.png,b.png,x", "b.png,c.png,y"]
    table = write_table(images / "t.csv", header, *rows)
    first = header.partition(",")[0]
    text = error_of(table)
    assert f"columns of images ({first}, " in text
    assert "pairs of images are not supported" in text and f"--path-column {first}" in text
    if header.endswith("label"):
        data = load(table, path_column=first)
        assert labels_of(data) == {"a.png": "x", "b.png": "y"}


def test_a_second_column_of_images_beside_a_usual_one_is_named(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["a.png,b.png,x", "b.png,c.png,y"]
    table = write_table(images / "t.csv", "image,reference,label", *rows)
    data, said = load_and_listen(capsys, table)
    assert labels_of(data) == {"a.png": "x", "b.png": "y"}
    assert "the images are those of the column 'image'; those of 'reference' are not read" in said

    rows = ["a.png,thumbs/a.jpg,x", "b.png,thumbs/b.jpg,y"]
    table = write_table(images / "t.csv", "image,reference,label", *rows)
    assert load_and_listen(capsys, table)[1] == ""


def test_ids_that_lead_nowhere_give_way_to_names_of_images(images: Path) -> None:
    table = write_table(images / "t.csv", "id,picture_name,label", "1,a.png,x", "2,b.png,y")
    assert labels_of(load(table)) == {"a.png": "x", "b.png": "y"}


def test_a_column_of_ids_with_an_unusual_name_is_found_for_the_message(images: Path) -> None:
    table = write_table(images / "t.csv", "visit,Patient Id,class", "x1,a,x", "x2,b,y")
    text = error_of(table)
    assert "a is an image, so name its column: --path-column 'Patient Id'" in text
    assert labels_of(load(table, path_column="Patient Id")) == {"a.png": "x", "b.png": "y"}


@pytest.mark.parametrize(
    ("row", "header"),
    [
        ("TRAIN,a.png,cat", "column1,path,label"),
        ("a.png,1,2,3,4,cat", "path,column2,column3,column4,column5,label"),
    ],
)
def test_a_list_of_several_columns_is_told_which_header_it_needs(
    images: Path, row: str, header: str
) -> None:
    assert f"for example: {header}" in error_of(write_table(images / "t.csv", row, row))


def test_a_column_of_numbers_beside_the_names_of_classes_is_not_another_label(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["file,class_id,class_name", "a.png,1,cat", "b.png,2,dog", "c.png,1,cat"]
    data, said = load_and_listen(capsys, write_table(images / "t.csv", *lines))
    assert data.class_names == ("cat", "dog")
    assert "labels are in the column 'class_name'" in said

    text = error_of(write_table(images / "t.csv", *lines, "d.png,2,cat"))
    assert "2 values of class_id for 'cat' in class_name" in text
    assert "--label-column class_name" in text
    text = error_of(write_table(images / "t.csv", *lines, "d.png,2,eel"))
    assert "2 values of class_name for '2' in class_id" in text

    data, _ = load_and_listen(capsys, write_table(images / "t.csv", *lines, "d.png,,dog"))
    assert len(data) == 4, "a number may be missing"
    blank = [line.replace(",1,", ",,").replace(",2,", ",,") for line in lines]
    assert len(load(write_table(images / "t.csv", *blank))) == 3


def test_ids_beside_a_usual_column_of_labels_may_be_those_of_the_annotations(images: Path) -> None:
    lines = ["path,label,label_id", "a.png,cat,11", "b.png,dog,12", "c.png,cat,13"]
    assert load(write_table(images / "t.csv", *lines)).class_names == ("cat", "dog")


def test_the_proposed_option_is_quoted(images: Path) -> None:
    lines = ["file,class id,class name", "a.png,1,cat", "b.png,2,cat", "c.png,3,dog"]
    assert "--label-column 'class name'" in error_of(write_table(images / "t.csv", *lines))


def test_numbered_columns_of_ids_of_images_are_not_pixels(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", "image1,image2,label", "1,2,same", "3,4,other")
    assert "2 columns of images (image1, image2); pairs of images are not supp" in error_of(path)
