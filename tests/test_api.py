"""The Python verbs: the same words and keys as the command line."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import headstart
from headstart import api
from headstart.api._arguments import default_folder
from headstart.api._command_line import command_of
from headstart.cli import app
from headstart.data import SplitDataset
from headstart.errors import InputError


def test_a_pair_of_arrays_is_trained_and_used(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 240)
    images = (rng.integers(0, 60, (240, 8, 8)) + 60 * labels[:, None, None]).astype(np.uint8)
    run = headstart.train((images, labels), model="mlp", epochs=10, out=tmp_path / "run")
    assert run["test"]["accuracy"] > 0.9
    classifier = headstart.load_classifier(tmp_path / "run")
    probabilities = classifier.probabilities(images[:, :, :, None])
    assert probabilities.shape == (240, 3)
    assert (probabilities.argmax(1) == labels).mean() > 0.9


def test_an_unknown_key_is_an_error_here_and_for_type_checkers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'epochs'"):
        headstart.train("digits", model="mlp", epoch=3, out=tmp_path)  # type: ignore[call-arg]


@pytest.mark.parametrize("verb", ["tune", "lr", "labels", "effects"])
@pytest.mark.parametrize("seeds", ["3", 1.5, True, -1])
def test_a_number_of_seeds_that_is_none_is_refused(verb: str, seeds: Any) -> None:
    with pytest.raises(InputError, match="invalid --seeds: expected an integer from 0"):
        getattr(headstart, verb)("digits", seeds=seeds)


def test_default_folders_tell_the_tables_of_two_competitions_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    digits = headstart.load("digits")
    split = headstart.split(digits)
    folders = {}
    for source in ("titanic/train.csv", "zoo/data/train.csv", "zoo/animals.csv"):
        path = tmp_path / source
        data = SplitDataset(replace(digits, name=path.stem, source=str(path)), split)
        folders[source] = default_folder(data, "cnn", "a1b2c3", "seed0").name
    digest = folders["titanic/train.csv"].rpartition("-")[2]
    assert list(folders.values()) == [
        f"titanic-train-cnn-seed0-{digest}",
        f"zoo-train-cnn-seed0-{digest}",
        f"animals-cnn-seed0-{digest}",
    ]

    earlier = Path("runs") / f"train-cnn-seed0-{digest}"
    earlier.mkdir(parents=True)
    path = tmp_path / "titanic/train.csv"
    data = SplitDataset(replace(digits, name=path.stem, source=str(path)), split)
    assert default_folder(data, "cnn", "a1b2c3", "seed0") == earlier, "the same run is found"


@pytest.mark.parametrize(
    ("given", "expected"),
    [("90", 90), ("90s", 90), ("5m", 300), ("1.5h", 5400), (20, 20), (0.5, 0.5)],
)
def test_durations_are_read(given: str | float, expected: float) -> None:
    assert api.seconds(given) == expected


@pytest.mark.parametrize("given", ["", "0", "-5s", "5 days", "m", "nan"])
def test_what_is_not_a_duration_is_refused(given: str) -> None:
    with pytest.raises(InputError, match="expected a positive duration"):
        api.seconds(given)


@pytest.mark.parametrize(
    ("verb", "keys"),
    [
        (
            "compare",
            {
                "models": "mlp,cnn",
                "seeds": 2,
                "time_limit": "none",
                "lr": 0.1,
                "flip": False,
                "train_images": 100,
                "split_seed": 3,
            },
        ),
        (
            "tune",
            {
                "model": "mlp",
                "trials": 3,
                "also": "augmentation",
                "epochs": 2.0,
                "activation": "tanh",
                "split_seed": 1,
            },
        ),
        (
            "lr",
            {
                "model": "mlp",
                "values": "0.1,0.01",
                "optimizer": "adam",
                "seeds": 2,
                "dropout": 0.5,
                "train_images": 90,
            },
        ),
        (
            "effects",
            {
                "model": "cnn",
                "of": "dropout,l2",
                "time_limit": "5m",
                "batch": 64,
                "label_smoothing": 0.1,
            },
        ),
    ],
)
def test_the_recorded_command_is_one_that_the_command_line_accepts(
    verb: str, keys: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    received: dict[str, object] = {}

    def receive(data: str, **given: object) -> dict[str, object]:
        received.update(data=data, **given)
        return {"report": ""}

    monkeypatch.setattr(api, verb, receive)
    command = command_of(verb, "my photos", keys, "out here")
    result = CliRunner().invoke(app, [*shlex.split(command)[1:], "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert {key: received[key] for key in [*keys, "data", "out"]} == {
        **keys,
        "data": "my photos",
        "out": "out here",
    }


def test_a_run_records_the_command_that_repeats_it(tmp_path: Path) -> None:
    headstart.train("digits", model="mlp", epochs=1, train_images=100, out=tmp_path / "run")
    page = headstart.report(tmp_path / "run").read_text()
    options = "--model mlp --seed 0 --epochs 1 --train-images 100"
    assert f"headstart train digits {options} --out {tmp_path}/run" in page
