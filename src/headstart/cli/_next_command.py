"""The last lines of a verb: the next command to type, and where the result is."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from headstart.formatting import printable


def print_next(*words: object, is_silent: bool) -> None:
    """Print the command that a user would type next.

    Of several processes under torchrun, only the first prints.

    Args:
        words: The words of the command after `headstart`.
        is_silent: True with `--json` or `--quiet`. Then nothing is printed.
    """
    print_next_step(f"headstart {shlex.join(map(str, words))}", is_silent=is_silent)


def print_next_step(step: str, *, is_silent: bool) -> None:
    """Print what a user would do next, such as a command to type or a file to open."""
    if is_silent or os.environ.get("RANK", "0") != "0":
        return
    print(printable(f"Next: {step}"))


def after_listing(runs: Sequence[Mapping[str, Any]]) -> Sequence[object]:
    """Return the words that open the most accurate finished run, or that make a first one."""
    finished = [run for run in runs if run.get("validation")]
    if not finished:
        return "fit", "DATA", "--time-limit", "10m"
    best = max(finished, key=lambda run: run["validation"]["accuracy"])
    return "report", best["run"]


def after_diagnosis(result: Mapping[str, Any], paths: Sequence[str]) -> Sequence[object]:
    """Return the words that repair what is damaged, or that list the runs."""
    if result["healthy"]:
        return ("runs",)
    return "doctor", *paths, "--repair"
