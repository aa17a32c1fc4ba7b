"""The command that a reader of a page would type next."""

from __future__ import annotations

import shlex
from pathlib import Path

from headstart.results import (
    BackboneRanking,
    Comparison,
    Effects,
    Finding,
    FitFinding,
    LabelCurves,
    LearningRates,
    Tuning,
)

AFTER_RUN = "headstart predict RUN IMAGE"


def next_words(finding: Finding, data: str) -> tuple[object, ...]:
    """Return the words of the command that uses a finding, without `headstart`.

    Empty if there is none, or if the finding names one itself.

    Args:
        finding: The finding of a study.
        data: The DATA argument of the study.
    """
    match finding:
        case Comparison() | Tuning() | FitFinding():
            return "predict", Path(finding.report).parent, "IMAGE"
        case LearningRates() if finding.best is None:  # nothing was learned: propose a lower rate
            lowest = min(rate.lr for rate in finding.rates)
            return "lr", data, "--model", finding.model, "--values", f"{lowest / 10:g}"
        case LearningRates():
            return (
                *("train", data, "--model", finding.model),
                *("--optimizer", finding.optimizer, "--lr", f"{finding.best:g}"),
            )
        case BackboneRanking():
            choice = finding.recommended
            return "train", data, "--model", choice.model, "--set", f"input_px={choice.input_px}"
        case LabelCurves():
            return "fit", data
        case Effects():
            return "tune", data, "--model", finding.model
    return ()


def next_command(finding: Finding) -> str:
    """Return the command that uses a finding; empty if there is none, or if its page has one."""
    words = next_words(finding, finding.dataset.source or finding.dataset.name)
    return f"headstart {shlex.join(map(str, words))}" if words else ""
