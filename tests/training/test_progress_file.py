"""The record of an unfinished run that others may watch."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headstart.errors import ResourceError
from headstart.results import RunProgress, read_progress
from headstart.training import _progress_file, read_curves
from headstart.training._progress_file import ProgressFile, remove_progress

MEASURED = ("epoch", "seconds", "learning_rate", "train_loss", "train_accuracy", "validation_loss")


def state(done: int, curve: int) -> Any:
    plan = SimpleNamespace(done=done, steps=80, epochs=done / 10)
    row: dict[str, float | None] = dict.fromkeys(MEASURED, 1.0)
    row["validation_accuracy"] = None
    return SimpleNamespace(plan=plan, seconds=2.0 * done, curve=[row] * curve)


def test_the_record_has_the_progress_and_the_curve_until_the_results_are_complete(
    tmp_path: Path,
) -> None:
    file = ProgressFile(tmp_path)
    file.write_if_due(state(1, 0))
    assert list(tmp_path.iterdir()) == [], "a run of less than a second leaves no record"

    file.write(state(20, 2))
    progress = read_progress(tmp_path)
    assert progress == RunProgress(step=20, steps=80, epochs=2.0, seconds=40.0)
    assert progress is not None and progress.seconds_left == 120.0
    assert len(read_curves(tmp_path)["epoch"]) == 2

    (tmp_path / "progress.json").write_text("{")
    assert read_progress(tmp_path) is None
    remove_progress(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["curves.csv"]


def test_a_failure_to_write_the_record_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ResourceError("no space left.")

    monkeypatch.setattr(_progress_file, "write_curves", fail)
    monkeypatch.setattr(_progress_file, "_SHORTEST_SECONDS", 0.0)
    file = ProgressFile(tmp_path)
    file.write_if_due(state(20, 2))
    monkeypatch.undo()
    monkeypatch.setattr(_progress_file, "_SHORTEST_SECONDS", 0.0)
    file.write_if_due(state(30, 3))
    assert list(tmp_path.iterdir()) == []
