"""The time limit of a study, and what a machine that slows down costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from headstart.data import SplitDataset
from headstart.errors import InputError, did_you_mean

# Each prediction is read, evaluated and embedded in the report. 9 runs of `compare` with 19,000
# validation and test images took 3.3 s longer than with 270 test images, and 24 runs of `lr` 7.1 s
# (processor time of one core, AMD EPYC).
_SECONDS_PER_PREDICTION = 2e-5

WhenSlow = Literal["shorten", "lengthen"]


@dataclass(frozen=True)
class TimeLimit:
    """The time limit of a study.

    Attributes:
        seconds: Seconds for everything, the report included; None without a limit.
        when_slow: What a machine that slows down costs. "shorten" keeps the limit: runs that have
            not begun become shorter together, or seeds and controls are left out. "lengthen" keeps
            the plan, and the study takes longer.
    """

    seconds: float | None = None
    when_slow: WhenSlow = "shorten"


def prediction_seconds(data: SplitDataset, runs: int) -> float:
    """Return the seconds that a study needs for the predictions of its runs after the last one.

    Args:
        data: The dataset and the split of one run.
        runs: Number of runs.
    """
    images = len(data.split.validation) + len(data.split.test)
    return _SECONDS_PER_PREDICTION * images * runs


def check_when_slow(value: str) -> None:
    """Check what a slow machine shall cost.

    Raises:
        InputError: The value is unknown.
    """
    known = get_args(WhenSlow)
    if value not in known:
        raise InputError(
            f"invalid --when-slow: expected {' or '.join(known)}, got '{value}'"
            f"{did_you_mean(value, known)}",
            "Use shorten to keep the time limit, or lengthen to keep all planned runs.",
        )


def given_when_slow(value: WhenSlow) -> dict[str, str]:
    """Return the value as a part of a configuration; empty for the default.

    The default leaves the name of a study's folder as it was before there was a choice.
    """
    return {} if value == "shorten" else {"when_slow": value}
