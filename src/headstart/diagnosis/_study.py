"""The examination of a study folder: its seal, its finding against its runs, and its database."""

from __future__ import annotations

import math
from pathlib import Path

from headstart import store
from headstart.diagnosis._types import Diagnosis, damage_of
from headstart.errors import HeadstartError, InputError
from headstart.results import Comparison, read_finding, read_metrics

_DATABASE = "trials.db"
_AGAIN = "Restore the file from a copy, or run the study again with another --out."
_RESUME = "Run the same command again: it resumes, and reuses finished runs."
_TOLERANCE = 1e-9


def check_study(folder: Path) -> list[Diagnosis]:
    """Examine a study folder, without the runs in it. Nothing is written.

    Args:
        folder: A folder with `study.json` or `finding.json`.
    """
    owner = store.lock_owner(folder)
    if owner is not None:
        return [Diagnosis(str(folder), "study", "in use", None, f"it is in use by {owner}")]

    diagnoses = [
        Diagnosis(str(folder), "study", "damaged", problem.file, f"it {problem.reason}", "", _AGAIN)
        for problem in store.find_problems(folder)
    ]
    database = folder / _DATABASE
    if not diagnoses and database.exists():
        diagnoses += damage_of(folder, "study", _DATABASE, lambda: check_database(database), _AGAIN)
    if not (folder / "finding.json").exists():
        return diagnoses or [Diagnosis(str(folder), "study", "unfinished", None, "", "", _RESUME)]
    if not diagnoses:
        diagnoses += damage_of(
            folder, "study", "finding.json", lambda: _check_finding(folder), _AGAIN
        )
    return diagnoses or [Diagnosis(str(folder), "study", "healthy")]


def check_database(path: Path) -> None:
    """Let SQLite check a database.

    Raises:
        InputError: It is damaged, or it is not a database.
    """
    reason = store.sqlite_damage(path)
    if reason is not None:
        raise InputError(f"{reason}.")


def _check_finding(folder: Path) -> None:
    """Read the finding through its schema, and compare it with the runs that it names."""
    finding = read_finding(folder)
    if not isinstance(finding, Comparison):
        return
    for contender in finding.contenders:
        parts = []
        for name in contender.runs:
            try:
                metrics = read_metrics(folder / name)
            except HeadstartError as error:
                raise InputError(f"it names the run {name}: {error.message}") from error
            if metrics.test is not None:
                parts.append(metrics.test)
        if contender.test is None or len(parts) != len(contender.runs) or not parts:
            continue
        # Folds may have different numbers of images, for example because groups are undivided.
        mean = sum(part.accuracy * part.n for part in parts) / sum(part.n for part in parts)
        if not math.isclose(mean, contender.test.accuracy, abs_tol=_TOLERANCE):
            raise InputError(
                f"the test accuracy of {contender.name} is {contender.test.accuracy:.4f}, and "
                f"the mean of its runs {mean:.4f}."
            )
