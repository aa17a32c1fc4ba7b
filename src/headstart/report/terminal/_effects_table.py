"""The terminal table of `effects`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.formatting import (
    p_number,
    points,
    points_interval,
    shorten,
)
from headstart.report._study import image_count
from headstart.report.terminal._tables import (
    WIDTH_FOR_ALL_COLUMNS,
    ResponsiveTable,
    finding_group,
    mean_text,
    new_table,
    number,
    sentences,
    text,
)
from headstart.results import (
    EffectResult,
    Effects,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

_OUTCOME_STYLES = {"helps": "green", "hurts": "red", "undecided": "", "failed": "yellow"}


def effects_table(finding: Effects) -> RenderableType:
    """Return a table of changes, with the finding in words below."""
    return ResponsiveTable(lambda width: _effects_group(finding, width))


def _effects_group(finding: Effects, width: int) -> RenderableType:
    fit = finding.baseline.fit
    return finding_group(
        finding,
        _effects_table(finding, width),
        *sentences([finding.sentence], "bold"),
        *sentences([] if fit is None else [f"The baseline {fit.summary}."]),
        notes=finding.notes,
    )


def _effects_table(finding: Effects, width: int) -> Table:
    from rich.text import Text

    columns = [
        number(finding.evaluated_on),
        number("difference"),
        number("95% interval"),
        text("outcome"),
        number("p-value"),
    ]
    if width < WIDTH_FOR_ALL_COLUMNS:
        columns.pop()
    table = new_table(text("change", folds=True), *columns)
    images = image_count(finding.dataset, finding.evaluated_on)
    baseline = mean_text(finding.baseline.accuracy, images)
    table.add_row("baseline", baseline, *[""] * (len(columns) - 1), style="bold")

    previous = None
    for effect in finding.effects:
        if effect.hyperparameter != previous:
            table.add_section()
        previous = effect.hyperparameter
        cells = _effect_cells(effect, images)[: len(columns)]
        table.add_row(Text(shorten(effect.label, 60)), *cells)
    return table


def _effect_cells(effect: EffectResult, images: int) -> list[str | Text]:
    from rich.text import Text

    return [
        mean_text(effect.accuracy, images),
        points(effect.difference, signed=True),
        points_interval(effect.interval),
        Text(effect.outcome, style=_OUTCOME_STYLES[effect.outcome]),
        p_number(effect.p_adjusted),
    ]
