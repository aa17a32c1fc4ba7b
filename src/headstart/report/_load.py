"""What a study or a run left on disk, read into one shape, so that one page fits both."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import store


class Facts(dict[str, Any]):
    """A JSON object in which an absent key reads as None: most of what a page shows may be missing."""

    def __missing__(self, key: str) -> None:
        return None


def facts(json: Any) -> Any:
    """`json` with every object in it turned into `Facts`."""
    if isinstance(json, dict):
        return Facts({key: facts(value) for key, value in json.items()})
    return (
        [facts(one) for one in json]
        if isinstance(json, list) and json and isinstance(json[0], dict)
        else json
    )


Curves = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Run:
    """One run folder: its metrics and recipe as written, its curves by column (missing values are NaN; none when absent)."""

    folder: Path
    metrics: Facts
    recipe: Facts
    curves: Curves


@dataclass(frozen=True)
class Entry:
    """One contender or control.

    Attributes:
        place: its number among the contenders, which decides its accent; None for a control.
        score: accuracy, interval, n, macro_f1 and per_seed on the part that judges; any may be absent.
        shown: the run that stands for it where only one can be drawn; None when its folder is gone.
    """

    name: str
    place: int | None
    facts: Facts
    score: Facts
    runs: tuple[Run, ...]
    shown: Run | None


@dataclass(frozen=True)
class Study:
    """A finding and the runs behind it. `part` is what judged: "test", or "validation" where no test images were set aside."""

    folder: Path
    facts: Facts
    entries: tuple[Entry, ...]
    class_names: tuple[str, ...]
    part: str

    @property
    def contenders(self) -> tuple[Entry, ...]:
        """The entries that compete, in the order of the finding."""
        return tuple(entry for entry in self.entries if entry.place is not None)


def read_study(folder: Path) -> Study:
    """Read `folder/finding.json` and the runs it names.

    Raises:
        InputError: the finding is missing or is no JSON. A missing run folder or file is no error: the page says what is absent.
    """
    return _study(folder, facts(store.read_json(folder / "finding.json")))


def read_run(folder: Path) -> Study:
    """Read one run folder as a study of one contender without a verdict.

    Raises:
        InputError: `metrics.json` is missing or is no JSON: the run is unfinished, or this is no run folder.
    """
    metrics = facts(store.read_json(folder / "metrics.json"))
    recipe, data = (_optional(folder / f"{name}.json") for name in ("recipe", "data"))
    data.setdefault("name", folder.name)
    versions = _optional(folder / "environment.json")
    entry = {
        **metrics,
        "name": metrics.get("model", folder.name),
        "role": "contender",
        "recipe": recipe["recipe"] or recipe,
        "runs": ["."],
        "representative_run": ".",
        "epochs": [metrics["epochs"]],
    }
    seeds = [metrics["seed"]] if "seed" in metrics else []
    return _study(
        folder,
        facts(
            {
                "study": "train",
                "headstart": versions["headstart"],
                "dataset": data,
                "contenders": [entry],
                "budget": {
                    "seeds": seeds,
                    "seconds_spent": (metrics["seconds"] or Facts())["total"],
                },
                "command": metrics["command"] or data["command"],
            }
        ),
    )


def finished(trials: list[Facts]) -> list[Facts]:
    """The trials with a score, best first: those that went further, then those with the lower loss at their last rung."""
    scored = [
        trial
        for trial in trials
        if trial["rungs"]
        and trial["state"] != "failed"
        and np.isfinite(trial["rungs"][-1]["loss"] or np.nan)
    ]
    return sorted(
        scored,
        key=lambda trial: (
            -trial["rungs"][-1]["epochs"],
            trial["rungs"][-1]["loss"],
            trial["number"],
        ),
    )


def environment(study: Study) -> Facts:
    """Versions and machine of the first run that recorded them."""
    found = (
        _optional(run.folder / "environment.json") for entry in study.entries for run in entry.runs
    )
    return next(filter(None, found), Facts())


def _study(folder: Path, finding: Facts) -> Study:
    compared = _compared(finding)
    part = finding["judged_on"] or (
        "test" if any(one["test"] for one, _ in compared) else "validation"
    )
    data = finding["dataset"]
    data["counts"] = data["counts"] or {
        name: one["images"] for name, one in (data["parts"] or {}).items()
    }
    entries = [_entry(folder, one, part, place) for one, place in compared]
    return Study(folder, finding, tuple(entries), _class_names(finding, entries), part)


def _compared(finding: Facts) -> list[tuple[Facts, int | None]]:
    """What the finding compares, each with its place: contenders and controls; or rates; or a baseline and its changes.

    Of rates, the good ones share the first accent. Changes that help have the first, those that hurt the second.
    """
    if finding["rates"] is not None:
        return [
            (
                _named(f"{rate['lr']:g}", rate, rate),
                0 if rate["as_good"] or rate["is_best"] else None,
            )
            for rate in finding["rates"]
        ]
    if finding["effects"] is not None:
        part, baseline = finding["judged_on"] or "validation", finding["baseline"] or Facts()
        places = {"helps": 0, "hurts": 1}
        return [(_named("baseline", baseline, Facts({part: baseline})), None)] + [
            (_named(one["label"], one, Facts({part: one})), places.get(one["kind"]))
            for one in finding["effects"]
        ]
    is_contender = [one.get("role", "contender") == "contender" for one in finding["contenders"]]
    return [
        (one, sum(is_contender[:number]) if is_contender[number] else None)
        for number, one in enumerate(finding["contenders"])
    ]


def interval(spread: Facts) -> list[float] | None:
    """The two ends of a spread over seeds; None where one seed has none."""
    return (
        None if spread["low"] is None or spread["high"] is None else [spread["low"], spread["high"]]
    )


def _named(name: str, written: Facts, scores: Facts) -> Facts:
    """`written` in the shape of a contender: with a name, and its spreads over seeds as a score a part."""
    out = Facts({**written, "name": name})
    for part in ("test", "validation"):
        accuracy, loss = ((scores[part] or Facts())[key] for key in ("accuracy", "loss"))
        out[part] = accuracy and Facts(
            accuracy=accuracy["mean"],
            interval=interval(accuracy),
            per_seed=accuracy["per_seed"],
            loss=(loss or Facts())["mean"],
        )
    return out


def _entry(folder: Path, written: Facts, part: str, place: int | None) -> Entry:
    runs = {name: run for name in written["runs"] or [] if (run := _run(folder / name))}
    shown = runs.get(written["representative_run"]) or next(iter(runs.values()), None)
    seen = (shown.metrics.get(part) or {}) if shown else {}
    own = {key: value for key, value in (written[part] or {}).items() if value is not None}
    score = Facts({key: seen.get(key) for key in ("accuracy", "interval", "n", "macro_f1")} | own)
    if not score["per_seed"]:
        score["per_seed"] = [
            run.metrics[part]["accuracy"] for run in runs.values() if run.metrics.get(part)
        ]
    return Entry(written["name"], place, written, score, tuple(runs.values()), shown)


def _run(folder: Path) -> Run | None:
    """The run in `folder`; one that ended early may have curves and no metrics. None when it left neither."""
    metrics, curves = _optional(folder / "metrics.json"), _curves(folder / "curves.csv")
    return (
        Run(folder, metrics, _optional(folder / "recipe.json"), curves)
        if metrics or curves
        else None
    )


def _curves(path: Path) -> Curves:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return (
        {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}
        if rows
        else {}
    )


def _optional(path: Path) -> Facts:
    return Facts(facts(store.read_json(path))) if path.is_file() else Facts()


def _class_names(finding: Facts, entries: list[Entry]) -> tuple[str, ...]:
    if names := finding["dataset"]["class_names"]:
        return tuple(str(name) for name in names)
    confusion = next(
        (
            found
            for entry in entries
            if entry.shown and (found := confusion_of(entry.shown)) is not None
        ),
        None,
    )
    return tuple(str(number) for number in range(0 if confusion is None else len(confusion)))


def confusion_of(run: Run, part: str | None = None) -> NDArray[np.int64] | None:
    """`(K, K)` counts, rows true classes; of `part`, or of test and else validation. None when the run has none."""
    scores = (
        run.metrics.get(part) if part else run.metrics.get("test") or run.metrics.get("validation")
    )
    return np.asarray(scores["confusion"], np.int64) if scores and scores.get("confusion") else None
