"""Contenders that a time limit leaves out, and the command that would include them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from headstart.formatting import approximate_duration, counted, enumeration
from headstart.results import Verdict
from headstart.studies._time_division import Demand

_MINUTE = 60
_SHORT_LIMIT = 120  # seconds: longer limits are proposed in minutes


def verdict_without_left_out(
    verdict: Verdict, left_out: Mapping[str, str], answer: str, needed_seconds: float
) -> Verdict:
    """Return the verdict about the contenders that were trained, and name the others.

    Args:
        verdict: The verdict about the contenders that were trained.
        left_out: What each contender needs that was left out, in words, by its name.
        answer: What gives the time that they need; see `answering_command`.
        needed_seconds: The time limit that is long enough.
    """
    note = f"The verdict is without {enumeration(list(left_out))}, because the time limit is too "
    note += f"short: {enumeration(list(left_out.values()))}. {answer}"
    changes = {
        "left_out": tuple(left_out),
        "needed_time_limit": proposed_limit(needed_seconds),
        "notes": (note, *verdict.notes),
    }
    return verdict.model_copy(update=changes)


def no_verdict(
    verdict: Verdict, left_out: Mapping[str, str], answer: str, needed_seconds: float
) -> Verdict:
    """Return the verdict if too few contenders could be trained to compare them.

    Args:
        verdict: The verdict about the contenders that were trained.
        left_out: What each contender needs that was left out, in words, by its name.
        answer: What gives the time that they need; see `answering_command`.
        needed_seconds: The time limit that is long enough.
    """
    sentence = "No verdict: the time limit is too short. "
    sentence += f"{enumeration(list(left_out.values()))}. {answer}"
    changes = {
        "outcome": "undecided",
        "winner": None,
        "equivalent_to_best": (),
        "limited_by": None,
        "seeds_to_decide": None,
        "images_to_decide": None,
        "sentence": sentence,
        "too_short": tuple(left_out),
        "needed_time_limit": proposed_limit(needed_seconds),
    }
    return verdict.model_copy(update=changes)


def describe_need(demand: Demand, runs_per_seed: int) -> str:
    """Return the time that a contender needs at least, in words.

    Args:
        demand: What it needs.
        runs_per_seed: Number of its runs that test all images: one, or one per fold.
    """
    if demand.extra:
        return f"{demand.name} needs about {approximate_duration(demand.extra)} for its features"
    seconds = approximate_duration(runs_per_seed * demand.cost.seconds(demand.least))
    runs = counted(runs_per_seed, "run")
    if not demand.cost.epoch:
        return f"{demand.name} needs about {seconds} for {runs}"
    return f"{demand.name} needs about {seconds} for {runs} of at least {demand.least:.2g} epochs"


def answering_command(needed_seconds: float, command: str) -> str:
    """Return what gives the time that is needed: a command line, or the option if it is unknown.

    Args:
        needed_seconds: A time limit that is long enough.
        command: The command line of the study; empty if unknown.
    """
    limit = proposed_limit(needed_seconds)
    answer = with_time_limit(command, limit)
    return f"Run this instead: {answer}" if answer else f"Pass --time-limit {limit} or more."


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
