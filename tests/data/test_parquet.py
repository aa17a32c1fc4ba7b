"""Parquet and Arrow files, written as `datasets` 5.2 writes them, and as people write them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from headstart import progress
from headstart.data import TEST, TRAIN, UNASSIGNED, VALIDATION, load
from headstart.data.formats.images import _encoded_images, _image_files
from headstart.data.formats.parquet import _files as _row_files
from headstart.errors import InputError, ResourceError

NAMES = ["zebra", "ant", "dog"]


def picture(level: int = 0, size: int = 6, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (size, size), (level, 2, 3)).save(file, kind)
    return file.getvalue()


def rows(count: int = 6, **columns: list[Any]) -> dict[str, Any]:
    """Return the columns of `datasets`: structs of bytes and path, and numbers of classes."""
    images = [{"bytes": picture(10 * row), "path": None} for row in range(count)]
    return {"image": images, "label": [row % 3 for row in range(count)], **columns}


def features(image: str = "image", label: str = "label") -> bytes:
    types = {image: {"_type": "Image"}, label: {"names": NAMES, "_type": "ClassLabel"}}
    return json.dumps({"info": {"features": types}}).encode()


def table(columns: dict[str, Any], metadata: bytes | None = None) -> pa.Table:
    built = pa.table(columns)
    return built if metadata is None else built.replace_schema_metadata({"huggingface": metadata})


def parquet(path: Path, columns: dict[str, Any], metadata: bytes | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table(columns, metadata), path, row_group_size=4)
    return path


def saved(folder: Path, columns: dict[str, Any]) -> None:
    """Write a folder as `Dataset.save_to_disk` does."""
    folder.mkdir(parents=True)
    written = table(columns, features())
    path = str(folder / "data-00000-of-00001.arrow")
    with pa.OSFile(path, "wb") as file, pa.ipc.new_stream(file, written.schema) as stream:
        stream.write_table(written, max_chunksize=4)
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_split": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")


def fails(source: Any, kind: type[Exception] = InputError, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        load(source, **options)
    return str(caught.value)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(progress, "say", said.append)
    return said


def test_names_of_classes_come_from_the_metadata_of_datasets(tmp_path: Path) -> None:
    dataset = load(parquet(tmp_path / "pets.parquet", rows(), features()))
    assert (dataset.name, dataset.class_names) == ("pets", tuple(NAMES))
    assert dataset.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert dataset.images[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40, 50]
    assert set(dataset.parts.tolist()) == {UNASSIGNED}
    assert dataset.image_names[:2] == ("000000", "000001")


@pytest.mark.parametrize(
    "layout",
    [
        "{}-00000-of-00001.parquet",
        "data/{}-00000-of-00001-1a2b3c.parquet",
        "default/{}/0000.parquet",
        "{}.parquet",
        "my_{}_set.pq",
    ],
)
def test_names_of_files_and_folders_tell_the_part(tmp_path: Path, layout: str) -> None:
    for word, count in (("train", 6), ("test", 3), ("validation", 4)):
        parquet(tmp_path / layout.format(word), rows(count), features())
    (tmp_path / "README.md").write_text("dataset card")
    dataset = load(tmp_path)
    assert dataset.parts.tolist() == [TRAIN] * 6 + [VALIDATION] * 4 + [TEST] * 3
    assert dataset.labels[6:].tolist() == [0, 1, 2, 0, 0, 1, 2]
    assert dataset.image_names[0] == "train-000000" and dataset.image_names[-1] == "test-000002"


def test_evaluation_files_are_validation_images_beside_a_test_file(tmp_path: Path) -> None:
    for word, count in (("train", 6), ("eval", 3)):
        parquet(tmp_path / f"{word}.parquet", rows(count), features())
    assert load(tmp_path).parts.tolist() == [TRAIN] * 6 + [TEST] * 3
    parquet(tmp_path / "test.parquet", rows(4), features())
    assert load(tmp_path).parts.tolist() == [TRAIN] * 6 + [VALIDATION] * 3 + [TEST] * 4


def test_shards_are_joined_in_the_order_of_their_names(tmp_path: Path, lines: list[str]) -> None:
    for shard, count in ((0, 5), (1, 4)):
        columns = rows(count)
        if shard:
            columns["image"] = [{"bytes": picture(200), "path": None}] * count
        parquet(tmp_path / f"train-0000{shard}-of-00002.parquet", columns, features())
    dataset = load(tmp_path)
    assert set(dataset.parts.tolist()) == {UNASSIGNED}
    assert dataset.images[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40] + [200] * 4
    assert len(load(tmp_path / "train-00000-of-00002.parquet")) == 5
    assert [line for line in lines if "is one of 2 files of a dataset" in line]


@pytest.mark.parametrize("source", ["", "train"])
def test_a_dataset_that_datasets_saved_is_read(
    tmp_path: Path, source: str, lines: list[str]
) -> None:
    saved(tmp_path / "train", rows(6))
    saved(tmp_path / "test", rows(4))
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    (tmp_path / "train" / "cache-0123.arrow").write_bytes(b"the cache of a map")
    dataset = load(tmp_path / source)
    assert dataset.class_names == tuple(NAMES)
    expected = [UNASSIGNED] * 6 if source else [TRAIN] * 6 + [TEST] * 4
    assert dataset.parts.tolist() == expected
    assert [line for line in lines if "cache-0123.arrow, which is not part of the saved" in line]


def test_arrow_files_of_both_forms_are_read(tmp_path: Path) -> None:
    saved(tmp_path / "a", rows())
    stream = load(tmp_path / "a" / "data-00000-of-00001.arrow")
    written = table(rows(), features())
    path = str(tmp_path / "b.feather")
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, written.schema) as writer:
        writer.write_table(written)
    assert load(tmp_path / "b.feather").fingerprint == stream.fingerprint


def test_images_are_bytes_structs_or_paths(tmp_path: Path) -> None:
    content = [picture(10 * row) for row in range(6)]
    texts = ["b", "a"] * 3
    expected = load(parquet(tmp_path / "a.parquet", {"image": content, "label": texts}))
    assert expected.class_names == ("a", "b") and expected.labels.tolist() == [1, 0] * 3

    (tmp_path / "pictures").mkdir()
    names = [f"pictures/{row}.png" for row in range(6)]
    for name, image in zip(names, content, strict=True):
        (tmp_path / name).write_bytes(image)
    as_paths = load(parquet(tmp_path / "b.parquet", {"file_name": names, "label": texts}))
    structs = [{"bytes": None, "path": name} for name in names]
    as_structs = load(parquet(tmp_path / "c.parquet", {"image": structs, "label": texts}))
    assert {as_paths.fingerprint, as_structs.fingerprint} == {expected.fingerprint}
    assert as_paths.image_names == as_structs.image_names == tuple(names)

    (tmp_path / names[3]).write_bytes(picture(200))  # A changed image is read again.
    for name in ("b.parquet", "c.parquet"):
        assert load(tmp_path / name).images[3].max() == 200


def test_paths_name_images_where_they_differ(tmp_path: Path) -> None:
    columns = rows()
    for number, image in enumerate(columns["image"]):
        image["path"] = f"IMG_{number}.png"
    parquet(tmp_path / "train.parquet", columns, features())
    parquet(tmp_path / "test.parquet", columns, features())
    assert load(tmp_path).image_names[5:7] == ("train/IMG_5.png", "test/IMG_0.png")


def test_other_names_of_columns_are_found_or_chosen(tmp_path: Path) -> None:
    columns = {"img": rows()["image"], "fine_label": [0, 1] * 3, "coarse_label": [0, 0, 1] * 2}
    types = {"img": {"_type": "Image"}}
    for name in ("fine_label", "coarse_label"):
        types[name] = {"names": ["x", "y"], "_type": "ClassLabel"}  # type: ignore[dict-item]
    metadata = json.dumps({"info": {"features": types}}).encode()
    path = parquet(tmp_path / "cifar100.parquet", columns, metadata)
    text = fails(path)
    assert "has several columns of classes: fine_label, coarse_label." in text
    assert "--label-column fine_label" in text
    assert load(path, label_column="fine_label").labels.tolist() == [0, 1] * 3
    assert load(path, label_column="coarse_label").labels.tolist() == [0, 0, 1] * 2

    both = {"left": columns["img"], "right": columns["img"], "label": ["a", "b"] * 3}
    path = parquet(tmp_path / "both.parquet", both)
    assert "several columns of images: left, right.\n  Choose one: --path-column left" in fails(
        path
    )
    assert len(load(path, path_column="right")) == 6
    assert "no column 'rihgt' (path_column); it has left, right, label" in fails(
        path, path_column="rihgt"
    )


def test_groups_come_from_a_column(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", rows(patient=["p", "q", "p", "q", "r", "r"]))
    groups = load(path, group_by="patient").groups
    assert groups is not None and groups.tolist() == [0, 1, 0, 1, 2, 2]
    assert "has no column 'patent' (group_by)" in fails(path, group_by="patent")


def test_a_part_without_labels_is_left_out(tmp_path: Path, lines: list[str]) -> None:
    parquet(tmp_path / "train.parquet", rows(), features())
    parquet(tmp_path / "test.parquet", rows(3, label=[-1] * 3), features())
    dataset = load(tmp_path)
    assert len(dataset) == 6 and set(dataset.parts.tolist()) == {UNASSIGNED}
    assert [line for line in lines if "ignored the 3 images of the test part" in line]


def test_classes_without_images_are_named(tmp_path: Path, lines: list[str]) -> None:
    dataset = load(parquet(tmp_path / "a.parquet", rows(label=[0, 2] * 3), features()))
    assert dataset.class_names == ("zebra", "dog") and dataset.labels.tolist() == [0, 1] * 3
    assert [line for line in lines if "no images of 'ant'" in line]


def test_one_row_group_after_the_other_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    read = _row_files.read_batches
    monkeypatch.setattr(_row_files, "_ROWS_PER_BATCH", 4)

    def count(path: Path, columns: list[str]) -> Any:
        for batch in read(path, columns):
            sizes.append(batch.num_rows)
            yield batch

    monkeypatch.setattr("headstart.data.formats.parquet._read_rows.read_batches", count)
    assert len(load(parquet(tmp_path / "a.parquet", rows(11), features()))) == 11
    assert max(sizes) <= 4 and sum(sizes) == 22  # once for the labels, once for the images


def test_images_of_several_sizes_become_squares(tmp_path: Path) -> None:
    images = [picture(size=6), picture(size=9), picture(size=300, kind="JPEG")]
    path = parquet(tmp_path / "a.parquet", {"image": images, "label": ["a", "b", "a"]})
    assert load(path).image_shape == (128, 128, 3)
    assert load(path, image_size=16, resize="crop").image_shape == (16, 16, 3)


def test_no_encoded_image_stays_in_the_cache(tmp_path: Path, own_cache: Path) -> None:
    load(parquet(tmp_path / "a.parquet", rows()))
    assert list(own_cache.rglob(_encoded_images.SPOOL_FILE)) == []


def test_the_second_start_reads_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path / "a.parquet", rows())
    first = load(path)
    monkeypatch.setattr(_image_files, "read_image", None)
    monkeypatch.setattr("headstart.data.formats.parquet._parquet.read_images", None)
    second = load(path)
    assert second.fingerprint == first.fingerprint
    assert second.image_names == first.image_names


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"label": ["a", "b"], "x": [1, 2]}, "has no column of images; it has label, x."),
        ({"image": [b"1", b"2"], "x": [1, 2]}, "has no column of labels; it has image, x."),
        ({"image": [b"1", b"2"], "objects": [1, 2]}, "Boxes of objects are not supported"),
        ({"image": [b"1", b"2"], "label": [[1], [0, 1]]}, "multi-label is not supported"),
        ({"image": [b"1", b"2"], "label": [0.5, 0.7]}, "these are measurements"),
        ({"image": [b"1", b"2"], "label": ["a", None]}, "row 1 of a.parquet: the label is missing"),
        ({"image": [b"1", b"2"], "label": ["a", " "]}, "row 1 of a.parquet: the label is missing"),
        ({"image": [b"1", b"2"], "label": ["a", "a"]}, "only one class, 'a'"),
        ({"image": [b"1", b""], "label": ["a", "b"]}, "000001 is empty (0 bytes)"),
        ({"path": ["no.png", "x"], "label": ["a", "b"]}, "no.png does not exist"),
        ({"path": ["http://x/1.png"] * 2, "label": ["a", "b"]}, "URLs are not downloaded"),
        ({"image": [], "label": []}, "has no "),
    ],
)
def test_errors_name_the_column_or_the_row(
    tmp_path: Path, columns: dict[str, Any], text: str
) -> None:
    assert text in fails(parquet(tmp_path / "a.parquet", columns))


def test_numbers_beyond_the_names_are_an_error(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", rows(label=[0, 1, 3] * 2), features())
    assert "has the label 3, but names for 0 to 2" in fails(path)


def test_several_datasets_in_one_folder_are_listed(tmp_path: Path) -> None:
    for config in ("cropped_digits", "full_numbers"):
        for part in ("train", "test"):
            parquet(tmp_path / config / f"{part}-00000-of-00001.parquet", rows(), features())
    text = fails(tmp_path)
    assert "several datasets in folders: expected one, got cropped_digits (2), full_numbers" in text
    assert f"Pass the folder of one: {tmp_path}/cropped_digits" in text
    assert len(load(tmp_path / "full_numbers")) == 12


def test_files_of_unknown_parts_are_listed(tmp_path: Path) -> None:
    for name in ("train", "test", "unsupervised"):
        parquet(tmp_path / f"{name}-00000-of-00001.parquet", rows(), features())
    assert "whose part is unclear: 'unsupervised-00000-of-00001.parquet'" in fails(tmp_path)


def test_files_with_other_columns_are_an_error(tmp_path: Path) -> None:
    parquet(tmp_path / "train.parquet", rows(), features())
    parquet(tmp_path / "test.parquet", rows())
    assert "have different columns, or different names of classes" in fails(tmp_path)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_a_truncated_file_is_an_error(tmp_path: Path, name: str) -> None:
    path = parquet(tmp_path / "whole.parquet", rows())
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / name).write_bytes(path.read_bytes()[:300])
    assert f"{name} cannot be read (300 bytes)" in fails(tmp_path / "cut" / name)


def test_without_pyarrow_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = parquet(tmp_path / "a.parquet", rows())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    text = fails(path, ResourceError)
    assert "PyArrow is not installed" in text
    assert "pip install 'headstart[parquet]'" in text


def test_class_folders_beside_a_parquet_file_stay_class_folders(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(picture())
    parquet(tmp_path / "metadata.parquet", rows())
    assert load(tmp_path).class_names == ("cat", "dog")


def test_pixels_in_memory_are_those_of_image_files(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 30, 40, 3), dtype=np.uint8)
    content = []
    for number, pixels in enumerate(noise):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG")
        content.append(file.getvalue())
        folder = tmp_path / "folder" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.jpg").write_bytes(content[-1])
    path = parquet(tmp_path / "a.parquet", {"image": content, "label": ["a", "b"] * 3})
    order = [0, 2, 4, 1, 3, 5]  # class folders come one after the other
    assert (load(path).images[order] == load(tmp_path / "folder").images).all()


def test_a_missing_group_is_an_error(tmp_path: Path) -> None:
    path = parquet(tmp_path / "p.parquet", rows(patient=["p", None, "p", "q", "r", "r"]))
    assert "row 2 of p.parquet: patient is empty" in fails(path, group_by="patient")


def test_labels_of_minus_one_and_one_are_two_classes(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", rows(6, label=[-1, 1, 1, -1, 1, -1]))
    data = load(path)
    assert data.class_names == ("-1", "1") and data.labels.tolist() == [0, 1, 1, 0, 1, 0]


def test_minus_one_is_missing_where_numbers_have_names(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", rows(6, label=[0, 1, -1, 2, 1, 0]), features())
    assert "row 2 of a.parquet: the label is missing" in fails(path)


def twelve_bits(row: int) -> bytes:
    """A grey PNG of 16 bits whose values use 12 of them, as cameras of microscopes write."""
    pixels = np.full((6, 6), 600 * row, np.uint16)
    pixels[0, 0] = 4095
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_images_of_twelve_bits_share_a_scale_that_may_be_given(tmp_path: Path) -> None:
    images = [{"bytes": twelve_bits(row), "path": None} for row in range(6)]
    path = parquet(tmp_path / "a.parquet", rows(6, image=images))
    found = load(path)
    assert found.images[:, 3, 3, 0].tolist() == [round(600 * row / 4095 * 255) for row in range(6)]
    given = load(path, pixel_max=8190)
    assert given.images[5, 3, 3, 0] == round(3000 / 8190 * 255)


def test_a_scale_of_images_of_eight_bits_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", rows())
    assert "pixel_max does not apply" in fails(path, pixel_max=4095)


def test_a_column_whose_name_is_not_utf8_is_an_error_of_the_file(tmp_path: Path) -> None:
    path = parquet(tmp_path / "rows.parquet", rows(label=["a", "b", "c"] * 2))
    content = path.read_bytes()
    assert b"label" in content
    path.write_bytes(content.replace(b"label", b"l\xecbel"))
    with pytest.raises(InputError, match=r"rows\.parquet cannot be read .* can't decode byte"):
        load(path)


def test_a_label_that_is_not_utf8_is_an_error_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    labels = pa.array([b"a", b"\xff", b"c"] * 2, pa.binary()).view(pa.string())
    pq.write_table(table(rows(label=labels)), path)
    with pytest.raises(InputError, match=r"rows\.parquet cannot be read .* can't decode byte"):
        load(path)


def test_lists_of_labels_and_measurements_are_refused(tmp_path: Path) -> None:
    lists = ["a", "b", "c", "a b", "b c", "c a"]
    text = fails(parquet(tmp_path / "lists.parquet", {**rows(6), "label": lists}))
    assert "3 labels that look like several in one cell ('a b', 'b c', 'c a')" in text
    ages = [f"{number} years" for number in range(20)]
    text = fails(parquet(tmp_path / "ages.parquet", {**rows(20), "label": ages}))
    assert "expected classes, got 20 different numbers in 20 rows" in text


def test_what_is_converted_in_images_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(progress, "say", said.append)
    file = io.BytesIO()
    Image.fromarray(np.full((6, 6), 4000, np.uint16)).save(file, "PNG")
    columns = {"image": [file.getvalue()] * 2, "label": ["cat", "dog"]}
    data = load(parquet(tmp_path / "a.parquet", columns))
    assert (
        "000000 and 1 more (000001) have 16 bits or more per channel; they are scaled to 8" in said
    )
    assert data.images.max() == round(4000 / 4095 * 255)
