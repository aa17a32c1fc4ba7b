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


def next_command(finding: Finding) -> str:
    """Return the command that uses a finding; empty if there is none, or if its page has one.

    Args:
        finding: The finding of a study.
    """
    data = finding.dataset.source or finding.dataset.name
    words: tuple[object, ...]
    match finding:
        case Comparison() | Tuning() | FitFinding():
            words = ("predict", Path(finding.report).parent, "IMAGE")
        case LearningRates() if finding.best is not None:
            words = ("train", data, "--model", finding.model, "--lr", f"{finding.best:g}")
            words += ("--optimizer", finding.optimizer)
        case BackboneRanking():
            choice = finding.recommended
            words = ("train", data, "--model", choice.model)
            words += ("--set", f"input_px={choice.input_px}")
        case LabelCurves():
            words = ("fit", data)
        case Effects():
            words = ("tune", data, "--model", finding.model)
        case _:
            return ""
    return f"headstart {shlex.join(map(str, words))}"
