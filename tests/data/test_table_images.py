"""The image files that a table names: ids, separators of Windows, folders near the table."""

from __future__ import annotations

from pathlib import Path

import pytest
from table_helpers import error_of, labels_of, load_and_listen, write_images, write_table

from headstart.data import load


@pytest.mark.parametrize(
    ("table", "names", "files"),
    [
        # ids without a suffix: beside the table, or in a folder of images near it
        ("labels.csv", ["0a1", "0b2"], ["0a1.jpg", "0b2.png"]),
        ("labels.csv", ["0a1", "0b2"], ["train/0a1.jpg", "train/0b2.jpg"]),
        ("labels.csv", ["0a1", "0b2"], ["IMG/0a1.jpg", "IMG/0b2.JPG"]),
        ("labels.csv", ["1.2.3", "1.2.4"], ["images/1.2.3.png", "images/1.2.4.png"]),
        ("train.csv", ["1", "2"], ["train_images/1.tif", "train_images/2.tif"]),
        ("train.csv", ["1", "2"], ["images/train/1.jpg", "images/train/2.jpg"]),
        ("meta.csv", ["i1", "i2"], ["ham_images_part_1/i1.jpg", "ham_images_part_2/i2.jpg"]),
        ("birds.csv", ["i1", "i2"], ["birds/i1.jpg", "birds/i2.jpg"]),
        ("labels.csv", ["i1", "i2"], ["by hand/new/i1.jpg", "by hand/new/i2.jpg"]),
        ("annotations/labels.csv", ["../images/1", "2"], ["images/1.jpg", "images/2.jpg"]),
        ("labels.csv", ["cat/1", "dog/1"], ["cat/1.png", "dog/1.png"]),
        ("labels.csv", ["cat/1", "dog/1"], ["images/cat/1.png", "images/dog/1.png"]),
        # separators of Windows, drives, and folders of another machine
        ("t.csv", ["im\\cat\\0.png", "im\\dog\\0.png"], ["im/cat/0.png", "im/dog/0.png"]),
        ("t.csv", [".\\im\\0.png", "im//1.png"], ["im/0.png", "im/1.png"]),
        (
            "t.csv",
            ["C:\\Users\\me\\im\\0.png", "C:\\Users\\me\\im\\1.png"],
            ["im/0.png", "im/1.png"],
        ),
        ("t.csv", ["/content/drive/im/0.png", "/content/drive/im/1.png"], ["im/0.png", "im/1.png"]),
        (
            "t.csv",
            ["../input/pets/train/0.jpg", "../input/pets/train/1.jpg"],
            ["train/0.jpg", "train/1.jpg"],
        ),
        # the folder that the path begins with is above the table
        ("data/meta/t.csv", ["data/im/0.png", "data/im/1.png"], ["data/im/0.png", "data/im/1.png"]),
        ("data/t.csv", ["data/im/0.png", "data/im/1.png"], ["data/im/0.png", "data/im/1.png"]),
        # another case or suffix
        ("t.csv", ["im/a.jpg", "im/b.jpg"], ["im/a.JPG", "im/b.Jpeg"]),
        ("t.csv", ["IM\\A.PNG", "im/b.png"], ["im/a.png", "im/b.png"]),
        ("t.csv", ["a.tif", "b.tif"], ["images/a.png", "images/b.png"]),
    ],
)
def test_images_are_found_as_people_name_them(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    table: str,
    names: list[str],
    files: list[str],
) -> None:
    write_images(tmp_path, files)
    lines = ["path,label", *(f"{name},{label}" for name, label in zip(names, "xy", strict=True))]
    data, said = load_and_listen(capsys, write_table(tmp_path / table, *lines))
    resolved = [(tmp_path / table).parent / name for name in data.image_names]
    assert [path.resolve() for path in resolved] == [tmp_path / file for file in files]
    assert labels_of(data) == dict(zip(data.image_names, "xy", strict=True))
    assert "found by another path than the written one; for example, '" in said


def test_paths_that_exist_as_written_are_kept_without_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["a b.png", "ü/x.png", f"{tmp_path}/abs.png", "no-suffix"]
    write_images(tmp_path, names[:3])
    (tmp_path / "a b.png").rename(tmp_path / "no-suffix")
    write_images(tmp_path, ["a b.png"])
    lines = [f"{name},{label}" for name, label in zip(names, "xyxy", strict=True)]
    table = write_table(tmp_path / "t.csv", "path,label", *lines)
    (tmp_path / "train").mkdir()
    with_twin = [*names, "train/a b.png"]
    write_images(tmp_path, with_twin[4:])
    data, said = load_and_listen(capsys, table)
    assert data.image_names == tuple(names)
    assert "found" not in said


def test_an_id_that_matches_two_files_is_an_error_that_names_both(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "a.jpg", "b.png"])
    table = write_table(tmp_path / "t.csv", "id,label", "a,x", "b,y")
    text = error_of(table)
    assert "line 2 of t.csv: 'a' matches 2 files: a.jpg and a.png." in text
    assert "Write the path with its folder and suffix" in text

    write_images(tmp_path, ["images/c.png", "photos/c.png"])
    text = error_of(write_table(tmp_path / "t.csv", "id,label", "c,x", "b,y"))
    assert "'c' matches 2 files: images/c.png and photos/c.png." in text


def test_the_folder_named_like_the_table_is_nearer_than_others(tmp_path: Path) -> None:
    write_images(tmp_path, ["train/1.png", "test/1.png", "train/2.png", "test/2.png"])
    table = write_table(tmp_path / "train.csv", "id,label", "1,x", "2,y")
    assert load(table).image_names == ("train/1.png", "train/2.png")
    table = write_table(tmp_path / "test_labels.csv", "id,label", "1,x", "2,y")
    assert load(table).image_names == ("test/1.png", "test/2.png")
    text = error_of(write_table(tmp_path / "labels.csv", "id,label", "1,x", "2,y"))
    assert "'1' matches 2 files: test/1.png and train/1.png." in text


def test_names_of_other_folders_never_lead_to_one_file(tmp_path: Path) -> None:
    write_images(tmp_path, ["0.png"])
    text = error_of(write_table(tmp_path / "t.csv", "path,label", "cat/0.png,x", "dog/0.png,y"))
    assert (
        "line 3 of t.csv: 'dog/0.png' and 'cat/0.png' do not exist, and both would be 0.png" in text
    )


def test_missing_images_say_where_they_were_searched(tmp_path: Path) -> None:
    write_images(tmp_path, ["images/a.png"])
    text = error_of(write_table(tmp_path / "t.csv", "id,label", "a,x", "b,y"))
    assert f"line 3 of t.csv: {tmp_path}/b does not exist." in text
    assert "These folders were searched as well: images." in text
    text = error_of(
        write_table(tmp_path / "t.csv", "path,label", "https://x.org/a.png,x", "images,y")
    )
    assert "https://x.org/a.png is a URL, and URLs are not downloaded" in text
    assert f"expected an image file, but {tmp_path}/images is a folder" in text


def test_the_same_image_twice_is_read_once_or_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path, ["im/a.png", "im/b.png"])
    head = "path,label,split,patient"
    rows = ["im/a.png,x,train,1", "im/b.png,y,train,2"]
    data, said = load_and_listen(
        capsys, write_table(tmp_path / "t.csv", head, *rows, "./im/a.png,x,train,1")
    )
    assert labels_of(data) == {"im/a.png": "x", "im/b.png": "y"}
    assert "1 row repeats an image with the same label" in said
    assert "./im/a.png (lines 2 and 4)" in said

    text = error_of(write_table(tmp_path / "t.csv", head, *rows, "im\\a.png,y,train,1"))
    assert "line 4 of t.csv: im/a.png has the label 'y', but 'x' on line 2." in text
    assert "multi-label" in text
    text = error_of(write_table(tmp_path / "t.csv", head, *rows, "im/a.png,x,test,1"))
    assert "line 4 of t.csv: im/a.png is in the part 'test', but in 'train' on line 2." in text
    table = write_table(tmp_path / "t.csv", head, *rows, "im/a.png,x,train,9")
    assert "is in the group '9', but in '1' on line 2." in error_of(table, group_by="patient")


def test_a_missing_file_is_not_replaced_by_one_of_another_folder(tmp_path: Path) -> None:
    write_images(tmp_path, ["train/1.jpg", "train/2.jpg", "test/5.jpg"])
    path = write_table(
        tmp_path / "labels.csv", "path,label", "train/1.jpg,a", "train/2.jpg,b", "train/5.jpg,a"
    )
    assert "train/5.jpg does not exist" in error_of(path)


def test_a_table_without_a_header_may_have_the_label_first(tmp_path: Path) -> None:
    write_images(tmp_path, ["0.png", "1.png"])
    dataset = load(write_table(tmp_path / "t.csv", "cat,0.png", "dog,1.png"))
    assert labels_of(dataset) == {"0.png": "cat", "1.png": "dog"}
    text = error_of(write_table(tmp_path / "u.csv", "0,0.png,cat", "1,1.png,dog"))
    assert "expected the names of the columns, got those of an image (0.png)" in text


@pytest.mark.parametrize(
    "cell",
    ["iVBORw0KGgoAAAANSUhEUgAAACAAA" + "A" * 400, "data:image/png;base64,iVBO", "b'\\x89PNG\\r'"],
)
def test_an_image_in_a_cell_is_named(tmp_path: Path, cell: str) -> None:
    write_images(tmp_path, ["a.png"])
    path = write_table(tmp_path / "t.csv", "image,label", f'"{cell}",cat', "a.png,dog")
    assert "line 2 of t.csv: expected the path of an image, got the image itself" in error_of(path)


@pytest.mark.parametrize(
    ("files", "ids"),
    [
        (["00007.png", "00012.png"], ["7", "12"]),  # pandas removed the zeros
        (["007.png", "012.png"], ["7.0", "12.0"]),  # and made numbers of a column with a gap
        (["caf\u00e9.png", "th\u00e9.png"], ["cafe\u0301.png", "the\u0301"]),  # macOS, then Linux
        (["a.png", "b.png"], ["file:///data/im/a.png", "file:///data/im/b.png"]),
    ],
)
def test_ids_find_their_files_without_zeros_and_in_another_normal_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], files: list[str], ids: list[str]
) -> None:
    write_images(tmp_path / "im", files)
    rows = [f"{key},{label}" for key, label in zip(ids, "xy", strict=True)]
    data, said = load_and_listen(capsys, write_table(tmp_path / "t.csv", "id,label", *rows))
    assert labels_of(data) == {f"im/{files[0]}": "x", f"im/{files[1]}": "y"}
    assert "2 images were found by another path than the written one" in said


def test_ids_that_may_be_two_files_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "im", ["07.png", "007.png", "12.png"])
    text = error_of(write_table(tmp_path / "t.csv", "id,label", "7,x", "12,y"))
    assert "line 2 of t.csv: '7' matches 2 files: im/007.png and im/07.png" in text
    text = error_of(write_table(tmp_path / "t.csv", "id,label", "7.0,x", "0012,x", "12.0,y"))
    assert "'12.0' and '0012' do not exist, and both would be im/12.png" in text


def test_ids_find_files_in_nested_folders_and_near_ones_first(tmp_path: Path) -> None:
    write_images(tmp_path / "train", ["0/1/2/012a.png", "0/1/3/013b.png", "013b.png"])
    table = write_table(tmp_path / "t.csv", "id,label", "012a,x", "013b,y")
    assert labels_of(load(table)) == {"train/0/1/2/012a.png": "x", "train/013b.png": "y"}


def test_names_with_the_blanks_of_a_url_are_found(tmp_path: Path) -> None:
    write_images(tmp_path, ["im/my cat.png", "im/100%25.png", "im/my dog.png"])
    rows = ["im/my%20cat.png,cat", "im/100%25.png,dog", "my%20dog,dog"]
    data = load(write_table(tmp_path / "t.csv", "path,label", *rows))
    assert labels_of(data) == {
        "im/my cat.png": "cat",
        "im/100%25.png": "dog",
        "im/my dog.png": "dog",
    }


def test_ids_that_a_spreadsheet_rounded_are_named(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", "id,label", "1.23457E+12,cat", "2.5,dog")
    text = error_of(path)
    assert "1.23457E+12 does not exist: a spreadsheet rounded this id" in text
    assert "with the ids as text" in text
