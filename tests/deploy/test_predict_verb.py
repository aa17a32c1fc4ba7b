"""`headstart predict` and `headstart.predict`: JSON, tables, CSV files and figures."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import headstart as package
from headstart.data import Dataset, Split, SplitDataset
from headstart.errors import InputError
from headstart.models.recipes import make_recipe
from headstart.training import TrainingJob, train

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def trained(data: tuple[Dataset, Split], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(
        TrainingJob(make_recipe("mlp", {"epochs": 20, "nodes": 64}), SplitDataset(*data), 0, folder)
    )
    return folder


@pytest.fixture
def run(trained: Path, digits: Dataset, digits_split: Split, tmp_path: Path) -> Path:
    """A run on digits, and 30 of them as files in `shown/`."""
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "shown").mkdir()
    for row in digits_split.test[:30]:
        Image.fromarray(digits.images[row, :, :, 0]).save(
            tmp_path / "shown" / f"{digits.labels[row]}-{row}.png"
        )
    return tmp_path / "run"


def test_json_has_every_image_with_all_classes_the_most_probable_first(
    run: Path, headstart: Command
) -> None:
    status, out, err = headstart("predict", run, "shown", "--json")
    result = json.loads(out)["predictions"]
    assert status == 0, err
    assert len(result) == 30
    correct = sum(row["label"] == Path(row["image"]).name[0] for row in result)
    assert correct >= 27
    for row in result:
        probabilities = list(row["probabilities"].values())
        assert len(probabilities) == 10 and probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1, abs=1e-4)
        assert next(iter(row["probabilities"])) == row["label"]


def test_the_table_shows_bars_for_the_top_classes_and_flags_noise(
    run: Path, headstart: Command, tmp_path: Path
) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (40, 8, 8)).astype(np.uint8)
    (tmp_path / "noise").mkdir()
    for number, image in enumerate(noise):
        Image.fromarray(image).save(tmp_path / "noise" / f"{number:02}.png")
    status, out, _ = headstart("predict", run, "shown", "--top", 2)
    assert status == 0
    assert "█" in out and out.count("%") == 60
    _, out, _ = headstart("predict", run, "shown", "noise", "--top", 1)
    assert "unlike the training data" in out
    assert "30 more images. For all of them: --csv FILE or --json" in out


def test_an_image_is_read_from_standard_input(
    run: Path, headstart: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sorted((tmp_path / "shown").iterdir())[0]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    status, out, _ = headstart("predict", run, "-", "--json", "--top", 3, "--figure", "one.png")
    (result,) = json.loads(out)["predictions"]
    assert status == 0
    assert (result["image"], result["label"], len(result["probabilities"])) == (
        "standard input",
        "0",
        3,
    )
    with Image.open("one.png") as drawn:
        assert drawn.height > 300


def test_a_csv_holds_all_classes_and_no_formula(
    run: Path, headstart: Command, tmp_path: Path
) -> None:
    assert headstart("predict", run, "shown", "--csv", "result.csv")[0] == 0
    with Path("result.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["image", "label", "unfamiliar", *map(str, range(10))]
    assert len(rows) == 31 and {row[2] for row in rows[1:]} <= {"yes", "no"}
    hostile = "=HYPERLINK(A1).png"
    sorted((tmp_path / "shown").iterdir())[0].rename(tmp_path / hostile)
    assert headstart("predict", run, hostile, "--csv", "bare.csv")[0] == 0
    assert Path("bare.csv").read_text().splitlines()[1].startswith("'=HYPERLINK(A1).png,0,")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere", "a.png"], "nowhere is not a run folder"),
        ([], "RUN is missing"),
        (["run"], "no images given"),
        (["run", "gone.png"], "gone.png does not exist"),
        (
            ["run", "shown", "--top", "0"],
            "invalid --top: expected a number of classes from 1, got 0",
        ),
        (["run", "shown", "--figure", "a.doc"], "ends in .png or .svg"),
        (["--onnx", "run", "shown"], "invalid --onnx: expected an .onnx file, got run"),
        (["shown", "shown"], "holds no classifier.json"),
        (
            ["run/model.safetensors", "shown"],
            "model.safetensors: expected a run folder or an .onnx file, got another file",
        ),
    ],
)
def test_invalid_input_is_reported_with_status_2(
    words: list[str], message: str, run: Path, headstart: Command
) -> None:
    status, out, err = headstart("predict", *words)
    assert (status, out) == (2, "")
    assert message in err


def test_the_error_distinguishes_unfinished_runs_from_removed_weights(
    run: Path, headstart: Command
) -> None:
    (run / "classifier.json").unlink()
    assert "weights were removed" in headstart("predict", run, "shown")[2]
    (run / "metrics.json").unlink()
    assert "not finished" in headstart("predict", run, "shown")[2]


def test_python_accepts_a_path_bytes_or_an_array(
    run: Path, digits: Dataset, tmp_path: Path
) -> None:
    path = sorted((tmp_path / "shown").iterdir())[3]
    row = int(path.stem.split("-")[1])
    by_path = package.predict(run, path)
    by_bytes = package.predict(str(run), path.read_bytes())
    by_array = package.predict(run, digits.images[row])
    probabilities = [
        result["predictions"][0]["probabilities"] for result in (by_path, by_bytes, by_array)
    ]
    assert probabilities[0] == probabilities[1] == probabilities[2]
    assert len(package.predict(run, [path, path])["predictions"]) == 2


def test_pixels_on_another_scale_are_refused(run: Path, digits: Dataset) -> None:
    others: list[Any] = [digits.images[:2] / 255, digits.images[:2].astype(int)]
    for images in others:
        with pytest.raises(InputError, match=r"expected uint8 from 0 to 255, got (float64|int64)"):
            package.predict(run, images)
        with pytest.raises(InputError, match=r"expected uint8 from 0 to 255, got (float64|int64)"):
            package.load_classifier(run).probabilities(images)
    with pytest.raises(InputError, match="no images given"):
        package.predict(run, digits.images[:0])
