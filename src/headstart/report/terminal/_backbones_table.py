"""The terminal table of `backbones`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.formatting import (
    count,
    one_line,
    percent,
    percent_interval,
    points,
)
from headstart.report.terminal._tables import (
    ResponsiveTable,
    finding_group,
    mark,
    new_table,
    number,
    sentences,
    text,
)
from headstart.results import (
    BackboneRanking,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def backbones_table(finding: BackboneRanking) -> RenderableType:
    """Return a table of candidates, the most accurate first, with the finding in words below."""
    return ResponsiveTable(lambda _: _backbones_group(finding))


def _backbones_group(finding: BackboneRanking) -> RenderableType:
    return finding_group(
        finding,
        _backbones_table(finding),
        *sentences(["● recommended, ≈ not significantly worse than the most accurate"], "dim"),
        *sentences([finding.sentence], "bold"),
        notes=finding.notes,
    )


def _backbones_table(finding: BackboneRanking) -> Table:
    from rich.text import Text

    table = new_table(
        text(""),
        text("backbone", folds=True),
        number("probe"),
        number("95% interval"),
        number("vs best"),
        number("images/s"),
        number("features"),
    )
    for candidate in sorted(finding.candidates, key=lambda candidate: -candidate.accuracy):
        difference = candidate.difference
        table.add_row(
            mark(is_best=candidate.is_recommended, as_good=candidate.as_good),
            Text(one_line(candidate.name)),
            percent(candidate.accuracy, finding.images),
            percent_interval(candidate.interval, finding.images),
            points(None if difference is None else difference.difference, signed=True),
            count(round(candidate.images_per_second)),
            count(candidate.features),
            style="bold" if candidate.is_recommended else "",
        )
    return table
