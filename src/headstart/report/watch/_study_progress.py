"""The progress of a study, as its runs show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from headstart.formatting import counted
from headstart.report.watch._entry import Entry
from headstart.report.watch._read_entry import Reading


def describe_study(reading: Reading, runs: Sequence[Entry]) -> Entry:
    """Return the entry of a study with what its runs tell, and with its expected end if it runs.

    Args:
        reading: The reading of the study. Its entry has its state.
        runs: The entries of its runs.
    """
    entry = _with_runs(reading, runs)
    if entry.state == "running":
        entry = _with_end(entry, reading, runs)
    return entry


def _with_runs(reading: Reading, runs: Sequence[Entry]) -> Entry:
    """Return the entry of a study with its progress and scores."""
    entry = reading.entry
    finished = [run for run in runs if run.state == "finished"]
    models = list(dict.fromkeys(run.model for run in runs if run.model))
    entry = replace(
        entry,
        changed=max([entry.changed, *(run.changed for run in runs)]),
        data=entry.data or next((run.data for run in runs if run.data), ""),
        model=", ".join(models[:3]) + (", …" if len(models) > 3 else ""),
        progress=f"{counted(len(finished), 'run')} finished" if runs else "no runs",
    )
    if entry.state in ("finished", "damaged"):
        return entry

    scores = [run.validation for run in finished if run.validation is not None]
    entry = replace(
        entry, validation=max(scores, key=lambda score: score.accuracy) if scores else None
    )
    planned = reading.planned_runs
    if planned is None or len(finished) > planned:
        return entry
    fraction = sum(run.fraction or 0.0 for run in runs) / max(1, planned)
    return replace(
        entry,
        progress=f"{len(finished):,} of {counted(planned, 'run')}",
        fraction=min(1.0, fraction),
    )


def _with_end(entry: Entry, reading: Reading, runs: Sequence[Entry]) -> Entry:
    """Return the entry of a study in progress with its expected end.

    With a time limit, that is the end of the limit. Otherwise it follows from the median time of
    the finished runs.
    """
    limit = reading.time_limit
    if limit is not None and reading.spent is not None:
        seconds, written = reading.spent
        return replace(entry, ends=written + limit - seconds, time_limit=limit)
    if limit is not None and reading.started is not None:
        return replace(entry, ends=reading.started + limit, time_limit=limit)

    times = [run.seconds for run in runs if run.state == "finished" and run.seconds is not None]
    if reading.planned_runs is None or not times:
        return entry
    left = max(0, reading.planned_runs - len(times))
    slots = max(1, sum(run.state == "running" for run in runs))
    newest = max(run.changed for run in runs)
    return replace(entry, ends=newest + left * median(times) / slots)
