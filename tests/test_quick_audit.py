"""The quick audit before every training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart import progress
from headstart.api._data import open_data
from headstart.api._quick_audit import quick_audit
from headstart.data import Dataset, SplitDataset, load, make_split


def textured(rng: np.random.Generator, count: int, px: int = 32) -> NDArray[np.uint8]:
    """Return smooth random pictures, which no two are alike."""
    coarse = rng.integers(0, 256, (count, 6, 6, 1)).astype(np.float64)
    rows = np.linspace(0, 4.999, px)
    low, share = rows.astype(int), (rows % 1)[:, None, None]
    tall = coarse[:, low] * (1 - share) + coarse[:, low + 1] * share
    share = (rows % 1)[:, None]
    wide = tall[:, :, low] * (1 - share) + tall[:, :, low + 1] * share
    return wide.astype(np.uint8)


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """Return an .npz with a blank image and a test image that is a brighter training image."""
    rng = np.random.default_rng(0)
    train, test = textured(rng, 60), textured(rng, 20)
    train[5] = 77
    test[3] = np.clip(train[9].astype(float) * 1.08, 0, 255).astype(np.uint8)
    path = tmp_path / "faulty.npz"
    train_labels, test_labels = np.arange(60) % 2, np.arange(20) % 2
    np.savez(path, x_train=train, y_train=train_labels, x_test=test, y_test=test_labels)
    return path


def test_a_line_per_problem_and_what_to_do(
    faulty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    progress.show_progress(True)
    open_data(faulty, {})
    lines = capsys.readouterr().err.splitlines()
    assert lines[-3].startswith("1 nearly uniform image: 000005.")
    assert lines[-2] == "1 test image of 20 has a near copy among the training images."
    assert lines[-1] == f"See them with: headstart audit {faulty}"


def test_the_sentences_are_kept(faulty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load(faulty)
    data = SplitDataset(dataset, make_split(dataset))
    sentences = quick_audit(data)
    assert len(sentences) == 3

    def fail(_: SplitDataset) -> list[str]:
        raise AssertionError("looked again")

    monkeypatch.setattr("headstart.api._quick_audit._look", fail)
    assert quick_audit(data) == sentences
    other = SplitDataset(dataset, make_split(dataset, seed=1))
    assert quick_audit(other) == (), "another split is looked at, and a failure ends no training"


def test_clean_data_have_no_line(digits: Dataset) -> None:
    assert quick_audit(SplitDataset(digits, make_split(digits))) == ()
