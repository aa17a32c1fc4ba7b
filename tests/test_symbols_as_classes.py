"""Class names that are formulas, quotes or columns survive every verb that reads a run."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Command = Callable[..., tuple[int, str, str]]

NAMES = ["=", "+", "'=", "''+", "@b", "-1", "correct", "probability:a", "[", ","]


@pytest.fixture
def symbols(tmp_path: Path) -> Path:
    """Return ten class folders with ten images each."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(NAMES):
        folder = tmp_path / "symbols" / name
        folder.mkdir(parents=True)
        for index in range(10):
            pixels = rng.integers(0, 60, (8, 8))
            pixels[number % 8, number // 8 * 4 :] = 220
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index}.png")
    return tmp_path / "symbols"


def test_every_reader_of_a_run_returns_the_names_as_they_are(
    headstart: Command, symbols: Path
) -> None:
    train = ("train", symbols, "--model", "mlp", "--epochs", 8, "--out", "run")
    status, _, err = headstart(*train)
    assert status == 0, err
    for words in (
        ("report", "run"),
        ("verify", "run/report.html"),
        ("doctor", "run"),
        ("explain", "run", symbols / "=" / "0.png"),
    ):
        status, _, err = headstart(*words)
        assert status == 0, err

    paths = [f"symbols/{name}/0.png" for name in NAMES]
    status, _, err = headstart("predict", "run", *paths, "--csv", "predicted.csv")
    assert status == 0, err
    with Path("predicted.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert {name.removeprefix("probability:") for name in header} >= set(NAMES) - {"probability:a"}
    assert {row[1] for row in rows} <= set(NAMES)


def test_a_comparison_of_such_classes_has_a_page_that_verifies(
    headstart: Command, symbols: Path
) -> None:
    words = ("compare", symbols, "--models", "mlp,cnn", "--seeds", 2, "--epochs", 1)
    status, _, err = headstart(*words, "--folds", 2, "--out", "study")
    assert status == 0, err
    status, out, err = headstart("verify", "study/report.html")
    assert status == 0, out + err
