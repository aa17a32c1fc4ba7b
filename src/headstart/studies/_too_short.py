"""The verdict of a comparison whose time limit leaves a contender undertrained."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from headstart.formatting import enumeration
from headstart.results import Verdict
from headstart.studies._comparison_entries import ComparisonEntry

_MINUTE = 60
_SHORT_LIMIT = 120  # seconds: longer limits are proposed in minutes


def verdict_of_too_short_runs(
    verdict: Verdict,
    short: Sequence[ComparisonEntry],
    needed_seconds: float | None,
    command: str,
) -> Verdict:
    """Return the verdict without a winner, with what would answer the question instead.

    Args:
        verdict: The verdict as if the runs had been long enough.
        short: The contenders whose runs are too short.
        needed_seconds: A time limit that is long enough; None if unknown.
        command: The command line of the study; empty if unknown.
    """
    lengths = [
        f"{entry.name} trained for {entry.epochs:.2g} epochs per run and needs at least "
        f"{entry.least_epochs:.2g}"
        for entry in short
    ]
    sentence = f"No verdict: the time limit is too short. {enumeration(lengths)}."
    limit = None
    if needed_seconds is not None:
        limit = proposed_limit(needed_seconds)
        answer = with_time_limit(command, limit)
        sentence += f" Run this instead: {answer}" if answer else f" Pass --time-limit {limit}."
    changes = {
        "outcome": "undecided",
        "winner": None,
        "equivalent_to_best": (),
        "limited_by": None,
        "seeds_to_decide": None,
        "images_to_decide": None,
        "sentence": sentence,
        "too_short": tuple(entry.name for entry in short),
        "needed_time_limit": limit,
    }
    return verdict.model_copy(update=changes)


def proposed_limit(seconds: float) -> str:
    """Return a time limit as a user writes it, rounded up."""
    if seconds < _SHORT_LIMIT:
        return f"{10 * math.ceil(seconds / 10)}s"
    return f"{math.ceil(seconds / _MINUTE)}m"


def with_time_limit(command: str, limit: str) -> str:
    """Return a command line with another time limit.

    Its `--out` is left out, because that folder holds this study.
    """
    if not command:
        return ""
    command = re.sub(r" --(time-limit|out)[ =]('[^']*'|\S+)", "", command)
    return f"{command} --time-limit {limit}"
