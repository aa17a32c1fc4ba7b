"""Folders of images with metadata.csv or metadata.jsonl, the imagefolder of Hugging Face."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from headstart.data import TEST, TRAIN, VALIDATION, load
from headstart.errors import InputError


def images(folder: Path, count: int = 4) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (5, 5), (number, 2, 3)).save(folder / f"{number}.png")
    return [f"{number}.png" for number in range(count)]


def write(folder: Path, rows: list[dict[str, Any]], kind: str) -> None:
    if kind == "jsonl":
        text = "\n".join(json.dumps(row) for row in rows)
    else:
        lines = [",".join(rows[0])] + [",".join(map(str, row.values())) for row in rows]
        text = "\n".join(lines) + "\n"
    (folder / f"metadata.{kind}").write_text(text)


def labelled(folder: Path, kind: str, count: int = 4) -> None:
    names = images(folder, count)
    rows = [{"file_name": name, "label": "ba"[n % 2]} for n, name in enumerate(names)]
    write(folder, rows, kind)


def fails(source: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        load(source, **options)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_labels_come_from_the_file(tmp_path: Path, kind: str) -> None:
    labelled(tmp_path, kind)
    dataset = load(tmp_path)
    assert dataset.class_names == ("a", "b") and dataset.labels.tolist() == [1, 0, 1, 0]
    assert dataset.image_names == ("0.png", "1.png", "2.png", "3.png")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_each_part_has_its_file(tmp_path: Path, kind: str) -> None:
    labelled(tmp_path / "train", kind)
    labelled(tmp_path / "test", kind, 3)
    dataset = load(tmp_path)
    assert sorted(dataset.parts.tolist()) == [TRAIN] * 4 + [TEST] * 3
    assert dataset.image_names[0] == "test/0.png"


def test_a_changed_label_is_noticed(tmp_path: Path) -> None:
    labelled(tmp_path, "csv")
    before = load(tmp_path)
    rows = [{"file_name": f"{n}.png", "label": "aabb"[n]} for n in range(4)]
    write(tmp_path, rows, "csv")
    assert before.labels.tolist() != load(tmp_path).labels.tolist() == [0, 0, 1, 1]


def test_images_may_lie_in_a_folder(tmp_path: Path) -> None:
    names = images(tmp_path / "images")
    rows = [{"file_name": f"images/{name}", "label": int(name[0]) % 2} for name in names]
    write(tmp_path, rows, "jsonl")
    assert load(tmp_path).class_names == ("0", "1")


def test_class_folders_go_before_the_file(tmp_path: Path) -> None:
    images(tmp_path / "cat")
    images(tmp_path / "dog")
    rows = [{"file_name": "cat/0.png", "label": "x"}, {"file_name": "dog/0.png", "label": "y"}]
    write(tmp_path, rows, "csv")
    assert load(tmp_path).class_names == ("cat", "dog")


def test_another_column_may_be_chosen(tmp_path: Path) -> None:
    names = images(tmp_path)
    rows = [{"file_name": name, "label": "x", "kind": "ab"[n % 2]} for n, name in enumerate(names)]
    write(tmp_path, rows, "jsonl")
    assert load(tmp_path, label_column="kind").class_names == ("a", "b")


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([{"file_name": "9.png", "label": "a"}], "9.png does not exist"),
        (
            [{"file_name": "0.png", "label": ""}],
            "line 1 of metadata.jsonl: the label (label) is empty",
        ),
        ([{"file_name": "0.png", "label": ["a", "b"]}], "multi-label is not supported"),
        ([{"file_name": "0.png", "label": "a"}], "only one class, 'a'"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, rows: list[dict[str, Any]], text: str) -> None:
    images(tmp_path)
    write(tmp_path, rows, "jsonl")
    assert text in fails(tmp_path)


def test_a_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    labelled(tmp_path, "jsonl")
    with (tmp_path / "metadata.jsonl").open("a") as file:
        file.write("\n{broken\n")
    assert "line 5 of " in fails(tmp_path) and "is not JSON" in fails(tmp_path)


def test_a_file_of_another_encoding_is_an_error(tmp_path: Path) -> None:
    images(tmp_path)
    line = json.dumps({"file_name": "0.png", "label": "a"})
    (tmp_path / "metadata.jsonl").write_bytes(line.encode("utf-16"))
    assert "metadata.jsonl is not UTF-8 text" in fails(tmp_path)


def test_names_may_lead_outside_the_folder(tmp_path: Path) -> None:
    names = images(tmp_path / "pictures")
    (tmp_path / "set").mkdir()
    rows = [
        {"file_name": str(tmp_path / "pictures" / name), "label": "ba"[number % 2]}
        for number, name in enumerate(names)
    ]
    write(tmp_path / "set", rows, "jsonl")
    data = load(tmp_path / "set")
    assert data.image_names == tuple(f"../pictures/{name}" for name in names)
    assert data.labels.tolist() == [1, 0, 1, 0]


def test_class_folders_are_read_beside_a_damaged_file(tmp_path: Path) -> None:
    images(tmp_path / "cat")
    images(tmp_path / "dog")
    (tmp_path / "metadata.csv").write_text("")
    (tmp_path / "metadata.jsonl").write_text("{\n")
    assert load(tmp_path).class_names == ("cat", "dog")


@pytest.mark.parametrize("text", ["", '{"file_name": "0.png", "text": "a cat"}\n{broken\n'])
def test_captions_do_not_stand_in_the_way_of_parts(tmp_path: Path, text: str) -> None:
    for folder in ("train/cat", "train/dog", "test/cat", "test/dog"):
        images(tmp_path / folder)
    (tmp_path / "metadata.jsonl").write_text(text)
    assert load(tmp_path).class_names == ("cat", "dog")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("column", ["split", "Set", "partition"])
def test_a_field_may_name_the_parts(tmp_path: Path, kind: str, column: str) -> None:
    names = images(tmp_path, 6)
    words = ("train", "train", "valid", "valid", "Test", "Test")
    rows = [
        {"file_name": name, "label": "ba"[number % 2], column: words[number]}
        for number, name in enumerate(names)
    ]
    write(tmp_path, rows, kind)
    data = load(tmp_path)
    assert data.parts.tolist() == [TRAIN] * 2 + [VALIDATION] * 2 + [TEST] * 2


def test_an_unknown_part_is_an_error_with_its_line(tmp_path: Path) -> None:
    names = images(tmp_path)
    rows = [
        {"file_name": name, "label": "ba"[number % 2], "split": "train" if number else "trian"}
        for number, name in enumerate(names)
    ]
    write(tmp_path, rows, "jsonl")
    text = fails(tmp_path)
    assert "line 1 of metadata.jsonl: invalid split 'trian'" in text and "'train'" in text


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_repeated_rows_are_read_once_and_contradictions_refused(tmp_path: Path, kind: str) -> None:
    names = images(tmp_path)
    rows = [{"file_name": name, "label": "ba"[number % 2]} for number, name in enumerate(names)]
    write(tmp_path, [*rows, rows[0]], kind)
    assert load(tmp_path).labels.tolist() == [1, 0, 1, 0]
    write(tmp_path, [*rows, {"file_name": "./0.png", "label": "a"}], kind)
    assert "has the label 'a', but 'b' on line" in fails(tmp_path)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_images_of_one_group_stay_together(tmp_path: Path, kind: str) -> None:
    names = images(tmp_path)
    rows = [
        {"file_name": name, "label": "ba"[number % 2], "patient": f"p{number // 2}"}
        for number, name in enumerate(names)
    ]
    write(tmp_path, rows, kind)
    groups = load(tmp_path, group_by="patient").groups
    assert groups is not None and groups.tolist() == [0, 0, 1, 1]
    assert f"metadata.{kind} has no column 'film' (group_by)" in fails(tmp_path, group_by="film")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_the_labels_have_the_rules_of_all_tables(tmp_path: Path, kind: str) -> None:
    names = images(tmp_path)
    write(tmp_path, [{"file_name": name, "label": "nan"} for name in names], kind)
    assert "'nan' stands for a missing value" in fails(tmp_path)
    write(tmp_path, [{"file_name": name, "label": 0.1 * int(name[0])} for name in names], kind)
    assert len(load(tmp_path).class_names) == 4
    rows = [{"file_name": name[:-4], "label": "ba"[n % 2]} for n, name in enumerate(names)]
    write(tmp_path, rows, kind)
    assert load(tmp_path).image_names == tuple(names)


def test_a_list_of_one_label_is_that_label(tmp_path: Path) -> None:
    rows = [{"file_name": name, "label": ["ab"[n % 2]]} for n, name in enumerate(images(tmp_path))]
    write(tmp_path, rows, "jsonl")
    assert load(tmp_path).class_names == ("a", "b")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "b", "c", "a b", "b c", "c a"] * 3, "3 labels that look like several in one cell"),
        ([f"{number}.5" for number in range(18)], "18 different numbers in 18 rows"),
    ],
)
def test_lists_of_labels_and_measurements_are_refused(
    tmp_path: Path, kind: str, labels: list[str], message: str
) -> None:
    rows = []
    for number, label in enumerate(labels):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / f"{number}.png")
        rows.append({"file_name": f"{number}.png", "label": label})
    write(tmp_path, rows, kind)
    text = fails(tmp_path)
    assert f"invalid labels of metadata.{kind}: expected" in text and message in text
