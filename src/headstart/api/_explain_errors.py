"""Explanations of the worst errors of a comparison, for its report."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from headstart import progress
from headstart.data import SplitDataset, read_split
from headstart.results import Comparison


def explain_worst_errors(finding: Comparison, data: SplitDataset, folder: Path) -> None:
    """Write `errors.npz` for the report: explanations of the worst errors. Needs Captum."""
    from headstart.deploy import explain_errors

    runs = {
        contender.name: folder / contender.representative_run
        for contender in finding.contenders
        if contender.role == "contender"
    }
    has_classifiers = all((run / "classifier.json").exists() for run in runs.values())
    if find_spec("captum") is None or not has_classifiers:
        return

    split = data.split
    if finding.cross_validation is not None:  # one fold stands for all, of every contender
        split = read_split(next(iter(runs.values())), data.dataset)
    part, rows = ("test", split.test) if len(split.test) else ("validation", split.validation)
    try:
        explain_errors(runs, data.dataset, rows, part, folder / "errors.npz")
    except Exception as error:
        # The runs may have taken hours: their report does not depend on one figure.
        progress.warn(
            "WARNING: the report shows no worst errors, because explaining them failed: "
            f"{type(error).__name__}: {error}."
        )
