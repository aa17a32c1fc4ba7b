"""The terminal table of `fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.formatting import ABSENT, duration, epochs, one_line, percent
from headstart.report.terminal._tables import (
    ResponsiveTable,
    finding_group,
    mark,
    new_table,
    number,
    sentences,
    text,
)
from headstart.results import FitFinding, TriedRung

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def fit_table(finding: FitFinding) -> RenderableType:
    """Return a table of the candidates, with the chosen classifier below."""
    return ResponsiveTable(lambda _: _fit_group(finding))


def _fit_group(finding: FitFinding) -> RenderableType:
    return finding_group(
        finding,
        _rungs_table(finding),
        *sentences(["● part of the classifier"], "dim"),
        *sentences(finding.sentences, "bold"),
        *sentences([f"Classifier: {finding.run}"], "dim"),
    )


def _rungs_table(finding: FitFinding) -> Table:
    from rich.text import Text

    has_folds = any(rung.cross_validated is not None for rung in finding.tried)
    columns = [
        text(""),
        text("candidate", folds=True),
        number("validation"),
        *([number("cross-val.")] if has_folds else []),
        number("epochs"),
        number("time"),
        number("weight"),
    ]
    table = new_table(*columns)
    for rung in finding.tried:
        if rung.state == "done":
            dot = mark(is_best=rung.is_chosen, as_good=False)
            style = "bold" if rung.is_chosen else ""
            cells = _cells(rung, has_folds=has_folds)
            table.add_row(dot, Text(one_line(rung.name)), *cells, style=style)
        else:
            name = Text(one_line(f"{rung.name}: {rung.reason}"))
            style = "yellow" if rung.state == "failed" else "dim"
            table.add_row("", name, *[ABSENT] * (len(columns) - 2), style=style)
    return table


def _cells(rung: TriedRung, *, has_folds: bool) -> list[str]:
    accuracies = [rung.validation, rung.cross_validated] if has_folds else [rung.validation]
    cells = [
        ABSENT if scores is None else percent(scores.accuracy, scores.n) for scores in accuracies
    ]
    cells.append(ABSENT if rung.epochs is None else epochs([rung.epochs]))
    return [*cells, duration(rung.seconds), percent(rung.weight) if rung.weight else ""]
