"""Pixel CSV, IDX folders, .npz, pairs of arrays."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.data import TEST, TRAIN, UNASSIGNED, load, make_split
from headstart.data.formats.tables import _pixel_blocks
from headstart.errors import InputError


def csv_of(path: Path, *lines: str, end: str = "\n") -> Path:
    path.write_bytes((end.join(lines) + end).encode())
    return path


def rows(count: int = 6, pixels: int = 4) -> list[str]:
    """Make `count` rows of two classes. Pixel j of row i is 10 i + j."""
    return [f"{i % 2}," + ",".join(str(10 * i + j) for j in range(pixels)) for i in range(count)]


def header(pixels: int = 4) -> str:
    return "label," + ",".join(f"pixel{j}" for j in range(pixels))


def fails(source: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        load(source, **options)
    return str(caught.value)


def test_a_pixel_csv_has_one_image_per_row(tmp_path: Path) -> None:
    data = load(csv_of(tmp_path / "train.csv", header(), *rows()))
    assert data.images.shape == (6, 2, 2, 1)
    assert data.images.dtype == np.uint8
    assert data.images[3, :, :, 0].tolist() == [[30, 31], [32, 33]]
    assert data.labels.tolist() == [0, 1] * 3
    assert data.class_names == ("0", "1")
    assert set(data.parts.tolist()) == {UNASSIGNED}
    assert data.name == "train"


@pytest.mark.parametrize(
    "lines",
    [
        ["pixel0,pixel1,Target,pixel2,pixel3", "1,2,7,3,4", "5,6,8,7,8"],
        ["pixel3,y,pixel0,pixel2,pixel1", "4,7,1,3,2", "8,8,5,7,6"],
        ["class,1x1,1x2,2x1,2x2", "7,1,2,3,4", "8,5,6,7,8"],
        ['"label","p0","p1","p2","p3"', '"7","1","2","3","4"', '"8","5","6","7","8"'],
        ["\ufefflabel,pixel0,pixel1,pixel2,pixel3", "7,1.0,2,3,4", "8, 5,6,7,8", "", ""],
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_columns_may_have_any_order_and_style(tmp_path: Path, lines: list[str], end: str) -> None:
    data = load(csv_of(tmp_path / "t.csv", *lines, end=end))
    assert data.class_names == ("7", "8")
    assert data.images[..., 0].tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]


def test_integer_labels_are_sorted_by_value_and_words_by_letter(tmp_path: Path) -> None:
    lines = [f"{label},1,2,3,4" for label in (10, 2, 0, "2.0")]
    data = load(csv_of(tmp_path / "n.csv", header(), *lines))
    assert data.class_names == ("0", "2", "10")
    assert data.labels.tolist() == [2, 1, 0, 1]
    lines = [f"{word},1,2,3,4" for word in ("b10", "b2", "a")]
    assert load(csv_of(tmp_path / "w.csv", header(), *lines)).class_names == ("a", "b10", "b2")


def test_three_times_a_square_is_a_colour_image(tmp_path: Path) -> None:
    data = load(csv_of(tmp_path / "c.csv", header(12), *rows(pixels=12)))
    assert data.image_shape == (2, 2, 3)
    assert data.images[0, 0, 1].tolist() == [3, 4, 5]


def test_a_gzipped_csv_is_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress("\n".join([header(), *rows()]).encode()))
    data = load(tmp_path / "t.csv.gz")
    assert (len(data), data.name) == (6, "t")
    (tmp_path / "cut.csv.gz").write_bytes((tmp_path / "t.csv.gz").read_bytes()[:40])
    assert "cut.csv.gz cannot be decompressed" in fails(tmp_path / "cut.csv.gz")


def test_a_pixel_of_300_names_its_line(tmp_path: Path) -> None:
    lines = [header(64), *rows(9, 64)]
    lines[7] = lines[7].rsplit(",", 1)[0] + ",300"
    assert fails(csv_of(tmp_path / "train.csv", *lines)) == (
        "line 8 of train.csv: invalid pixel63: expected an integer from 0 to 255, got 300.\n"
        "  If the file uses another scale, pass it: --pixel-max 1023"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("-1", "invalid pixel1: expected an integer from 0 to 255, got -1."),
        ("abc", "expected an integer from 0 to 255, got 'abc'."),
        ("", "expected an integer from 0 to 255, got an empty field."),
        ("nan", "expected an integer from 0 to 255, got 'nan'."),
        ("inf", "expected an integer from 0 to 255, got 'inf'."),
        ("2.5", "expected an integer from 0 to 255, got 2.5."),
        ("40000", "--pixel-max 65535"),
        ("0.25", "Round the pixels to integers"),
        ("153.50", "Round the pixels to integers, or let --pixel-max 255 round them."),
        ("70000", "pass the value of full brightness with --pixel-max."),
    ],
)
def test_the_error_about_an_invalid_pixel_names_it(tmp_path: Path, value: str, text: str) -> None:
    message = fails(csv_of(tmp_path / "t.csv", header(), "0,1,2,3,4", f"1,1,{value},3,4"))
    assert "line 3 of t.csv: " in message
    assert text in message


def test_the_error_about_several_invalid_lines_shows_the_first_and_counts_all(
    tmp_path: Path,
) -> None:
    lines = [header(), "0,1,2,3,4", "1,1,300,3,400", "0,1,2,3,4", "0,5000,x,3,4", "1,1,-2,3,4"]
    text = fails(csv_of(tmp_path / "t.csv", *lines))
    assert "line 3 of t.csv: invalid pixel1: expected an integer from 0 to 255, got 300." in text
    assert "3 lines have invalid values in total." in text
    assert "--pixel-max 16383" in text
    text = fails(csv_of(tmp_path / "t.csv", *lines[:5], "1,2", *lines[5:]))
    assert "4 lines have problems in total." in text
    assert "line 6: expected 5 fields, as in the header, got 2" in text


def test_the_hint_for_fractions_is_pixel_max_1_and_for_decimals_255(tmp_path: Path) -> None:
    path = csv_of(tmp_path / "f.csv", header(), "0,0,1,0,1", "1,0.5,0.25,1,0")
    assert "pass it: --pixel-max 1" in fails(path)
    path = csv_of(tmp_path / "d.csv", header(), "0,0,153.50,0,1", "1,0.5,0.25,1,0")
    assert "let --pixel-max 255 round them" in fails(path)
    assert load(path, pixel_max=255).images[0].ravel().tolist() == [0, 154, 0, 1]


def test_a_gzip_file_named_csv_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(gzip.compress("\n".join([header(), *rows()]).encode()))
    text = fails(tmp_path / "t.csv")
    assert "t.csv is compressed with gzip" in text
    assert "Name it t.csv.gz." in text


def test_the_error_about_half_a_pair_in_an_npz_names_the_other_half(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, x_train=IMAGES, y_train=LABELS, x_test=IMAGES)
    assert f"{path} has x_test, but no y_test." in fails(path)
    np.savez(path, x_train=IMAGES, y_train=LABELS, y_test=LABELS)
    assert "has y_test, but no x_test." in fails(path)
    np.savez(path, images=IMAGES)
    assert "has images, but no labels." in fails(path)


def test_a_class_name_twice_in_an_npz_is_an_error(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "t.npz",
        images=IMAGES,
        labels=[0, 1, 0, 1, 2, 2],
        class_names=["cat", "dog", "cat"],
    )
    assert "has the class 'cat' twice, as number 0 and 2" in fails(tmp_path / "t.npz")


def test_pixel_max_scales_to_255(tmp_path: Path) -> None:
    path = csv_of(tmp_path / "t.csv", header(), "0,0,4,8,16", "1,16,1,2,3")
    assert load(path, pixel_max=16).images[0].ravel().tolist() == [0, 64, 128, 255]
    path = csv_of(tmp_path / "f.csv", header(), "0,0,0.5,0.25,1", "1,1,0,0,0")
    assert load(path, pixel_max=1).images[0].ravel().tolist() == [0, 128, 64, 255]
    assert "invalid pixel3: expected a number from 0 to 15 (pixel_max), got 16." in fails(
        tmp_path / "t.csv", pixel_max=15
    )


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (
            [header(5), "0,1,2,3,4,5"],
            "5 pixel columns, which do not form a square image: 2x2 has 4, 3x3 has 9.",
        ),
        ([header(), "0,1,2,3"], "line 2 of t.csv: expected 5 fields, as in the header, got 4."),
        (
            [header(), "0,1,2,3,4", "", "1,1,2,3,4,5"],
            "line 4 of t.csv: expected 5 fields, as in the header, got 6.",
        ),
        ([header(), ",1,2,3,4"], "line 2 of t.csv: the label (label) is empty"),
        ([header(), "0,1,2,3,4", "NaN,1,2,3,4"], "line 3 of t.csv: the label (label) is empty"),
        (
            ["pixel0,pixel1,pixel2,pixel3", "1,2,3,4"],
            "t.csv has no label column; it has pixel0, pixel1, pixel2, pixel3",
        ),
        (
            ["0,1,2,3,4", "1,2,3,4,5"],
            "invalid line 1 of t.csv: expected the names of the columns, "
            "got numbers (0, 1, 2, 3, 4)",
        ),
        (
            ["label,pixel0,pixel1,pixel1,pixel2", "0,1,2,3,4"],
            "names the column 'pixel1' more than once",
        ),
        (
            ["label,pixel0,pixel1,pixel2,pixel4", "0,1,2,3,4"],
            "4 pixel columns from 0 to 4, but none has the number 3",
        ),
        (
            ["label,pixel0,pixel1,pixel2,pixel3,split", "0,1,2,3,4,x"],
            "line 2 of t.csv: invalid split 'x': expected train, validation or test.",
        ),
        ([header(), "0,1,2,3,4", "0,1,2,3,4"], "only one class, '0'"),
        ([header()], "t.csv has a header but no rows"),
        (["label", "0", "1"], "neither pixel columns nor a column of paths; it has label"),
        (
            ["code,class", "a,0", "b,1"],
            "Name the column of paths, for example: --path-column code.",
        ),
        ([header() + ",,", "0,1,2,3,4,,x"], "expected 5 fields, as in the header, got 7"),
        (["label,,pixel0,,pixel1", "0,1,2,3,4"], "line 1 of t.csv has 2 columns without a name"),
        ([header(), "caf\u00e9,1,2,3,4", "cafe\u0301,1,2,3,4"], "'cafe\\u0301' and 'caf\\xe9'"),
        ([""], "t.csv is empty"),
        ([header(), '0,1,2,3,"4', "1,1,2,3,4"], "line 3 of t.csv"),
    ],
)
def test_errors_about_a_pixel_csv_name_the_fault(
    tmp_path: Path, lines: list[str], text: str
) -> None:
    assert text in fails(csv_of(tmp_path / "t.csv", *lines))


@pytest.mark.parametrize("end", ["", ",", ",,", ", "])
def test_empty_columns_at_the_end_are_ignored(tmp_path: Path, end: str) -> None:
    rows = ["0,1,2,3,4", "1,5,6,7,8" + end, "0,9,9,9,9" + end]
    dataset = load(csv_of(tmp_path / "t.csv", "# exported today", header() + end, *rows))
    assert dataset.images.reshape(3, 4).tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [9] * 4]


def test_plain_blocks_and_the_csv_module_read_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_pixel_blocks, "_MOST_ROWS", 3)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 4))
    rows = [f"a{row % 3},{','.join(map(str, values))},g" for row, values in enumerate(pixels)]
    rows[9] = '"a0",1, 2,"3",4.0,g'
    rows[20] = ""
    rows[30:32] = ["a1,1e2,0.0,7,+5,g", "a2,0,0,0,-0,g"]
    table = csv_of(tmp_path / "t.csv", header() + ",writer", *rows)
    blocks = load(table, group_by="writer")
    monkeypatch.setattr(_pixel_blocks.PixelBlocks, "__iter__", lambda blocks: iter(()))
    assert load(table, group_by="writer", cache=False).fingerprint == blocks.fingerprint
    assert len(blocks) == 39
    monkeypatch.undo()

    rows[35] = "a1,1,2,3,256,g"
    text = fails(csv_of(tmp_path / "u.csv", header() + ",writer", *rows))
    assert "line 37 of u.csv: invalid pixel3" in text


@pytest.mark.parametrize("scale", [4095, 1])
def test_plain_blocks_scale_as_single_values_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: float
) -> None:
    pixels = np.random.default_rng(0).uniform(0, scale, (30, 4))
    pixels = pixels.round() if scale > 1 else pixels.round(6)
    rows = [f"{row % 2},{','.join(map(str, values))}" for row, values in enumerate(pixels)]
    table = csv_of(tmp_path / "t.csv", header(), *rows)
    blocks = load(table, pixel_max=scale)
    monkeypatch.setattr(_pixel_blocks.PixelBlocks, "__iter__", lambda blocks: iter(()))
    assert load(table, pixel_max=scale, cache=False).fingerprint == blocks.fingerprint


def test_text_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"label,pixel0\nna\xefve,1\n")
    assert "t.csv is not UTF-8 text" in fails(tmp_path / "t.csv")


def test_a_pixel_csv_may_have_groups(tmp_path: Path) -> None:
    lines = [
        "label,writer,pixel0,pixel1,pixel2,pixel3",
        "0,w9,1,2,3,4",
        "1,w1,1,2,3,4",
        "0,w9,1,2,3,4",
    ]
    data = load(csv_of(tmp_path / "t.csv", *lines), group_by="writer")
    assert data.groups is not None
    assert data.groups.tolist() == [1, 0, 1]
    assert data.image_shape == (2, 2, 1)


def test_a_pixel_csv_with_an_id_column_is_not_read_as_paths(tmp_path: Path) -> None:
    data = load(csv_of(tmp_path / "t.csv", f"id,{header()}", "1,0,1,2,3,4", "2,1,5,6,7,8"))
    assert data.images[..., 0].tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]


def idx(path: Path, array: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    content = (
        bytes([0, 0, 8, array.ndim])
        + b"".join(size.to_bytes(4, "big") for size in array.shape)
        + array.tobytes()
    )
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


IMAGES = np.arange(6 * 4 * 5, dtype=np.uint8).reshape(6, 4, 5)
LABELS = np.array([1, 3, 1, 3, 7, 7], np.uint8)


@pytest.mark.parametrize(
    "names", ["{}-{}-idx{}-ubyte", "{}-{}-idx{}-ubyte.gz", "{}-{}.idx{}-ubyte"]
)
def test_the_test_part_of_an_idx_folder_is_kept(tmp_path: Path, names: str) -> None:
    idx(tmp_path / names.format("train", "images", 3), IMAGES)
    idx(tmp_path / names.format("train", "labels", 1), LABELS)
    alone = load(tmp_path)
    assert set(alone.parts.tolist()) == {UNASSIGNED}
    idx(tmp_path / names.format("t10k", "images", 3), IMAGES[:2])
    idx(tmp_path / names.format("t10k", "labels", 1), LABELS[:2])
    data = load(tmp_path)
    assert data.parts.tolist() == [TRAIN] * 6 + [TEST] * 2
    assert data.class_names == ("1", "3", "7")
    assert (data.images[:6, :, :, 0] == IMAGES).all()


def test_errors_about_an_idx_folder_name_the_fault(tmp_path: Path) -> None:
    idx(tmp_path / "train-images-idx3-ubyte", IMAGES)
    assert "has images of train, but no train-labels-idx1-ubyte" in fails(tmp_path)
    idx(tmp_path / "train-labels-idx1-ubyte", LABELS[:5])
    assert "6 images but 5 labels" in fails(tmp_path)
    assert "pixel_max does not apply" in fails(tmp_path, pixel_max=3)


def test_npz_in_both_styles(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "keras.npz",
        x_train=IMAGES,
        y_train=LABELS[:, None],
        x_test=IMAGES[:2],
        y_test=LABELS[:2],
    )
    data = load(tmp_path / "keras.npz")
    assert data.parts.tolist() == [TRAIN] * 6 + [TEST] * 2
    assert data.class_names == ("1", "3", "7")
    np.savez(
        tmp_path / "named.npz",
        images=IMAGES,
        labels=np.array([0, 1, 0, 1, 2, 2]),
        class_names=["cat", "ant", "dog"],
    )
    data = load(tmp_path / "named.npz")
    assert data.class_names == ("cat", "ant", "dog")
    assert data.labels.tolist() == [0, 1, 0, 1, 2, 2]
    assert set(data.parts.tolist()) == {UNASSIGNED}


def test_an_npz_may_have_its_own_validation_images(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    labels = np.arange(60) % 3
    np.savez(
        tmp_path / "own.npz",
        x_train=images[:30],
        y_train=labels[:30],
        x_validation=images[30:45],
        y_validation=labels[30:45],
        x_test=images[45:],
        y_test=labels[45:],
    )
    dataset = load(tmp_path / "own.npz")
    assert np.bincount(dataset.parts).tolist() == [0, 30, 15, 15]
    assert make_split(dataset).validation.tolist() == list(range(30, 45))


def test_errors_about_an_npz_name_the_fault(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, pictures=IMAGES, y2=LABELS)
    assert (
        "expected x_train, y_train[, x_validation, y_validation][, x_test, y_test] "
        "or images, labels[, class_names], got pictures, y2." in fails(path)
    )
    np.savez(path, images=np.array([{"a": 1}] * 6, object), labels=LABELS)
    assert "the array images cannot be read: it holds Python objects (a pickle)" in fails(path)
    path.write_bytes(b"not a zip file")
    assert "cannot be read as .npz" in fails(path)
    np.savez(path, x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:, :2], y_test=LABELS)
    assert "differ in shape: (2, 5, 1) and (4, 5, 1)" in fails(path)
    np.savez(path, x_train=IMAGES[:4], y_train=LABELS[:4], x_test=IMAGES, y_test=LABELS)
    assert "have classes that its training images lack: '7'" in fails(path)
    np.savez(path, images=IMAGES, labels=LABELS, class_names=["a", "b"])
    assert "has the label 3, but class_names has 2 names" in fails(path)
    assert "group_by does not apply" in fails(path, group_by="x")


def test_a_pair_of_arrays_is_a_dataset_without_a_source() -> None:
    data = load((IMAGES, ["b", "a"] * 3))
    assert (data.source, data.class_names, data.image_shape) == ("", ("a", "b"), (4, 5, 1))
    assert data.labels.tolist() == [1, 0] * 3
    assert load((np.stack([IMAGES] * 3, axis=-1), LABELS)).image_shape == (4, 5, 3)
    assert load((IMAGES, LABELS), image_size=8).image_shape == (8, 8, 1)


def test_real_numbers_from_0_to_1_are_scaled_and_others_need_a_scale() -> None:
    ramp = np.linspace(0, 1, 24).reshape(6, 2, 2)
    assert load((ramp, LABELS)).images[5, 1, 1, 0] == 255
    assert load((ramp * 16, LABELS), pixel_max=16).images[2, 0, 1, 0] == round(255 * 9 / 23)
    assert load((IMAGES > 50, LABELS)).images.max() == 255
    assert load((IMAGES.astype(np.int32), LABELS)).images.dtype == np.uint8
    text = fails((ramp * 255, LABELS))
    assert (
        "expected integers from 0 to 255, or real numbers from 0 to 1, "
        "got values from 0 to 255 (float64)." in text
    )
    assert "--pixel-max 255" in text


@pytest.mark.parametrize(
    ("images", "labels", "text"),
    [
        (IMAGES.astype(np.int64) - 1, LABELS, "got values from -1 to 118"),
        (IMAGES.astype(np.int64) - 1, LABELS, "Pixels are never negative"),
        (
            IMAGES.astype(np.int64) * 8,
            LABELS,
            "If it is 1023: --pixel-max 1023 (pixel_max=1023 in Python).",
        ),
        (IMAGES.astype(np.uint16) * 8, LABELS, "--pixel-max 65535 "),
        (IMAGES / 1e-9, LABELS, "Pass the value of full brightness with --pixel-max."),
        (np.where(IMAGES == 3, np.inf, 0.5), LABELS, "not finite"),
        (
            np.where(IMAGES == 3, np.nan, 0.5),
            LABELS,
            "values that are not finite (NaN or infinity), in 1 of 6 images",
        ),
        (
            IMAGES.reshape(6, -1),
            LABELS,
            "expected (N, height, width) or (N, height, width, 1 or 3), got (6, 20).",
        ),
        (IMAGES[:0], LABELS[:0], "got (0, 4, 5)."),
        (IMAGES.astype(object), LABELS, "expected numbers, got object."),
        (IMAGES, LABELS[:5], "6 images but 5 labels"),
        (
            IMAGES,
            LABELS + 0.5,
            "invalid label of the pair of arrays: expected integers or names, got '1.5'.",
        ),
        (IMAGES, ["a", "b", "", "a", "b", "a"], "expected integers or names, got ''."),
        (IMAGES, np.zeros(6, int), "only one class, '0'"),
    ],
)
def test_errors_about_arrays_name_the_fault(images: Any, labels: Any, text: str) -> None:
    assert text in fails((images, labels))
