"""Submissions: the columns of Kaggle or of a sample, all rows, and texts as they are."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.data import Dataset, Split, SplitDataset
from headstart.deploy import open_model
from headstart.models.recipes import make_recipe
from headstart.training import TrainingJob, train

Command = Callable[..., tuple[int, str, str]]
ROWS = 60


@pytest.fixture(scope="module")
def run(data: tuple[Dataset, Split], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(
        TrainingJob(make_recipe("mlp", {"epochs": 10, "nodes": 64}), SplitDataset(*data), 0, folder)
    )
    return folder


@pytest.fixture
def labels(run: Path, digits: Dataset) -> list[str]:
    """The predicted classes of the first digits."""
    return open_model(run).predict(digits.images[:ROWS]).labels


@pytest.fixture
def table(digits: Dataset, tmp_path: Path) -> Path:
    """The first digits as a pixel CSV without labels.

    `with-ids.csv` has ids as well, counting down from 159.
    """
    pixels = [f"pixel{number}" for number in range(64)]
    rows = digits.images[:ROWS].reshape(ROWS, -1).tolist()
    write(tmp_path / "test.csv", [pixels, *rows])
    write(
        tmp_path / "with-ids.csv",
        [["id", *pixels], *([159 - number, *row] for number, row in enumerate(rows))],
    )
    return tmp_path / "test.csv"


def write(path: Path, rows: Sequence[object]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)  # type: ignore[arg-type]  # texts and numbers


def read(path: str = "submission.csv") -> list[list[str]]:
    with Path(path).open() as file:
        return list(csv.reader(file))


def test_a_submission_has_the_columns_of_kaggle_and_one_row_per_image(
    run: Path, table: Path, labels: list[str], headstart: Command
) -> None:
    status, out, err = headstart("submit", run, table, "--json")
    assert status == 0, err
    assert read() == [
        ["ImageId", "Label"],
        *([str(number), label] for number, label in enumerate(labels, 1)),
    ]
    result = json.loads(out)
    assert (result["rows"], result["submission"]) == (ROWS, "submission.csv")
    assert sum(result["labels"].values()) == ROWS


def test_a_sample_determines_columns_ids_and_order(
    run: Path, table: Path, labels: list[str], headstart: Command
) -> None:
    write(
        Path("sample.csv"), [["id", "digit"], *([str(number), "0"] for number in range(100, 160))]
    )
    assert (
        headstart("submit", run, "with-ids.csv", "--sample", "sample.csv", "-o", "out.csv")[0] == 0
    )
    assert read("out.csv") == [
        ["id", "digit"],
        *([str(159 - row), labels[row]] for row in reversed(range(ROWS))),
    ]


def test_a_sample_with_one_column_per_class_gets_probabilities(
    run: Path, table: Path, digits: Dataset, headstart: Command
) -> None:
    classes = [str(number) for number in reversed(range(10))]
    write(
        Path("sample.csv"),
        [["id", *classes], *([f"row{number}", *["0.1"] * 10] for number in range(ROWS))],
    )
    assert headstart("submit", run, table, "--sample", "sample.csv", "-o", "out.csv")[0] == 0
    rows = read("out.csv")
    assert rows[0] == ["id", *classes]
    probabilities = open_model(run).predict(digits.images[:ROWS]).probabilities
    assert (
        np.abs(np.array([row[1:] for row in rows[1:]], float) - probabilities[:, ::-1]).max() < 1e-5
    )


def test_a_table_of_image_files_uses_its_paths_as_ids(
    run: Path, digits: Dataset, labels: list[str], headstart: Command
) -> None:
    for number in range(5):
        Image.fromarray(digits.images[number, :, :, 0]).save(f"{number}.png")
    write(Path("files.csv"), [["path"], *([f"{number}.png"] for number in range(5))])
    assert headstart("submit", run, "files.csv")[0] == 0
    assert read()[1:] == [[f"{number}.png", labels[number]] for number in range(5)]


def test_a_column_of_paths_with_any_name_can_be_named(
    run: Path, digits: Dataset, labels: list[str], headstart: Command
) -> None:
    for number in range(3):
        Image.fromarray(digits.images[number, :, :, 0]).save(f"{number}.png")
    rows = [[str(9 - number), f"{number}.png", "elsewhere.png"] for number in range(3)]
    write(Path("scans.csv"), [["id", "scan", "image"], *rows])
    status, _, err = headstart("submit", run, "scans.csv")
    assert status == 2 and "--path-column scan" in err
    assert headstart("submit", run, "scans.csv", "--path-column", "scan")[0] == 0
    assert read()[1:] == [[str(9 - number), labels[number]] for number in range(3)]

    status, _, err = headstart("submit", run, "scans.csv", "--path-column", "scam")
    assert status == 2 and "did you mean 'scan'" in err
    status, _, err = headstart("submit", run, ".", "--path-column", "scan")
    assert status == 2 and "is a folder of images" in err


@pytest.fixture
def photos(digits: Dataset, tmp_path: Path) -> Path:
    """A flat folder with the first five digits as img0.png to img4.png."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        Image.fromarray(digits.images[number, :, :, 0]).save(folder / f"img{number}.png")
    return folder


def test_a_folder_of_images_has_the_names_of_its_files_as_ids(
    run: Path, photos: Path, labels: list[str], headstart: Command
) -> None:
    assert headstart("submit", run, photos)[0] == 0
    assert read()[1:] == [[f"img{number}", labels[number]] for number in range(5)]


@pytest.mark.parametrize("pattern", ["img{}", "img{}.png"])
def test_ids_of_a_sample_find_the_files_of_a_folder(
    pattern: str, run: Path, photos: Path, labels: list[str], headstart: Command
) -> None:
    ids = [pattern.format(number) for number in (3, 0, 4)]
    write(Path("sample.csv"), [["id", "label"], *([key, "0"] for key in ids)])
    status, _, err = headstart("submit", run, photos, "--sample", "sample.csv")
    assert status == 0, err
    assert read()[1:] == [[ids[0], labels[3]], [ids[1], labels[0]], [ids[2], labels[4]]]
    assert "2 images of photos left out: sample.csv lists no such id" in err


@pytest.mark.parametrize("pattern", ["photos/img{}.png", "img{}.jpg", "C:\\test\\img{}.JPG"])
def test_ids_of_a_sample_may_have_other_folders_and_suffixes(
    pattern: str, run: Path, photos: Path, labels: list[str], headstart: Command
) -> None:
    ids = [pattern.format(number) for number in range(5)]
    write(Path("sample.csv"), [["id", "label"], *([key, "0"] for key in ids)])
    status, _, err = headstart("submit", run, photos, "--sample", "sample.csv")
    assert status == 0, err
    assert read()[1:] == [[key, label] for key, label in zip(ids, labels, strict=False)]
    assert "sample.csv names other folders or suffixes than photos; for example, '" in err


def test_an_id_of_two_images_is_an_error(run: Path, photos: Path, headstart: Command) -> None:
    shutil.copy(photos / "img0.png", photos / "img0.jpg")
    write(Path("sample.csv"), [["id", "label"], ["img0", "0"], ["img1", "0"]])
    status, _, err = headstart("submit", run, photos, "--sample", "sample.csv")
    assert status == 2
    assert "id 'img0', which stands for 2 images of photos: img0.jpg and img0.png." in err


def test_an_archive_of_test_images_is_read(
    run: Path, photos: Path, labels: list[str], headstart: Command
) -> None:
    archive = shutil.make_archive("test", "zip", photos.parent, photos.name)
    assert headstart("submit", run, archive)[0] == 0
    assert read()[1:] == [[f"img{number}", labels[number]] for number in range(5)]


@pytest.mark.parametrize("sample", ["all.zip/photos/sample.csv", "sample.csv.zip"])
def test_a_sample_in_an_archive_is_read(
    run: Path, photos: Path, labels: list[str], headstart: Command, sample: str
) -> None:
    write(photos / "sample.csv", [["id", "label"], ["img3", "0"], ["img0", "0"]])
    shutil.make_archive("all", "zip", photos.parent, photos.name)
    shutil.make_archive("sample.csv", "zip", photos, "sample.csv")
    status, _, err = headstart("submit", run, "all.zip/photos", "--sample", sample)
    assert status == 0, err
    assert read()[1:] == [["img3", labels[3]], ["img0", labels[0]]]
    assert headstart("submit", run, photos, "--sample", "all.zip")[0] == 2


def test_ids_of_a_sample_find_paths_of_a_table(
    run: Path, photos: Path, labels: list[str], headstart: Command
) -> None:
    paths = [f"photos/img{number}.png" for number in range(5)]
    write(Path("test.csv"), [["path"], *([path] for path in paths)])
    write(Path("sample.csv"), [["id", "label"], *([f"img{row}", "0"] for row in range(5))])
    assert headstart("submit", run, "test.csv", "--sample", "sample.csv")[0] == 0
    assert read()[1:] == [[f"img{row}", labels[row]] for row in range(5)]


def test_an_id_column_beside_the_paths_is_used(
    run: Path, photos: Path, labels: list[str], headstart: Command
) -> None:
    rows = [[f"case{number}", f"photos/img{number}.png"] for number in range(5)]
    write(Path("test.csv"), [["id", "path"], *rows])
    assert headstart("submit", run, "test.csv")[0] == 0
    assert read()[1:] == [[f"case{row}", labels[row]] for row in range(5)]


def test_a_sample_of_fractions_gets_the_probability_of_the_given_class(
    run: Path, photos: Path, digits: Dataset, headstart: Command
) -> None:
    write(Path("sample.csv"), [["id", "target"], *([f"img{row}", "0.5"] for row in range(5))])
    words = ("submit", run, photos, "--sample", "sample.csv")
    status, _, err = headstart(*words)
    assert status == 2 and "It is unclear whose probability is wanted" in err

    status, out, _ = headstart(*words, "--probability-of", "7", "--json")
    assert status == 0 and json.loads(out)["probability_of"] == "7"
    expected = open_model(run).predict(digits.images[:5]).probabilities[:, 7]
    assert np.abs(np.array([row[1] for row in read()[1:]], float) - expected).max() < 1e-5


def test_an_earlier_submission_is_kept(run: Path, photos: Path, headstart: Command) -> None:
    for number, text in enumerate(("first", "second"), 1):
        Path("submission.csv").write_text(text)
        _, _, err = headstart("submit", run, photos)
        assert f"kept the earlier submission.csv as submission-{number}.csv" in err
    assert Path("submission-1.csv").read_text() == "first"
    assert Path("submission-2.csv").read_text() == "second"
    assert len(read()) == 6


def test_a_damaged_image_is_refused_or_gets_the_mean_probabilities(
    run: Path, photos: Path, labels: list[str], headstart: Command
) -> None:
    for name in ("img1.png", "img4.png"):
        (photos / name).write_bytes((photos / name).read_bytes()[:60])
    status, _, err = headstart("submit", run, photos)
    assert status == 2 and "2 of 5 images cannot be used" in err and "--skip-bad" in err
    assert not Path("submission.csv").exists()

    status, out, err = headstart("submit", run, photos, "--skip-bad", "--json")
    assert status == 0, err
    assert "photos: 2 of 5 images cannot be read; their rows have the mean prob" in err
    result = json.loads(out)
    assert [row["image"] for row in result["unreadable"]] == ["img1.png", "img4.png"]
    assert (result["rows"], result["unfamiliar"]) == (5, 0)
    rows = read()[1:]
    assert [row[0] for row in rows] == [f"img{number}" for number in range(5)]
    assert [rows[number][1] for number in (0, 2, 3)] == [labels[number] for number in (0, 2, 3)]

    classes = [str(number) for number in range(10)]
    ids = ("img4", "img0", "img2", "img3")
    write(Path("sample.csv"), [["id", *classes], *([key, *["0.1"] * 10] for key in ids)])
    assert headstart("submit", run, photos, "--sample", "sample.csv", "--skip-bad")[0] == 0
    shares = np.array([row[1:] for row in read()[1:]], float)
    assert np.abs(shares[0] - shares[1:].mean(axis=0)).max() < 1e-5


def test_a_submission_never_replaces_an_input(run: Path, table: Path, headstart: Command) -> None:
    before = table.read_bytes()
    status, _, err = headstart(
        "submit", run, "test.csv", "-o", "../" + table.parent.name + "/test.csv"
    )
    assert status == 2 and "is an input of this command and would be overwritten" in err
    write(Path("sample.csv"), [["id", "label"], *([str(row), "0"] for row in range(ROWS))])
    for out, reason in (
        ("sample.csv", "is an input of this command"),
        (run / "predictions.csv", "is a file of a run or study"),
        (run, "expected a file, got the folder"),
        ("photos/1.png", "expected the name of a CSV file, got that of an image"),
    ):
        status, _, err = headstart("submit", run, "test.csv", "--sample", "sample.csv", "-o", out)
        assert status == 2 and reason in err
    assert table.read_bytes() == before and len(read("sample.csv")) == ROWS + 1


def test_cells_are_safe_for_spreadsheets_on_request(
    run: Path, table: Path, headstart: Command
) -> None:
    write(
        Path("sample.csv"),
        [
            ["id", "label"],
            ["=1+1", "0"],
            ["-5", "0"],
            *([f"x{number}", "0"] for number in range(ROWS - 2)),
        ],
    )
    words = ("submit", run, table, "--sample", "sample.csv")
    assert headstart(*words)[0] == 0
    assert [row[0] for row in read()[1:4]] == ["=1+1", "-5", "x0"]
    assert headstart(*words, "--safe-cells")[0] == 0
    assert [row[0] for row in read()[1:4]] == ["'=1+1", "-5", "x0"]


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ([["id", "label"], ["1", "0"]], "asks for the id '1', which with-ids.csv does not have"),
        (
            [["id", "label"], *([str(number), "0"] for number in range(101, 161))],
            "asks for the id '160', which with-ids.csv",
        ),
        ([["id", "label"], *(["7", "0"] for _ in range(60))], "has the id '7' more than once"),
        (
            [["id", "cat", "dog"], ["1", "0", "0"]],
            "expected an id and one column for the label, or an id and one column for each of the "
            "10 classes, got id, cat, dog.",
        ),
        ([["id", "label"]], "has a header but no rows"),
    ],
)
def test_a_sample_that_does_not_match_writes_nothing(
    sample: list[list[str]], message: str, run: Path, table: Path, headstart: Command
) -> None:
    write(Path("sample.csv"), sample)
    status, _, err = headstart("submit", run, "with-ids.csv", "--sample", "sample.csv")
    assert status == 2
    assert message in err
    assert not Path("submission.csv").exists()


def test_without_ids_a_sample_needs_as_many_rows_as_there_are_images(
    run: Path, table: Path, headstart: Command
) -> None:
    write(Path("sample.csv"), [["id", "label"], ["1", "0"]])
    status, _, err = headstart("submit", run, "test.csv", "--sample", "sample.csv")
    assert status == 2 and "sample.csv has 1 row, but test.csv has 60 images" in err


def test_a_table_with_pixels_missing_or_of_another_size_is_refused(
    run: Path, table: Path, headstart: Command
) -> None:
    rows = read("test.csv")
    write(Path("cut.csv"), [row[:60] for row in rows])
    status, _, err = headstart("submit", run, "cut.csv")
    assert status == 2 and "60 pixel columns, which do not form a square image" in err
    write(Path("gap.csv"), [row[:5] + row[6:] for row in rows])
    assert "none has the number 5" in headstart("submit", run, "gap.csv")[2]
    write(Path("small.csv"), [row[:49] for row in rows])
    assert (
        "expected greyscale images of 8x8 pixels, as in training, got greyscale images of 7x7"
        in headstart("submit", run, "small.csv")[2]
    )
    write(Path("bright.csv"), [*rows[:3], ["300", *rows[3][1:]]])
    assert (
        "line 4 of bright.csv: invalid pixel0: expected an integer from 0 to 255, got 300"
        in headstart("submit", run, "bright.csv")[2]
    )
    assert "gone.csv does not exist" in headstart("submit", run, "gone.csv")[2]
    Path("photo.png").write_bytes(b"\x89PNG")
    assert "photo.png is one image; expected a table" in headstart("submit", run, "photo.png")[2]
    Path("model.onnx").write_bytes(b"\x08\x0a\xff\0\0")
    assert "model.onnx is not a table" in headstart("submit", run, "model.onnx")[2]
