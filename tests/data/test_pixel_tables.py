"""Tables of pixels: one cell or many columns, other columns, scales, parts, bounded memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from table_helpers import error_of, load_and_listen, write_table

from headstart.data import TEST, TRAIN, VALIDATION, load, read_unlabelled_csv
from headstart.data._memory_maps import GrowingMap
from headstart.errors import InputError

HEADER = "label,pixel0,pixel1,pixel2,pixel3"


def test_pixels_in_one_cell_are_read_with_their_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_table(
        tmp_path / "fer2013.csv",
        "emotion,pixels,Usage",
        "3,70 80 82 72,Training",
        "0,1 2 3 255,Training",
        "3,5  6 7 8 ,PublicTest",
        "0,9 9 9 9,PrivateTest",
    )
    data, said = load_and_listen(capsys, path)
    assert data.images[..., 0].tolist()[:2] == [[[70, 80], [82, 72]], [[1, 2], [3, 255]]]
    assert data.class_names == ("0", "3")
    assert data.labels.tolist() == [1, 0, 1, 0]
    assert data.parts.tolist() == [TRAIN, TRAIN, VALIDATION, TEST]
    assert "labels are in the column 'emotion'" in said


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (
            ["0,1 2 3 4", "1,1 2 3"],
            "line 3 of t.csv: expected 4 pixels, as on the first line, got 3",
        ),
        (
            ["0,1 2 3 4", "1,1 2 300 4"],
            "invalid value 3 of pixels: expected an integer from 0 to 255",
        ),
        (["0,1 2 3 4", "1,1 2 x 4"], "line 3 of t.csv: invalid value 3 of pixels"),
        (
            ["0,1 2 3 4 5", "1,1"],
            "5 values in the first cell of 'pixels', which do not form",
        ),
        (["0,", "1,1"], "0 values in the first cell"),
        (["0,0.5 1 0 0", "1,0 0 0 0"], "pass it: --pixel-max 1"),
    ],
)
def test_faults_of_pixels_in_one_cell_are_named(tmp_path: Path, rows: list[str], text: str) -> None:
    assert text in error_of(write_table(tmp_path / "t.csv", "label,pixels", *rows))


def test_several_columns_that_may_be_labels_are_an_error(tmp_path: Path) -> None:
    path = write_table(
        tmp_path / "t.csv", "age,ethnicity,gender,img_name,pixels", "1,0,1,a,1", "2,1,0,b,2"
    )
    text = error_of(path)
    assert "3 columns that may hold labels: age, ethnicity, gender." in text
    assert "--label-column age" in text
    assert load(path, label_column="gender").class_names == ("0", "1")
    assert load(path, label_column="ethnicity").labels.tolist() == [0, 1]


@pytest.mark.parametrize("first", ["", "Unnamed: 0", "index", "id", "writer", "Unnamed: 0.1"])
def test_other_columns_are_ignored_with_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], first: str
) -> None:
    path = write_table(tmp_path / "t.csv", f"{first},{HEADER}", "7,a,1,2,3,4", "8,b,5,6,7,8")
    data, said = load_and_listen(capsys, path)
    assert data.images[..., 0].tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    assert "t.csv: ignored 1 column that is neither label nor pixels: " in said


def test_a_label_column_of_any_name_is_found_or_named(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", "digit,p0", "a,1", "b,2")
    assert load(path).class_names == ("a", "b")
    path = write_table(tmp_path / "t.csv", "what,p0", "a,1", "b,2")
    assert load(path).class_names == ("a", "b")
    path = write_table(tmp_path / "t.csv", "label,label2x,p0", "a,c,1", "b,d,2")
    assert load(path, label_column="label2x").class_names == ("c", "d")


def test_a_column_of_parts_is_kept_and_one_of_other_words_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["a,1,train", "b,2,train", "a,3,val", "b,4,test"]
    data = load(write_table(tmp_path / "t.csv", "label,p0,split", *rows))
    assert data.parts.tolist() == [TRAIN, TRAIN, VALIDATION, TEST]
    path = write_table(tmp_path / "t.csv", "label,p0,set", "a,1,x", "b,2,y")
    data, said = load_and_listen(capsys, path)
    assert set(data.parts.tolist()) == {0}
    assert "ignored the column 'set', whose values name no parts" in said


@pytest.mark.parametrize("brightest", [1, 16, 31])
def test_a_dark_table_is_questioned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], brightest: int
) -> None:
    path = write_table(tmp_path / "t.csv", HEADER, f"a,0,{brightest},0,0", "b,0,0,0,0")
    data, said = load_and_listen(capsys, path)
    assert data.images.max() == brightest
    assert f"t.csv: the brightest pixel is {brightest}, where 255 is full brightness." in said
    assert f"--pixel-max {brightest}" in said
    data, said = load_and_listen(capsys, path, pixel_max=brightest)
    assert data.images.max() == 255
    assert "brightest" not in said


def test_scientific_numbers_are_read_by_their_value(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", HEADER, "a,1e2,2.55E+02,0e0,1.0", "b,0,0,0,0")
    assert load(path).images[0].ravel().tolist() == [100, 255, 0, 1]
    path = write_table(tmp_path / "t.csv", HEADER, "a,1e3,0,0,0", "b,1e-1,0,0,0", "a,-1e0,0,0,0")
    text = error_of(path)
    assert "line 2 of t.csv: invalid pixel0: expected an integer from 0 to 255, got 1e3." in text
    assert "3 lines have invalid values in total." in text
    assert "line 4: invalid pixel0: expected an integer from 0 to 255, got -1e0" in text


def test_problems_of_pixel_tables_are_listed_up_to_20(tmp_path: Path) -> None:
    rows = [f"a,{300 + number},0,0,0" for number in range(50)]
    text = error_of(write_table(tmp_path / "t.csv", HEADER, "a,1,2,3,4", *rows))
    assert text.count("expected an integer from 0 to 255") == 20
    assert "50 lines have invalid values in total." in text
    assert "and 30 more" in text


def test_a_table_without_labels_gives_its_ids(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", "ImageId,pixel0", "007,1", "8,2")
    images, ids = read_unlabelled_csv(path)
    assert images.ravel().tolist() == [1, 2]
    assert ids == ["007", "8"]
    path = write_table(tmp_path / "t.csv", ",pixel0", "0,1", "1,2")
    assert read_unlabelled_csv(path)[1] is None
    path = write_table(tmp_path / "t.csv", "id,pixels", "a,1 2 3 4", "b,5 6 7 8")
    assert read_unlabelled_csv(path)[0].shape == (2, 2, 2, 1)


def test_a_growing_map_is_an_array_of_all_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3000, 40, 40, 3), dtype=np.uint8)
    (tmp_path / "images.npy").write_bytes(b"left by an interrupted run")
    with GrowingMap(tmp_path, (40, 40, 3)) as growing:
        for image in images:
            growing.append(image.tobytes())
        assert np.array_equal(growing.finish(), images)
    assert np.array_equal(np.load(tmp_path / "images.npy"), images)


def test_memory_does_not_grow_with_a_pixel_table(tmp_path: Path) -> None:
    """The pixels of 96 MB of text are 24 MB. Twice as many rows need no more memory."""
    script = (
        "import resource, sys; from headstart.data import load; load(sys.argv[1]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    row = ",".join(["200"] * 4096)
    peaks = []
    for count in (1500, 6000):
        path = tmp_path / f"{count}.csv"
        with path.open("w") as file:
            file.write("label," + ",".join(f"p{index}" for index in range(4096)) + "\n")
            for number in range(count):
                file.write(f"{number % 2},{number % 251},{row[4:]}\n")
        done = subprocess.run(
            [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 24_000  # kB; the pixels alone would be 18,432 kB more, twice


def test_a_group_needs_a_name_and_blanks_around_it_do_not_count(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", "label,patient,p0", "a,x,1", "b,x ,2", "a,y,3", "b,y,4")
    groups = load(path, group_by="patient").groups
    assert groups is not None and groups.tolist() == [0, 0, 1, 1]
    path = write_table(tmp_path / "t.csv", "label,patient,p0", "a,x,1", "b, ,2", "a,y,3")
    assert "line 3 of t.csv: patient is empty" in error_of(path, group_by="patient")


def colour_table(path: Path, names: list[str], *, planes: bool) -> np.ndarray:
    """Write smooth colour images of 8x8 pixels, and return them as (N, H, W, C)."""
    row, column = np.mgrid[0:8, 0:8]
    images = [
        np.stack([20 * row + n, 20 * column + 2 * n, 200 - 10 * row - 10 * column], axis=-1)
        for n in range(6)
    ]
    values = [image.transpose(2, 0, 1) if planes else image for image in images]
    lines = [
        ",".join(map(str, [number % 2, *pixels.reshape(-1).tolist()]))
        for number, pixels in enumerate(values)
    ]
    write_table(path, ",".join(["label", *names]), *lines)
    return np.stack(images)


def test_colours_one_after_the_other_are_refused(tmp_path: Path) -> None:
    names = [f"pixel{number}" for number in range(192)]
    images = colour_table(tmp_path / "together.csv", names, planes=False)
    assert (load(tmp_path / "together.csv").images == images).all()
    colour_table(tmp_path / "planes.csv", names, planes=True)
    text = "expected red, green and blue of each pixel together, got all of red"
    assert text in error_of(tmp_path / "planes.csv")
    with pytest.raises(InputError, match=r"invalid order of the pixels of planes\.csv"):
        read_unlabelled_csv(tmp_path / "planes.csv")


@pytest.mark.parametrize("prefixes", [("R", "G", "B"), ("red_", "green_", "blue_")])
def test_columns_may_name_their_colours(tmp_path: Path, prefixes: tuple[str, ...]) -> None:
    names = [f"{prefix}{number}" for prefix in prefixes for number in range(64)]
    images = colour_table(tmp_path / "planes.csv", names, planes=True)
    assert (load(tmp_path / "planes.csv").images == images).all()
    names = [f"{prefix}{number}" for number in range(64) for prefix in prefixes]
    images = colour_table(tmp_path / "together.csv", names, planes=False)
    assert (load(tmp_path / "together.csv").images == images).all()
