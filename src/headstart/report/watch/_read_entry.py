"""The entry of one folder, from its files. A damaged folder becomes an entry that says so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headstart import store
from headstart.errors import HeadstartError, InputError
from headstart.formatting import flat_settings, training_length
from headstart.report.watch._entry import Entry, Score
from headstart.report.watch._resume import read_own_command
from headstart.report.watch._scan import FolderOnDisk
from headstart.results import (
    BackboneRanking,
    Comparison,
    Effects,
    Finding,
    FitFinding,
    LabelCurves,
    LearningRates,
    ListedScores,
    Tuning,
    read_finding,
    read_listed_run,
    read_progress,
)
from headstart.training import read_curves

_STEPS_OF_TRAINING = 0.98  # of the work of a run; the rest is its evaluation


@dataclass(frozen=True)
class Reading:
    """The content of the files of a folder.

    Attributes:
        entry: The entry, without what depends on other folders.
        planned_runs: Number of runs of a study; None where its files do not tell it.
        time_limit: Time limit of a study in seconds; None for none.
        spent: For a study whose clock counts interruptions out: the seconds spent, and the time at
            which they were written, in seconds since 1970.
        started: Time at which its process took the lock, in seconds since 1970; None for none.
        command: The command that resumes an unfinished entry; None if none is known.
        settings: The recipe of a run, flat and as text.
    """

    entry: Entry
    planned_runs: int | None = None
    time_limit: float | None = None
    spent: tuple[float, float] | None = None
    started: float | None = None
    command: store.RecordedCommand | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


def read_folder(folder: FolderOnDisk, root: Path) -> Reading:
    """Read the files of a folder.

    Args:
        folder: The folder.
        root: The watched folder.
    """
    parent = None if folder.parent is None else relative_id(folder.parent, root)
    entry = Entry(
        id=relative_id(folder.path, root),
        kind=folder.kind,
        verb="train",
        state="unfinished",
        parent=parent,
        changed=folder.changed,
        has_report="report.html" in folder.stamps or _has_report(folder.path),
    )
    try:
        if folder.kind == "run":
            reading = _read_run(folder, entry)
        else:
            reading = _read_study(folder, entry)
        if reading.entry.state == "unfinished" and "command.json" in folder.stamps:
            reading = replace(reading, command=read_own_command(folder.path))
        return reading
    except (HeadstartError, OSError, ValueError, LookupError, TypeError) as error:
        message = error.message if isinstance(error, HeadstartError) else str(error)
        return Reading(replace(entry, state="damaged", problem=message))


def relative_id(folder: Path, root: Path) -> str:
    """Return the id of a folder: its path relative to the watched folder, with slashes."""
    return folder.relative_to(root).as_posix()


def _has_report(folder: Path) -> bool:
    return (folder / "report.html").is_file()


def _read_run(folder: FolderOnDisk, entry: Entry) -> Reading:
    entry = replace(entry, data=_data_name(folder.path))
    if "metrics.json" not in folder.stamps:
        return _read_unfinished_run(folder, entry)

    run = read_listed_run(folder.path)
    entry = replace(
        entry,
        state="finished",
        model=run.model,
        seed=run.seed,
        fraction=1.0,
        progress=training_length(run.epochs, run.solved_heads),
        seconds=run.seconds.train,
        validation=_score(run.validation),
        test=_score(run.test),
    )
    return Reading(entry, settings=flat_settings(run.recipe))


def _read_unfinished_run(folder: FolderOnDisk, entry: Entry) -> Reading:
    identity: Any = store.read_json(folder.path / "recipe.json")
    if not isinstance(identity, dict) or not isinstance(identity.get("recipe"), dict):
        raise InputError(f"{folder.path / 'recipe.json'} is not the recipe of a run.")
    seed = identity.get("seed")
    entry = replace(
        entry,
        model=str(identity["recipe"].get("model", "")),
        seed=seed if isinstance(seed, int) else None,
        validation=_last_validation(folder),
    )
    settings = flat_settings(identity["recipe"])
    done = read_progress(folder.path) if "progress.json" in folder.stamps else None
    if done is None:
        return Reading(entry, settings=settings)

    left = done.seconds_left
    written = folder.stamps["progress.json"][0] / 1e9
    entry = replace(
        entry,
        fraction=_STEPS_OF_TRAINING * min(1.0, done.step / done.steps),
        progress=f"step {done.step:,} of {done.steps:,}",
        seconds=done.seconds,
        ends=None if left is None else written + left,
    )
    return Reading(entry, settings=settings)


def _last_validation(folder: FolderOnDisk) -> Score | None:
    """Return the validation accuracy of the last epoch of an unfinished run."""
    if "curves.csv" not in folder.stamps:
        return None
    try:
        accuracies = read_curves(folder.path)["validation_accuracy"]
    except InputError:  # It is replaced with the next epoch.
        return None
    last = float(accuracies[-1]) if len(accuracies) else math.nan
    return None if math.isnan(last) else Score(last)


def _read_study(folder: FolderOnDisk, entry: Entry) -> Reading:
    if "finding.json" not in folder.stamps:
        return _read_unfinished_study(folder, entry)

    finding = read_finding(folder.path)
    entry = replace(
        entry,
        verb=finding.study,
        state="finished",
        data=finding.dataset.name,
        fraction=1.0,
        seconds=finding.budget.seconds_spent,
        test=_test_score(finding),
        sentence=_first_sentence(finding),
    )
    return Reading(entry)


def _read_unfinished_study(folder: FolderOnDisk, entry: Entry) -> Reading:
    identity: Any = store.read_json(folder.path / "study.json")
    verb = identity.get("study") if isinstance(identity, dict) else None
    if not isinstance(verb, str):
        raise InputError(f"{folder.path / 'study.json'} does not name a study.")

    limit, spent = identity.get("time_limit"), None
    if "clock.json" in folder.stamps:
        seconds = store.read_json_or(folder.path / "clock.json", {}).get("seconds")
        if isinstance(seconds, int | float):
            spent = (float(seconds), folder.stamps["clock.json"][0] / 1e9)
    return Reading(
        entry=replace(entry, verb=verb),
        planned_runs=_planned_runs(folder.path) if "budget.json" in folder.stamps else None,
        time_limit=float(limit) if isinstance(limit, int | float) and limit > 0 else None,
        spent=spent,
    )


def _planned_runs(folder: Path) -> int | None:
    """Return the number of runs of a study, where its `budget.json` tells it."""
    budget: Any = store.read_json_or(folder / "budget.json", {})
    variants, seeds = budget.get("variants"), budget.get("seeds")
    if isinstance(variants, list) and isinstance(seeds, list):
        return len(variants) * len(seeds)
    return None


def _first_sentence(finding: Finding) -> str:
    """Return the first sentence of a finding; "" if it has none."""
    match finding:
        case Comparison():
            return finding.verdict.sentence
        case Tuning() | FitFinding():
            return finding.sentences[0] if finding.sentences else ""
        case BackboneRanking() | Effects() | LabelCurves() | LearningRates():
            return finding.sentence
        case _:
            return ""


def _test_score(finding: Finding) -> Score | None:
    if isinstance(finding, FitFinding) and finding.test is not None:
        return Score(finding.test.accuracy, finding.test.interval, finding.test.n)
    if isinstance(finding, Tuning) and finding.test is not None:
        return Score(finding.test.accuracy, finding.test.interval)
    return None


def _score(scores: ListedScores | None) -> Score | None:
    return None if scores is None else Score(scores.accuracy, scores.interval, scores.n)


def _data_name(folder: Path) -> str:
    about: Any = store.read_json_or(folder / "data.json", {})
    name = about.get("name")
    return name if isinstance(name, str) else ""
