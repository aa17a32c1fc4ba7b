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
from headstart.deploy import open_model, predict
from headstart.errors import InputError, ResourceError
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


def test_a_csv_holds_all_classes_and_a_formula_only_without_safe_cells(
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
    assert Path("bare.csv").read_text().splitlines()[1].startswith("=HYPERLINK(A1).png,0,")
    assert headstart("predict", run, hostile, "--csv", "safe.csv", "--safe-cells")[0] == 0
    assert Path("safe.csv").read_text().splitlines()[1].startswith("'=HYPERLINK(A1).png,0,")


def test_skip_bad_predicts_the_other_images_and_counts_the_damaged_ones(
    run: Path, headstart: Command, tmp_path: Path
) -> None:
    paths = sorted((tmp_path / "shown").iterdir())
    expected = json.loads(headstart("predict", run, "shown", "--json")[1])["predictions"]
    for path in (paths[0], paths[7]):
        path.write_bytes(b"")
    status, _, err = headstart("predict", run, "shown")
    assert status == 2 and "2 of 30 images cannot be used" in err and "--skip-bad" in err

    options = ("--csv", "some.csv", "--figure", "some.png")
    status, out, err = headstart("predict", run, "shown", "--skip-bad", "--json", *options)
    result = json.loads(out)
    assert status == 0 and "left out 2 of 30 images, which cannot be read:" in err
    assert result["predictions"] == [row for row in expected if expected.index(row) not in (0, 7)]
    assert result["unreadable"] == [
        {"image": f"shown/{path.name}", "reason": "is empty (0 bytes)"}
        for path in (paths[0], paths[7])
    ]
    assert len(Path("some.csv").read_text().splitlines()) == 29
    out = headstart("predict", run, "shown", "--skip-bad")[1]
    assert "cannot be read: 2 further images." in " ".join(out.split())
    status, _, err = headstart("predict", run, paths[0], "--skip-bad")
    assert status == 2 and "is empty" in err


def test_skip_bad_does_not_leave_out_files_that_the_system_cannot_read(
    run: Path, tmp_path: Path
) -> None:
    good = next((tmp_path / "shown").iterdir())
    sources = [good, tmp_path / "gone.png"]
    with pytest.raises(ResourceError, match=r"gone.png cannot be read.* damaged images only"):
        predict(open_model(run), sources, ["good.png", "gone.png"], skip_bad=True)


def test_inverted_images_are_flagged_and_ordinary_ones_are_not(
    run: Path, digits: Dataset, digits_split: Split
) -> None:
    model = open_model(run)
    images = digits.images[digits_split.test]
    ordinary, inverted = model.predict(images), model.predict(255 - images)
    assert ordinary.has_odd_brightness is not None and inverted.has_odd_brightness is not None
    assert ordinary.has_odd_brightness.mean() < 0.01
    assert inverted.has_odd_brightness.mean() > 0.95
    assert inverted.is_out_of_distribution is not None
    assert (inverted.is_out_of_distribution >= inverted.has_odd_brightness).all()


def test_outputs_never_replace_inputs(run: Path, headstart: Command, tmp_path: Path) -> None:
    image = sorted((tmp_path / "shown").iterdir())[0]
    before = image.read_bytes()
    for option in ("--csv", "--figure"):
        status, _, err = headstart("predict", run, "shown", option, image)
        assert status == 2 and f"invalid {option}: {image} is an input" in err
    status, _, err = headstart("predict", run, "shown", "--csv", run / "predictions.csv")
    assert status == 2 and "is a file of a run or study and would be overwritten" in err
    assert image.read_bytes() == before


def test_a_table_or_a_pattern_is_answered_with_the_next_step(run: Path, headstart: Command) -> None:
    Path("test.csv").write_text("path\nshown/a.png\n")
    status, _, err = headstart("predict", run, "test.csv")
    assert status == 2 and "headstart submit RUN test.csv" in err
    status, _, err = headstart("predict", run, "shown/*.png")
    assert status == 2 and "it is a pattern" in err and "pass the folder: shown" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere", "a.png"], "nowhere does not exist"),
        ([], "RUN is missing"),
        (["run"], "no images given"),
        (["run", "gone.png"], "gone.png does not exist"),
        (["run", "https://a.org/1.png"], "https://a.org/1.png is a URL, and URLs are not"),
        (
            ["run", "shown", "--top", "0"],
            "invalid --top: expected a number of classes from 1, got 0",
        ),
        (
            ["run", "shown", "--top", "-3"],
            "invalid --top: expected a number of classes from 1, got -3",
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


def test_coverage_adds_a_set_of_classes_to_each_prediction(run: Path, headstart: Command) -> None:
    status, out, err = headstart("predict", run, "shown", "--coverage", 0.95, "--json")
    result = json.loads(out)
    assert status == 0, err
    assert (result["coverage"], result["calibration"]["images"]) == (0.95, 270)
    assert result["calibration"]["groups"] is None
    thresholds = result["calibration"]["thresholds"]
    assert list(thresholds) == [str(number) for number in range(10)]
    low, high = result["calibration"]["coverage_interval"]
    assert low < 0.95 < high
    for row in result["predictions"]:
        probabilities = row["probabilities"]
        likely = {name for name, value in probabilities.items() if value >= thresholds[name]}
        assert set(row["set"]) == likely | {row["label"]} and row["set"][0] == row["label"]
        assert row["uncertain"] == (len(row["set"]) > 1 or row["unfamiliar"])


def test_a_set_may_have_more_classes_than_the_table_shows(run: Path, headstart: Command) -> None:
    status, out, err = headstart("predict", run, "shown", "--coverage", 0.996, "--top", 1)
    assert status == 0, err
    assert ", " in out, "a set with several classes"


def test_a_higher_coverage_gives_larger_sets_and_more_uncertain_images(
    run: Path, headstart: Command
) -> None:
    sizes = []
    for coverage in (0.9, 0.99, 0.996):
        predictions = package.predict(run, "shown", coverage=coverage)["predictions"]
        sizes.append(sum(len(row["set"]) for row in predictions))
    assert 30 <= sizes[0] <= sizes[1] < sizes[2]
    _, out, _ = headstart("predict", run, "shown", "--coverage", 0.996, "--csv", "sets.csv")
    words = " ".join(out.split())
    assert "99.6% set" in words and "images like the 270 validation images" in words
    assert "Uncertain, with several classes in the set" in words
    with Path("sets.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0][:5] == ["image", "label", "unfamiliar", "set", "uncertain"]
    assert any(" | " in row[3] and row[4] == "yes" for row in rows[1:])


@pytest.mark.parametrize(
    ("coverage", "message"),
    [
        (95, "expected a number from 0.5 to below 1, got 95.0"),
        (1, "expected a number from 0.5 to below 1, got 1.0"),
        ("nan", "expected a number from 0.5 to below 1, got nan"),
        (0.999, "expected a run with 999 validation images or more, got 270."),
        (0.9999, "\n  Use --coverage 0.996 or less"),
    ],
)
def test_a_coverage_that_the_run_does_not_support_is_refused(
    run: Path, headstart: Command, coverage: object, message: str
) -> None:
    status, out, err = headstart("predict", run, "shown", "--coverage", coverage)
    assert (status, out) == (2, "") and message in err


def test_the_sets_of_an_earlier_classifier_come_from_its_predictions(
    run: Path, headstart: Command
) -> None:
    def thresholds() -> dict[str, float]:
        calibration = package.predict(run, "shown", coverage=0.95)["calibration"]
        assert calibration is not None
        return dict(calibration["thresholds"])

    new = thresholds()
    path = run / "classifier.json"
    content = json.loads(path.read_text())
    del content["set_scores"]
    path.write_text(json.dumps(content))
    (run / "manifest.json").unlink()  # earlier versions wrote no seal
    assert thresholds() == pytest.approx(new, abs=1e-4)

    (run / "predictions.csv").unlink()
    status, _, err = headstart("predict", run, "shown", "--coverage", 0.95)
    assert status == 2 and "needs the scores of validation images" in err
    assert "headstart train --repeat" in err
