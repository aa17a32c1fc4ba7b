"""A search that is built from the models, for the tests of reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from compare_example import Built, build_comparison
from examples import Data, Example, write_finding

from headstart.results import (
    Comparison,
    ContenderFinding,
    JsonObject,
    Trial,
    TrialRung,
    Tuning,
    TuningProgress,
    read_finding,
)

SPACE: JsonObject = {
    "lr": {"low": 1e-4, "high": 0.1, "log": True},
    "layers": {"low": 1, "high": 4, "log": False},
    "nodes": [32, 64, 128, 256, 512],
    "activation": ["relu", "tanh", "gelu"],
}
DEFAULTS: JsonObject = {"lr": 0.001, "layers": 2, "nodes": 128, "activation": "relu"}
RUNGS = (2.0, 5.0, 16.0)


def build_search(folder: Path, data: Data | None = None, *, seeds: int = 2) -> Path:
    """Write a search of 24 trials, of which two failed, one is unfinished and one is a tie."""
    contenders = (Example("tuned", 0.968), Example("defaults", 0.951))
    built = Built(contenders, data or Data(), seeds, winner="tuned")
    build_comparison(folder, built)
    comparison = read_finding(folder)
    assert isinstance(comparison, Comparison)

    trials = _trials()
    best = next(trial for trial in trials if trial.is_best)
    scores = comparison.contenders[0].test
    shared = {name: getattr(comparison, name) for name in ContenderFinding.model_fields}
    finding = Tuning.model_validate(
        {
            **shared,
            "study": "tune",
            "baselines": (),
            "model": "mlp",
            "best": best.values,
            "defaults": DEFAULTS,
            "run": comparison.contenders[0].runs[0],
            "validation": {"accuracy": 0.971, "loss": 0.2},
            "test": scores,
            "optimism": {
                "best_validation": 0.971,
                "test": 0.968,
                "gap": 0.003,
                "interval": [-0.012, 0.018],
            },
            "trials": trials,
            "history": _history(trials),
            "importance": {"lr": 0.61, "nodes": 0.2, "layers": 0.12, "activation": 0.07},
            "space": SPACE,
            "rungs": [
                {"epochs": epochs, "trials": sum(len(trial.rungs) > rung for trial in trials)}
                for rung, epochs in enumerate(RUNGS)
            ],
            "seconds": {"total": 294.1, "search": 201.0, "final": 93.1},
            "sentences": ["The best of 24 trials.", "The optimism is 0.3 points."],
        }
    )
    return write_finding(folder, finding)


def _trials() -> list[Trial]:
    """Return 24 trials. Trial 0 has the defaults, 5 and 9 failed, and 23 is unfinished."""
    rng = np.random.default_rng(5)
    trials: list[Trial] = []
    for number in range(24):
        values: JsonObject = {
            "lr": float(10 ** rng.uniform(-4, -1)),
            "layers": int(rng.integers(1, 5)),
            "nodes": int(rng.choice([32, 64, 128, 256, 512])),
            "activation": str(rng.choice(["relu", "tanh", "gelu"])),
        }
        reason = {5: "not finite", 9: "memory"}.get(number)
        rungs = 0 if reason else 1 + number % 3
        state = "unfinished" if number == 23 else "done"
        trials.append(
            Trial(
                number=number,
                values=DEFAULTS if number == 0 else values,
                state="failed" if reason else state,
                reason=reason,
                message="infinite at step 40 <b>" if reason == "not finite" else "",
                rungs=tuple(_rung(number, rung) for rung in range(rungs)),
                is_tie=number in (2, 8),
                is_best=number == 2,
                is_default=number == 0,
            )
        )
    return trials


def _rung(number: int, rung: int) -> TrialRung:
    # Trials 2, 5, 8, ... reach the last rung; the loss rises with the number.
    loss = 0.1 + 0.01 * number + 0.3 / (rung + 1)
    return TrialRung(
        epochs=RUNGS[rung],
        loss=loss,
        accuracy=max(0.1, 0.99 - loss / 4),
        seconds=2.0 * RUNGS[rung],
        run=f"runs/trial-{number:04d}-rung{rung}",
    )


def _history(trials: Sequence[Trial]) -> list[TuningProgress]:
    history: list[TuningProgress] = []
    seconds, accuracy, loss = 0.0, 0.0, 9.0
    for rung in range(len(RUNGS)):
        for trial in trials:
            if len(trial.rungs) <= rung:
                continue
            reached = trial.rungs[rung]
            seconds += reached.seconds
            accuracy, loss = max(accuracy, reached.accuracy), min(loss, reached.loss)
            history.append(
                TuningProgress(
                    seconds=seconds,
                    epochs=reached.epochs,
                    best_validation=accuracy,
                    best_loss=loss,
                    trial=trial.number,
                )
            )
    return history
