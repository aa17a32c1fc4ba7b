"""The terminal table of `fit`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headstart.evaluation import metric_name, score_text
from headstart.formatting import ABSENT, cut_middle, duration, epochs, one_line, percent
from headstart.report.terminal._tables import (
    ResponsiveTable,
    Row,
    finding_group,
    fitted_table,
    mark,
    number,
    sentences,
    text,
)
from headstart.results import FitFinding, PartScores, TriedRung

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_METRIC_WIDTH = 18


def fit_table(finding: FitFinding) -> RenderableType:
    """Return a table of the candidates, with the chosen classifier below."""
    return ResponsiveTable(lambda width: _fit_group(finding, width))


def _fit_group(finding: FitFinding, width: int) -> RenderableType:
    return finding_group(
        finding,
        _rungs_table(finding, width),
        *sentences(["● part of the classifier"], "dim"),
        *_unfinished(finding),
        *sentences(finding.sentences, "bold"),
        *sentences([f"Classifier: {finding.run}"], "dim"),
    )


def _rungs_table(finding: FitFinding, width: int) -> Table:
    from rich.text import Text

    has_folds = any(rung.cross_validated is not None for rung in finding.tried)
    is_accuracy = finding.metric == "accuracy"
    name = "" if is_accuracy else f"\n{cut_middle(metric_name(finding.metric), _METRIC_WIDTH)}"
    columns = [
        text(""),
        text("candidate", folds=True),
        number(f"validation{name}"),
        *([number(f"cross-val.{name}")] if has_folds else []),
        *([] if is_accuracy else [number("validation\naccuracy", 3)]),
        number("epochs", 2),
        number("time", 1),
        number("weight"),
    ]
    rows: list[Row] = []
    for rung in finding.tried:
        if rung.state != "done":
            continue
        dot = mark(is_best=rung.is_chosen, as_good=False)
        style = "bold" if rung.is_chosen else ""
        cells = _cells(rung, finding.metric, has_folds=has_folds)
        rows.append(Row([dot, Text(one_line(rung.name)), *cells], style))
    return fitted_table(columns, rows, width)


def _unfinished(finding: FitFinding) -> Iterator[RenderableType]:
    """Yield a line per candidate without a score: what failed, and why others were skipped."""
    for rung in finding.tried:
        if rung.state == "failed":
            yield from sentences([f"{rung.name} failed: {rung.reason}"], "yellow")
        elif rung.state == "not entered":
            yield from sentences([f"{rung.name} was skipped: {rung.reason}"], "dim")


def _cells(rung: TriedRung, metric: str, *, has_folds: bool) -> list[str]:
    """Return the scores of a candidate by the metric, its accuracy if it is another, and so on."""
    score = rung.score if rung.cross_validated is None else rung.validation_score
    cells = [_score_cell(metric, rung.validation, score)]
    if has_folds:
        cells.append(_score_cell(metric, rung.cross_validated, rung.score))
    if metric != "accuracy":
        cells.append(_score_cell("accuracy", rung.validation, None))
    cells.append(ABSENT if rung.epochs is None else epochs([rung.epochs]))
    return [*cells, duration(rung.seconds), percent(rung.weight) if rung.weight else ""]


def _score_cell(metric: str, scores: PartScores | None, score: float | None) -> str:
    """Return the accuracy of these images if that is the metric, and the score otherwise."""
    if scores is None:
        return ABSENT
    return score_text(metric, scores.accuracy if metric == "accuracy" else score, scores.n)
