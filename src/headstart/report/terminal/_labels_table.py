"""The terminal table of `labels`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.formatting import (
    count,
    points,
    shorten,
)
from headstart.report._study import image_count
from headstart.report.terminal._tables import (
    ResponsiveTable,
    finding_group,
    interval_text,
    mean_text,
    new_table,
    number,
    sentences,
    text,
)
from headstart.results import (
    LabelCurves,
    LabelDifference,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text


def labels_table(finding: LabelCurves) -> RenderableType:
    """Return a table of contenders and numbers of labels, with the finding in words below."""
    return ResponsiveTable(lambda _: _labels_group(finding))


def _labels_group(finding: LabelCurves) -> RenderableType:
    comparisons = [
        comparison.sentence
        for comparison in finding.comparisons
        if comparison.sentence != finding.sentence
    ]
    return finding_group(
        finding,
        _labels_table(finding),
        *sentences([finding.sentence], "bold"),
        *sentences(comparisons),
        notes=finding.notes,
    )


def _labels_table(finding: LabelCurves) -> Table:
    from rich.text import Text

    table = new_table(
        text("", folds=True),
        number("per class"),
        number("labels"),
        number(finding.evaluated_on),
        number("95% interval"),
        number(f"vs {shorten(finding.compared_with, 20)}"),
        text("significant"),
    )
    differences: dict[tuple[str, int], LabelDifference] = {}
    for comparison in finding.comparisons:
        for difference in comparison.differences:
            differences[comparison.a, difference.per_class] = difference

    images = image_count(finding.dataset, finding.evaluated_on)
    for contender in finding.contenders:
        table.add_section()
        for row, point in enumerate(contender.points):
            name = shorten(contender.name, 40) if row == 0 else ""
            difference_there = differences.get((contender.name, point.per_class))
            table.add_row(
                Text(name, style="bold"),
                count(point.per_class),
                count(point.labels),
                mean_text(point.accuracy, images),
                interval_text(point.accuracy, images),
                *_difference_cells(difference_there),
            )
    return table


def _difference_cells(difference: LabelDifference | None) -> tuple[str, Text]:
    from rich.text import Text

    if difference is None:
        return "", Text("")
    significant = Text("yes", style="green") if difference.is_significant else Text("no", "dim")
    return points(difference.difference, signed=True), significant
