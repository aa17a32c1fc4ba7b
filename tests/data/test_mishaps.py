"""Data as other tools and mishaps leave it: read rightly, or refused with what to do."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folder_helpers import fill
from PIL import Image
from table_helpers import error_of, load_and_listen, write_images, write_table

from headstart.data import TEST, TRAIN, load

NAMES = [f"{name}{number}.png" for name in ("cat", "dog") for number in range(4)]
CLASSES = [f"{name}/{number}.png" for name in ("cat", "dog") for number in range(4)]


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


# JSON


def coco() -> dict[str, Any]:
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}
    return {"images": [{"id": 1, "file_name": NAMES[0]}], "annotations": [box], "categories": []}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (coco(), ["JSON file of annotated objects, as in COCO", "write a CSV of path,label"]),
        ([{"file_name": NAMES[0], "bbox": [1, 2, 3, 4]}], ["annotated objects (file_name, bbox)"]),
        ({"cat0.png": "cat"}, ["1 label by image", "[('path', 'label'), *json.load("]),
        (
            [{"file_name": "cat0.png", "label": "cat"}],
            ["1 object with the fields file_name, label"],
        ),
        ({"classes": ["cat"]}, ["a JSON file, which is not supported", "CSV of path,label"]),
        ([], ["a JSON file, which is not supported"]),
        ("[" * 200_000, ["a JSON file, which is not supported"]),
    ],
)
def test_a_json_file_is_named_for_what_it_holds(
    tmp_path: Path, content: Any, expected: list[str]
) -> None:
    path = tmp_path / "labels.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    text = error_of(path)
    assert all(words in text for words in expected), text


@pytest.mark.parametrize("is_list", [False, True])
def test_the_command_that_writes_a_table_of_a_json_file_works(
    tmp_path: Path, is_list: bool
) -> None:
    write_images(tmp_path, NAMES)
    labels = {name: name[:3] for name in NAMES}
    rows = [{"file_name": name, "label": label} for name, label in labels.items()]
    write_json(tmp_path / "labels.json", rows if is_list else labels)
    text = error_of(tmp_path)
    code = text.partition('python -c "')[2].partition('"')[0]
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert load(tmp_path / "labels.csv").class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("fields", "is_boxes"),
    [
        ({"label": 1}, False),
        ({"caption": "a cat", "url": "x"}, False),
        ({"shapes": []}, True),
        ({"imageWidth": 4, "objects": []}, True),
    ],
)
def test_json_beside_each_image_is_a_caption_or_annotates_objects(
    tmp_path: Path, fields: dict[str, Any], is_boxes: bool
) -> None:
    write_images(tmp_path, NAMES)
    for name in NAMES:
        write_json((tmp_path / name).with_suffix(".json"), fields)
    text = error_of(tmp_path)
    assert ("detection or segmentation" in text) is is_boxes
    assert (f"cat0.json has the fields {', '.join(fields)}" in text) is not is_boxes


def test_fields_that_metadata_has_are_named(tmp_path: Path) -> None:
    write_images(tmp_path, NAMES)
    rows = [json.dumps({"file_name": name, "text": "a photo"}) for name in NAMES]
    (tmp_path / "metadata.jsonl").write_text("\n".join(rows))
    text = error_of(tmp_path)
    assert "needs the fields file_name and label. Line 1 has file_name, text." in text


# Archives


def pack_tar(path: Path, names: list[str]) -> None:
    with tarfile.open(path, "w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        (
            ["train-000000.tar", "train-000001.tar"],
            "These are parts of one dataset, such as the shards of a WebDataset. Unpack all",
        ),
        (
            ["train-images-idx3-ubyte.zip", "train-labels-idx1-ubyte.zip"],
            "Unpack all of them into one folder, and pass that.",
        ),
        (["cat.zip", "dog.zip"], "If each is a class or a part, unpack each into a folder"),
        (["train.zip", "test.zip"], "To read one of them, pass its path, such as"),
    ],
)
def test_several_archives_in_a_folder_are_unpacked_together(
    tmp_path: Path, names: list[str], advice: str
) -> None:
    for name in names:
        pack_tar(tmp_path / name, ["a/1.png"])
    text = error_of(tmp_path)
    assert advice in text, text
    assert "Unpack all" not in text or "pass its path" not in text


@pytest.mark.parametrize("name", ["t.csv", "t.ods", "labels", "t.txt"])
@pytest.mark.parametrize(
    "members",
    [
        ["docProps/app.xml", "xl/workbook.xml", "[Content_Types].xml"],
        ["mimetype", "content.xml", "styles.xml"],
    ],
)
def test_a_workbook_is_named_whatever_its_suffix(
    tmp_path: Path, name: str, members: list[str]
) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        for member in members:
            archive.writestr(member, "<x/>")
    text = error_of(tmp_path / name)
    assert f"{name} is a spreadsheet, which is not supported." in text
    assert "Save the sheet as CSV in UTF-8" in text


def test_lines_about_an_archive_name_it_and_not_the_cache(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "photos", CLASSES)
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        for name in CLASSES:
            archive.write(tmp_path / "photos" / name, f"photos/{name}")
    _, said = load_and_listen(capsys, tmp_path / "pets.zip")
    assert f"{tmp_path / 'pets.zip'}: the class folders are those in photos" in said
    assert "unpacked/" not in said


# Folders


@pytest.mark.parametrize("suffix", [".tga", ".TGA", ".psd", ".dcm", ".svg", ".nef"])
def test_a_class_is_refused_if_half_of_its_pictures_are_not_read(
    tmp_path: Path, suffix: str
) -> None:
    fill(tmp_path, CLASSES)
    for number in range(4):
        (tmp_path / f"dog/x{number}{suffix}").write_bytes(b"8BPS")
    text = error_of(tmp_path)
    assert f"4 of 8 pictures of the class 'dog' in {tmp_path} are not read" in text
    assert "Convert them: " in text
    assert len(load(tmp_path, skip_bad=True)) == len(CLASSES)


def test_images_with_a_suffix_of_no_image_count_as_pictures(tmp_path: Path) -> None:
    fill(tmp_path, CLASSES)
    for number in range(4):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"cat/y{number}.jpg_large", "JPEG")
    text = error_of(tmp_path)
    assert "4 of 8 pictures of the class 'cat'" in text
    assert "y0.jpg_large is JPEG, so name it y0.jpg" in text


def test_backups_beside_their_images_are_no_pictures(tmp_path: Path) -> None:
    fill(tmp_path, CLASSES)
    for name in CLASSES:
        (tmp_path / f"{name}.bak").write_bytes((tmp_path / name).read_bytes())
    assert len(load(tmp_path)) == len(CLASSES)


def test_images_without_a_suffix_count_as_pictures(tmp_path: Path) -> None:
    fill(tmp_path, CLASSES)
    for number in range(5):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"cat/y{number}", "PNG")
        Image.new("RGB", (8, 8), (number, 9, 0)).save(tmp_path / f"dog/y{number}.png?w=3", "PNG")
    text = error_of(tmp_path)
    assert "5 of 9 pictures of the class 'cat'" in text
    assert "y0 is PNG, so name it y0.png" in text


@pytest.mark.parametrize("names", [["0.nef", "1.nef", "2.nef", "3.nef"], ["x.tga"], ["a.txt"] * 9])
def test_other_forms_of_images_and_few_pictures_are_left_out(
    tmp_path: Path, names: list[str]
) -> None:
    fill(tmp_path, CLASSES)
    for name in names:
        (tmp_path / "cat" / name).write_bytes(b"x")
    assert len(load(tmp_path)) == len(CLASSES)


def test_pictures_of_a_format_that_is_not_read_are_named(tmp_path: Path) -> None:
    for name in CLASSES:
        path = (tmp_path / name).with_suffix(".tga")
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    assert "Convert them: magick mogrify -format png *.tga." in error_of(tmp_path)


def test_a_link_to_a_folder_that_is_gone_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "photos", CLASSES)
    (tmp_path / "photos" / "fox").symlink_to(tmp_path / "gone")
    (tmp_path / "photos" / "self").symlink_to("self")
    data, said = load_and_listen(capsys, tmp_path / "photos")
    assert data.class_names == ("cat", "dog")
    assert "left out 2 links to nothing: fox, self" in said


def test_folders_with_the_same_folders_may_be_parts(tmp_path: Path) -> None:
    fill(tmp_path, [f"{part}/{name}" for part in ("set_a", "set_b") for name in CLASSES])
    text = error_of(tmp_path)
    assert f"such as {tmp_path}/set_a, or name these train, validation and test." in text


# Tables


@pytest.mark.parametrize("name", ["t.tsv", "t.csv"])
def test_commas_in_the_name_of_a_column_do_not_separate_a_table_of_tabs(
    tmp_path: Path, name: str
) -> None:
    write_images(tmp_path, NAMES)
    rows = [f"{image}\t{image[:3]}, small\tx" for image in NAMES]
    write_table(tmp_path / name, "path\tlabel\tnote, long, odd, very", *rows)
    assert load(tmp_path / name).class_names == ("cat, small", "dog, small")


def test_decimal_commas_do_not_separate_a_table_of_semicolons(tmp_path: Path) -> None:
    write_images(tmp_path, NAMES)
    rows = [f"{image};{image[:3]};1,5;2,5" for image in NAMES]
    write_table(tmp_path / "t.csv", "path;label;a,b;c,d", *rows)
    assert load(tmp_path / "t.csv").class_names == ("cat", "dog")


def test_ids_without_a_header_are_not_pixels(tmp_path: Path) -> None:
    write_images(tmp_path / "images", NAMES)
    rows = [f"{name.removesuffix('.png')},{name[:3]}" for name in NAMES]
    text = error_of(write_table(tmp_path / "t.csv", *rows))
    assert "line 1 of t.csv: expected the names of the columns, got the id of an image" in text
    assert "path,label" in text


def test_a_long_column_name_is_shortened_in_the_error(tmp_path: Path) -> None:
    lines = [
        f"{row % 2} " + " ".join(f"{number}:{row}" for number in range(100)) for row in range(4)
    ]
    assert len(error_of(write_table(tmp_path / "m.csv", *lines))) < 600


@pytest.mark.parametrize("label", ["#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#BEZUG!", "#N/A"])
@pytest.mark.parametrize("is_pixels", [False, True])
def test_errors_of_formulas_are_not_classes(tmp_path: Path, label: str, is_pixels: bool) -> None:
    write_images(tmp_path, NAMES)
    labels = ["cat", "cat", label, "dog"]
    lines = [f"{name},{text}" for name, text in zip(NAMES, labels, strict=False)]
    if is_pixels:
        lines = [f"1,2,3,4,{text}" for text in labels]
    header = "p0,p1,p2,p3,label" if is_pixels else "path,label"
    text = error_of(write_table(tmp_path / "t.csv", header, *lines))
    assert "line 4 of t.csv: the label (label) is" in text
    assert f"'{label}'" in text


@pytest.mark.parametrize("label", ["NA", "n/a", "None", "?", "-"])
def test_words_that_may_be_missing_labels_are_classes_with_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], label: str
) -> None:
    write_images(tmp_path, NAMES)
    rows = [f"{name},{label if name.startswith('cat') else 'dog'}" for name in NAMES]
    data, said = load_and_listen(capsys, write_table(tmp_path / "t.csv", "path,label", *rows))
    assert set(data.class_names) == {label, "dog"}
    assert f"'{label}' is read as a class of 4 images, not as a missing label" in said


@pytest.mark.parametrize("mark", ["\u202e", "\u200e", "\u2066", "\u200b", "\u00ad"])
def test_labels_that_differ_in_an_invisible_mark_are_refused(tmp_path: Path, mark: str) -> None:
    write_images(tmp_path, NAMES)
    rows = [f"{name},{mark * (number == 1)}{name[:3]}" for number, name in enumerate(NAMES)]
    assert "invisible characters" in error_of(write_table(tmp_path / "t.csv", "path,label", *rows))


# Arrays

PIXELS = np.arange(6 * 64, dtype=np.uint16).astype(np.uint8).reshape(6, 8, 8)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["a", "b", None, "a", "b", "a"], object),
        np.array([0, 1, np.nan, 0, 1, 0]),
        np.array(["a", "b", np.nan, "a", "b", "a"], object),
        np.array(["a", "b", np.nan, "a", "b", "a"]),
    ],
)
def test_a_missing_label_of_an_array_is_an_error(labels: np.ndarray) -> None:
    text = error_of((PIXELS, labels))
    assert "1 of 6 labels of the pair of arrays are missing: label 2 is" in text


def test_class_names_may_be_bytes(tmp_path: Path) -> None:
    names = np.array([b"caf\xc3\xa9", b"dog"])
    np.savez(tmp_path / "a.npz", images=PIXELS, labels=[0, 1] * 3, class_names=names)
    assert load(tmp_path / "a.npz").class_names == ("café", "dog")


def test_arrays_beside_images_without_labels_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", imgs=PIXELS, labs=[0, 1] * 3)
    assert "has imgs, but no labels. Other arrays: labs." in error_of(tmp_path / "a.npz")


# Pixels


def _turned(suffix: str) -> Callable[[Path], None]:
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((8, 12, 3), np.uint8)
    pixels[:, :6] = 255  # Turned by 90 degrees, the upper half is bright.

    def save(path: Path) -> None:
        Image.fromarray(pixels).save(path.with_suffix(suffix), exif=exif, lossless=True)

    return save


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".avif"])
def test_the_orientation_is_heeded_in_every_format_that_has_it(tmp_path: Path, suffix: str) -> None:
    if suffix == ".avif" and not Image.registered_extensions().get(suffix):
        pytest.skip("this Pillow reads no AVIF")
    save = _turned(suffix)
    for name in ("a/1.png", "b/1.png"):
        (tmp_path / name).parent.mkdir()
        save(tmp_path / name)
    data = load(tmp_path, image_size=12)
    image = data.images[0].astype(int)
    assert image[1, 5:7].min() > 200
    assert image[-2, 5:7].max() < 60


@pytest.mark.parametrize(
    ("size", "resize", "is_named"),
    [
        ((1, 4000), "pad", True),
        ((4000, 1), "crop", True),
        ((4000, 1), "squish", False),
        ((100, 2000), "pad", False),
        ((1, 100), "pad", False),
    ],
)
def test_images_that_are_very_long_are_named(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    size: tuple[int, int],
    resize: Any,
    is_named: bool,
) -> None:
    fill(tmp_path, CLASSES)
    Image.new("RGB", size, "red").save(tmp_path / "cat" / "long.png")
    data, said = load_and_listen(capsys, tmp_path, resize=resize)
    assert len(data) == len(CLASSES) + 1
    assert ("is more than 20 times as long as wide" in said) is is_named


def test_parts_named_in_russian_hold_the_classes(tmp_path: Path) -> None:
    fill(tmp_path, [f"обучение/{name}" for name in CLASSES] + [f"тест/{name}" for name in CLASSES])
    data = load(tmp_path)
    assert data.class_names == ("cat", "dog")
    assert sorted(set(data.parts.tolist())) == [TRAIN, TEST]
