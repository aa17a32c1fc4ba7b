"""A folder to watch: finished and unfinished runs and studies, and a damaged one."""

from __future__ import annotations

import json
import math
from pathlib import Path

from compare_example import TWO_AND_A_CONTROL, Built, build_comparison
from examples import Data, Example, write_run

from headstart import store
from headstart.results import PROGRESS_FILE, RunProgress
from headstart.training._curve import CurveRow, write_curves

RECIPE = {"model": "cnn", "lr": 0.1, "batch": 64, "optimizer": "muon", "epochs": 40.0}
COMMAND = "headstart train digits --seed 1"


def begin_run(folder: Path, *, epochs: int, lr: float = 0.1, seed: int = 1) -> Path:
    """Write what a run has in its folder after some of 40 epochs, and return the folder."""
    identity = {"recipe": {**RECIPE, "lr": lr}, "digest": "ab", "dataset": "cd", "split": "ef"}
    store.write_json(folder / "recipe.json", {**identity, "seed": seed})
    store.write_json(folder / "data.json", {"name": "digits", "source": "digits"})
    if epochs:
        progress = RunProgress(step=20 * epochs, steps=800, epochs=epochs, seconds=3.0 * epochs)
        store.write_json(folder / PROGRESS_FILE, progress.as_json())
        write_curves(folder, [curve_row(epoch) for epoch in range(1, epochs + 1)])
    return folder


def curve_row(epoch: int) -> CurveRow:
    """Return a plausible row of a curve."""
    error = 0.6 * math.exp(-epoch / 5) + 0.02
    return {
        "epoch": epoch,
        "seconds": 3.0 * epoch,
        "learning_rate": 0.1,
        "train_loss": 2 * error,
        "train_accuracy": 1 - 0.8 * error,
        "validation_loss": 2.2 * error,
        "validation_accuracy": 1 - error,
    }


def build_watched(root: Path) -> Path:
    """Write the whole example, and return the folder.

    `growing` and `search` can be resumed; nobody holds their locks.
    """
    data = Data(images=40)
    write_run(root / "single", Example("cnn", 0.95), data)
    write_run(root / "other" / "pretrained", TWO_AND_A_CONTROL[1], data, noise=1)
    build_comparison(root / "compared", Built(data=data, seeds=1))
    store.record_command(begin_run(root / "growing", epochs=12), COMMAND)

    search = root / "search"
    store.write_json(search / "study.json", {"study": "tune", "time_limit": 600.0})
    store.record_command(search, "headstart tune digits --time-limit 10m")
    for number in range(4):
        trial = search / "runs" / f"trial-{number:04d}-rung0"
        write_run(trial, Example("cnn", 0.85 + 0.03 * number), data, noise=number)
    begin_run(search / "runs" / "trial-0004-rung0", epochs=3, lr=0.02)

    begin_run(root / "damaged", epochs=2)
    (root / "damaged" / "metrics.json").write_text(json.dumps({"schema_version": 1}))
    return root
