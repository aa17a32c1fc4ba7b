"""What the finished runs of a comparison say: the content of `finding.json`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.errors import RunFailed
from headstart.evaluation import (
    BaselineResult,
    accuracy_difference,
    accuracy_interval,
    baseline_sentence,
    verdict,
    wilson_interval,
)
from headstart.models.recipes import Recipe
from headstart.training import read_correct, read_metrics

CONTROL = " (random weights)"  # behind the name of a contender


@dataclass
class Entry:
    """A contender, or the control of a backbone, and what its runs left."""

    name: str
    role: str
    recipe: Recipe
    seeds: tuple[int, ...]
    run_seconds: float | None = None  # each run's share of the time
    prepare_seconds: float = 0.0
    runs: dict[int, Path] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def make_finding(
    entries: list[Entry],
    floors: list[BaselineResult],
    time_limit: float | None,
    part: str,
    folder: Path,
) -> dict[str, Any]:
    """What the finished runs of a comparison say.

    Args:
        part: the images that judge, "test" or "validation".

    Raises:
        RunFailed: no contender finished.
    """
    done = [entry for entry in entries if entry.runs]
    correct = {
        entry.name: np.stack([read_correct(path, part) for path in entry.runs.values()])
        for entry in done
    }
    contenders = {entry.name: correct[entry.name] for entry in done if entry.role == "contender"}
    if not contenders:
        raise RunFailed(
            "no contender finished: "
            + "; ".join(failure for entry in entries for failure in entry.failures)
        )
    notes = [
        sentence
        for name, right in contenders.items()
        for floor in floors
        if (sentence := baseline_sentence(name, right, floor, part=part))
    ]
    notes += _worth_of_pretraining(entries, correct)
    notes += [
        f"{entry.name} saw less than one epoch in the time it had: this says little about it."
        for entry in done
        if entry.role == "contender"
        and min(read_metrics(path)["epochs"] for path in entry.runs.values()) < 1
    ]
    notes += [
        f"{entry.name} failed with {len(entry.failures)} of {len(entry.seeds)} seeds; only the others count."
        for entry in done
        if entry.failures
    ]
    if part == "validation":
        notes.append("Judged on validation images: the split has no test images.")
    first = next((entry for entry in entries if entry.run_seconds is not None), entries[0])
    share = (
        None
        if first.run_seconds is None
        else round(first.prepare_seconds + first.run_seconds * len(first.seeds), 1)
    )
    return {
        "budget": {
            "time_limit": time_limit,
            "seeds": list(first.seeds),
            "seconds_per_contender": share,
        },
        "contenders": [_contender(entry, correct[entry.name], part, folder) for entry in done],
        "failed": [
            {"name": entry.name, "failures": entry.failures} for entry in entries if entry.failures
        ],
        "floors": [
            {
                "name": floor.name,
                "accuracy": floor.accuracy,
                "n": len(floor.correct),
                "note": floor.note,
                "interval": list(wilson_interval(int(floor.correct.sum()), len(floor.correct))),
            }
            for floor in floors
        ],
        "verdict": {**verdict(contenders, part=part).as_json(), "notes": notes},
        "judged_on": part,
        "test_reads": sum(len(entry.runs) for entry in entries) if part == "test" else 0,
    }


def _contender(entry: Entry, correct: NDArray[np.bool_], part: str, folder: Path) -> dict[str, Any]:
    metrics = [read_metrics(path) for path in entry.runs.values()]
    runs = [os.path.relpath(path, folder) for path in entry.runs.values()]

    def mean(part: str, key: str) -> float:
        return float(np.mean([one[part][key] for one in metrics]))

    def scores(name: str) -> dict[str, Any] | None:
        if metrics[0][name] is None:
            return None
        each = [one[name]["accuracy"] for one in metrics]
        interval = accuracy_interval(correct) if name == part else None
        return {
            "accuracy": float(np.mean(each)),
            "interval": None if interval is None else list(interval),
            "n": metrics[0][name]["n"],
            "loss": mean(name, "loss"),
            "macro_f1": mean(name, "macro_f1"),
            "per_seed": each,
        }

    best = int(
        np.argsort([one[part]["accuracy"] for one in metrics])[len(metrics) // 2]
    )  # the median run stands for all
    return {
        "name": entry.name,
        "role": entry.role,
        "model": entry.recipe.model,
        "recipe": metrics[0]["resolved"],
        "recipe_hash": entry.recipe.digest,
        "parameters": metrics[0]["parameters"],
        "trainable_parameters": metrics[0]["trainable_parameters"],
        "multiply_adds": metrics[0]["multiply_adds"],
        "epochs": [one["epochs"] for one in metrics],
        "seconds": {
            "train": round(
                entry.prepare_seconds
                + sum(one["seconds"]["train"] - one["seconds"]["prepare"] for one in metrics),
                3,
            ),
            "prepare": round(entry.prepare_seconds, 3),
            "total": round(
                entry.prepare_seconds
                + sum(one["seconds"]["total"] - one["seconds"]["prepare"] for one in metrics),
                3,
            ),
        },
        "predict_ms_per_image": float(np.mean([one["predict_ms_per_image"] for one in metrics])),
        "test": scores("test"),
        "validation": scores("validation"),
        "runs": runs,
        "representative_run": runs[best],
        "seeds": list(entry.runs),
        "warnings": sorted({warning for one in metrics for warning in one["warnings"]})
        + entry.failures,
    }


def _worth_of_pretraining(entries: list[Entry], correct: dict[str, NDArray[np.bool_]]) -> list[str]:
    """Rule 4: what the ImageNet weights add over the same backbone from random weights."""
    found = []
    for control in entries:
        name = control.name.removesuffix(CONTROL)
        if control.role != "control" or name not in correct or control.name not in correct:
            continue
        result = accuracy_difference(correct[name], correct[control.name][:1], 0.05)
        low, high = result.interval
        found.append(
            f"ImageNet weights against one draw of random weights in the same {'frozen ' if control.recipe.on_features else ''}"
            f"backbone{'' if control.recipe.on_features else ', all of it learning'}: "
            f"{100 * result.difference:+.1f} points (95% interval {100 * low:+.1f} to {100 * high:+.1f})."
        )
    return found
