"""Terminals without UTF-8: characters are replaced, and no command ends."""

from __future__ import annotations

import io
import json
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.cli import main

CLASSES = {"B\u00e4r", "\u72d7", "a\u2014b"}


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("headstart.cli.signals.end_on_signals", lambda _: nullcontext())
    generator = np.random.default_rng(0)
    for name in CLASSES:
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for number in range(8):
            pixels = generator.integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "photos"


def run(monkeypatch: pytest.MonkeyPatch, encoding: str, *words: str) -> tuple[int, bytes, bytes]:
    """Run the command line on a terminal of this encoding: status, stdout and stderr."""
    out, err = io.BytesIO(), io.BytesIO()
    monkeypatch.setattr(sys, "argv", ["headstart", *words])
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding, write_through=True))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(err, encoding, write_through=True))
    status = 0
    try:
        main()
    except SystemExit as end:
        status = int(end.code or 0)
    return status, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_every_verb_ends_well_where_the_terminal_lacks_characters(
    encoding: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = ("train", "photos", "--model", "mlp", "--epochs", "1", "--out", "run")
    for words in (
        train,
        ("predict", "run", "photos"),
        ("submit", "run", "photos"),
        ("runs", "."),
        ("report", "run"),
    ):
        status, _, err = run(monkeypatch, encoding, *words)
        assert status == 0, (words, err.decode(encoding))
        assert b"Traceback" not in err and b"PYTHONIOENCODING" not in err

    status, out, _ = run(monkeypatch, encoding, "predict", "run", "photos", "--json")
    predictions = json.loads(out.decode("ascii"))["predictions"]
    assert status == 0 and set(predictions[0]["probabilities"]) == CLASSES


def test_an_error_names_a_path_as_far_as_the_terminal_can(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, _, err = run(monkeypatch, "ascii", "train", "\u72d7")
    assert status == 2 and b"? does not exist" in err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse names that are not UTF-8")
def test_names_that_are_not_utf_8_are_refused_in_outputs(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = ("train", "photos", "--model", "mlp", "--epochs", "1", "--out")
    status, _, err = run(monkeypatch, "utf-8", *train, "run-\udce4")
    assert status == 2 and rb"the name 'run-\udce4' is not UTF-8" in err
    assert not Path("run-\udce4").exists()

    assert run(monkeypatch, "utf-8", *train, "run")[0] == 0
    unnamed = Path("images")
    unnamed.mkdir()
    Image.new("L", (8, 8)).save(unnamed / "B\udce4r.png")
    status, _, err = run(monkeypatch, "utf-8", "submit", "run", "images", "--out", "s.csv")
    assert status == 2 and rb"'B\udce4r' is not UTF-8, so it cannot be written" in err
    assert run(monkeypatch, "ascii", "predict", "run", "images")[0] == 0
    status, _, err = run(monkeypatch, "utf-8", "export", "run", "--out", "\udce4.onnx")
    assert status == 2 and rb"the name '\udce4.onnx' is not UTF-8" in err
    assert not Path("\udce4.onnx").exists()


@pytest.mark.parametrize("encoding", ["ascii", "iso8859-1"])
def test_a_locale_without_utf_8_never_changes_class_names(
    encoding: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.getfilesystemencoding", lambda: encoding)
    status, _, err = run(monkeypatch, "utf-8", "train", "photos", "--out", "run")
    assert status == 2
    assert f"this locale reads them as {encoding} instead of UTF-8.".encode() in err
    assert b"PYTHONUTF8=1 headstart" in err
