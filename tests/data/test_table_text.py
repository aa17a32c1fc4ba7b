"""The text of tables: encodings, line ends, separators, headers and problems by line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from table_helpers import error_of, labels_of, load_and_listen, write_images, write_table

from headstart.data import load, open_table

LINES = ["path,label", "a.png,cat", "b.png,hund \u00fc"]
RIGHT = {"a.png": "cat", "b.png": "hund \u00fc"}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    write_images(tmp_path, ["a.png", "b.png"])
    return tmp_path


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_unicode_encoding_and_line_end_is_read(images: Path, encoding: str, end: str) -> None:
    path = images / "t.csv"
    path.write_bytes(end.join([*LINES, "", ""]).encode(encoding))
    assert labels_of(load(path)) == RIGHT


@pytest.mark.parametrize("separator", [";", "\t", "|", ","])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt", "t.csv.gz"])
def test_the_separator_is_that_of_the_header(images: Path, separator: str, name: str) -> None:
    content = "\n".join(LINES).replace(",", separator).encode()
    path = images / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    data = load(path)
    assert labels_of(data) == RIGHT
    assert data.name == "t"


def test_a_separator_within_quotation_marks_or_named_by_excel_is_understood(images: Path) -> None:
    quoted = write_table(images / "q.csv", '"path";"la,bel"', '"a.png";"cat"', '"b.png";"dog; x"')
    assert labels_of(load(quoted)) == {"a.png": "cat", "b.png": "dog; x"}
    named = write_table(images / "n.csv", "sep=;", "path;label", "a.png;cat", "b.png;no")
    assert labels_of(load(named)) == {"a.png": "cat", "b.png": "no"}
    assert "line 4 of n.csv: " in error_of(
        write_table(images / "n.csv", "sep=;", "path;label", "a.png;cat", "b.png;")
    )


def test_blanks_before_a_quotation_mark_are_not_part_of_the_field(images: Path) -> None:
    path = write_table(images / "t.csv", '"path", "label"', '"a.png", "cat"', '"b.png",  "a, b"')
    assert labels_of(load(path)) == {"a.png": "cat", "b.png": "a, b"}


def test_text_that_is_not_unicode_is_an_error_that_says_how_to_save_it(images: Path) -> None:
    path = images / "t.csv"
    for end in ("\r\n", "\r"):
        path.write_bytes(end.join(LINES).encode("cp1252"))
        text = error_of(path)
        assert "line 3 of t.csv is not UTF-8 text: byte 0xFC." in text
        assert "It would read 'hund \u00fc' in Windows-1252" in text
        assert "iconv -f CP1252 -t UTF-8 t.csv > utf8-t.csv" in text
    path.write_bytes("\n".join(LINES).encode("utf-16")[:-1])
    assert "t.csv is not valid utf-16" in error_of(path)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xd0\xcf\x11\xe0rest", "an old Excel workbook"),
        (b"version https://git-lfs.github.com/spec/v1\noid x\n", "a Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"<html><body>", "a web page"),
    ],
)
def test_a_file_that_is_not_a_table_is_named_for_what_it_is(
    tmp_path: Path, content: bytes, kind: str
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    assert f"t.csv is {kind}" in error_of(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("val.txt", ["im/a.JPEG 65", "im/my b.JPEG 970"]),
        ("val.txt", ["im/a.JPEG\t65", "im/my b.JPEG\t970"]),
        ("val.csv", ["im/a.JPEG,65", "im/my b.JPEG,970"]),
        ("val.lst.txt", ["im/a.JPEG  65", "", "im/my b.JPEG 970 "]),
    ],
)
def test_a_list_of_images_needs_no_header(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, lines: list[str]
) -> None:
    write_images(tmp_path, ["im/a.JPEG", "im/my b.JPEG"])
    data, said = load_and_listen(capsys, write_table(tmp_path / name, *lines))
    assert labels_of(data) == {"im/a.JPEG": "65", "im/my b.JPEG": "970"}
    assert said.count("line 1 names an image, so the file has no header") == 1


def test_labels_in_a_list_may_have_blanks(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    path = write_table(tmp_path / "l.txt", "a.png polar bear", "b.png grizzly bear")
    assert labels_of(load(path)) == {"a.png": "polar bear", "b.png": "grizzly bear"}


def test_fields_may_have_quotation_marks_and_line_breaks(images: Path) -> None:
    path = write_table(
        images / "t.csv", "path,label,note", 'a.png,"cat, big","two\nlines"', "b.png,=1+1,"
    )
    assert labels_of(load(path)) == {"a.png": "cat, big", "b.png": "=1+1"}
    path = write_table(images / "t.csv", "path,label,note", 'a.png,cat,"two\nlines"', "b.png,,")
    assert "line 4 of t.csv: the label (label) is empty" in error_of(path)


def test_the_first_20_problems_are_listed_and_all_are_counted(images: Path) -> None:
    lines = [f"no/{number}.png,cat" for number in range(30)]
    text = error_of(write_table(images / "t.csv", "path,label", "a.png,cat", *lines))
    assert text.startswith(f"line 3 of t.csv: {images}/no/0.png does not exist. ")
    assert "30 files are missing in total." in text
    assert text.count("does not exist") == 20
    assert "line 22: " in text and "line 23: " not in text
    assert "and 10 more" in text

    lines = [f"a.png,{label}" for label in ["", "nan", "NULL", "cat"]]
    text = error_of(write_table(images / "t.csv", "path,label", *lines))
    assert "3 lines have no label in total." in text
    assert [f"line {line}" in text for line in (2, 3, 4, 5)] == [True, True, True, False]

    lines = ["a.png", "b.png,dog,x", "a.png,cat"]
    text = error_of(write_table(images / "t.csv", "path,label", *lines))
    assert "2 lines have another number of fields in total." in text


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["path,label,label", "a.png,x,y"], "names the column 'label' more than once"),
        (["path,name of it", "a.png,x"], "only one class, 'x'"),
        (["path", "a.png"], "t.csv has no label column; it has path."),
        (["label,path", "a.png,x"], "t.csv: "),
        (["path,label"], "t.csv has a header but no rows"),
        ([""], "t.csv is empty"),
        (["path,label", ",x", "b.png,y"], "line 2 of t.csv: path is empty"),
        (["path,label", 'a.png,"x', "b.png,y"], "line 3 of t.csv"),
    ],
)
def test_faults_of_headers_and_rows_are_named(images: Path, lines: list[str], text: str) -> None:
    assert text in error_of(write_table(images / "t.csv", *lines))


def test_columns_may_have_any_order_and_more_of_them_are_ignored(images: Path) -> None:
    path = write_table(images / "t.csv", "note,Label,x y,IMAGE", "1,cat,2,a.png", "3,dog,4,b.png")
    assert labels_of(load(path)) == {"a.png": "cat", "b.png": "dog"}


def test_a_field_may_be_as_long_as_the_pixels_of_an_image(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", "a,b", "x" * 300_000 + ",1")
    with open_table(path) as table:
        assert [len(fields[0]) for _, fields in table.rows] == [300_000]


def test_rows_of_empty_fields_are_blank_lines(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    lines = ["sep=;", "path;label;;", "a.png;cat;;", ";;;", "b.png;dog;;", ";;;", ";"]
    data = load(write_table(tmp_path / "t.csv", *lines))
    assert labels_of(data) == {"a.png": "cat", "b.png": "dog"}


def test_the_header_that_is_proposed_names_the_path_and_a_label(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", "0,1.0,im/a.png", "1,2.0,im/b.png")
    assert "for example: column1,label,path" in error_of(path)
