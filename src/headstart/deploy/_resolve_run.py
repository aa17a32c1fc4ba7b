"""The run that a path names: a run itself, or the best run of a study."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headstart import progress, store
from headstart.errors import InputError
from headstart.formatting import percent

if TYPE_CHECKING:
    from headstart.results import Comparison, Finding, JsonObject

_CLASSIFIER = "classifier.json"
_BEST_SO_FAR = "classifier"  # in the folder of `fit`
_MOST_LISTED = 8


def is_study(path: str | Path) -> bool:
    """Return whether a path is the folder of a study, finished or not."""
    folder = Path(path)
    return (folder / "study.json").exists() or (folder / "finding.json").exists()


def resolve_run(path: str | Path) -> Path:
    """Return the folder of the run that a path names.

    A run folder and an exported file name themselves. The folder of a finished study names its best
    run: the chosen one of `tune` and `fit`, otherwise the one with the highest accuracy on
    validation images among those that have weights. That of an unfinished `fit` names the best
    classifier so far. Which one, and why, is printed in one line.

    Args:
        path: A run folder, an `.onnx` file, or the folder of a study.

    Raises:
        InputError: The path does not exist, or holds no finished run, or it is a study that is not
            finished, or a folder of several runs and studies. The message lists the runs.
    """
    run = Path(path)
    if not run.is_dir() or (run / _CLASSIFIER).exists():
        return run
    if (run / "finding.json").exists():
        return _choose(run)
    if (run / "recipe.json").exists():
        return run  # not finished, or without weights: `open_model` says which

    best_so_far = _best_so_far(run)
    if best_so_far is not None:
        return best_so_far
    rows = _finished_runs(run)
    if (run / "study.json").exists():
        raise InputError(
            f"{run} is a study that is not finished{_list(rows)}.",
            "Repeat the command that started it, or name one of these runs."
            if rows
            else "Repeat the command that started it. It resumes where it stopped.",
        )
    if rows:
        raise InputError(
            f"{run} is neither a run nor a study, but holds several{_list(rows)}.",
            f"Name one of them. All are listed by: headstart runs {shlex.quote(str(run))}",
        )
    return run


def _best_so_far(study: Path) -> Path | None:
    """Return the classifier that an unfinished `fit` keeps, and print it; None if there is none."""
    content: object = store.read_json_or(study / "study.json", {})
    classifier = study / _BEST_SO_FAR
    is_fit = isinstance(content, dict) and content.get("study") == "fit"
    if not is_fit or not (classifier / _CLASSIFIER).exists():
        return None
    from headstart.studies import EARLIER_FINDING

    what = "the best so far of a fit that is not finished"
    if (study / EARLIER_FINDING).exists():
        what = "which fit chose before it was continued with more time, which is not finished"
    progress.say(f"Using {classifier}, {what}.")
    return classifier


def _choose(study: Path) -> Path:
    """Return the best run of a finished study, and print it."""
    from headstart.results import Comparison, read_finding

    finding = read_finding(study)
    verb = finding.study_name()
    chosen = _chosen_by(finding, study)
    if chosen is not None:
        progress.say(f"Using {chosen}, which {verb} chose on validation images.")
        return chosen

    rows = _finished_runs(study)
    if isinstance(finding, Comparison):
        rows = rows + _runs_elsewhere(finding, study)
    rows = [row for row in rows if _rank(row) > (-math.inf, -math.inf)]
    usable = [row for row in rows if (Path(str(row["run"])) / _CLASSIFIER).exists()]
    if not usable:
        raise InputError(
            f"{study} is a study ({verb}) whose runs have no weights to use{_list(rows)}.",
            "Train the recipe that you want: headstart train DATA --model NAME",
        )
    best = max(usable, key=_rank)
    accuracy = percent(_rank(best)[0], _validation_images(best))
    run = Path(str(best["run"]))
    progress.say(f"Using {run}, the best of {len(usable)} runs on validation images ({accuracy}).")
    return run


def _chosen_by(finding: Finding, study: Path) -> Path | None:
    """Return the run that a finding names as its result; None if the study names none."""
    name = getattr(finding, "run", None) if _names_its_run(finding) else None
    if not isinstance(name, str):
        return None
    # Relative to the study folder, also after that was moved.
    for candidate in (study / name, study / Path(name).name, Path(name)):
        if (candidate / _CLASSIFIER).exists():
            return candidate
    raise InputError(
        f"{study} chose {name}, which no longer has weights.",
        "Run the study again in another folder: with --out.",
    )


def _names_its_run(finding: Finding) -> bool:
    from headstart.results import Tuning

    return isinstance(finding, Tuning) or finding.study_name() == "fit"


def _finished_runs(folder: Path) -> list[JsonObject]:
    from headstart.training import list_runs

    return [row for row in list_runs(folder) if row["state"] == "finished"]


def _runs_elsewhere(finding: Comparison, study: Path) -> list[JsonObject]:
    """Return the finished runs that were entered in a comparison, outside its folder."""
    rows: list[JsonObject] = []
    for contender in finding.contenders:
        for name in contender.runs:
            run = Path(os.path.normpath(study / name))
            is_inside = run.is_relative_to(os.path.normpath(study))
            if not is_inside and (run / "recipe.json").exists():
                rows += _finished_runs(run)
    return rows


def _rank(row: JsonObject) -> tuple[float, float]:
    """Return accuracy and negated loss of a run on its validation images."""
    validation = row.get("validation")
    if not isinstance(validation, dict):
        return -math.inf, -math.inf
    accuracy, loss = validation["accuracy"], validation["loss"]
    assert isinstance(accuracy, int | float) and isinstance(loss, int | float)
    return float(accuracy), -float(loss)


def _validation_images(row: JsonObject) -> int:
    """Return the number of validation images of a run that has some."""
    validation = row["validation"]
    assert isinstance(validation, dict)
    images = validation["n"]
    assert isinstance(images, int)
    return images


def _list(rows: Sequence[JsonObject]) -> str:
    """Return the paths of runs, the best first, as the end of a sentence."""
    if not rows:
        return ": it has no finished runs"
    ranked = sorted(rows, key=_rank, reverse=True)
    names = [str(row["run"]) for row in ranked[:_MOST_LISTED]]
    more = len(rows) - len(names)
    end = f" and {more} more" if more else ""
    return f": {', '.join(names)}{end}"
