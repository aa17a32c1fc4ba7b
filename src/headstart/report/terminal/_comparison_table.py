"""The terminal table of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.formatting import (
    compact_count,
    duration,
    milliseconds,
    percent,
    percent_interval,
    shorten,
)
from headstart.report.terminal._tables import (
    WIDTH_FOR_ALL_COLUMNS,
    ResponsiveTable,
    Row,
    finding_group,
    fitted_table,
    number,
    sentences,
    text,
)
from headstart.results import Comparison, Contender, ContenderFinding, Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_NARROW_COLUMNS = 4


def compare_table(finding: Comparison) -> RenderableType:
    """Return a table of contenders, controls and baselines, with the verdict and its notes."""
    return ResponsiveTable(lambda width: _comparison_group(finding, width))


def _comparison_group(finding: Comparison, width: int) -> RenderableType:
    return finding_group(
        finding,
        contenders_table(finding, width),
        *sentences([finding.verdict.sentence], "bold"),
        *sentences(robustness_lines(finding), "dim"),
        notes=finding.verdict.notes,
    )


def robustness_lines(finding: Comparison) -> list[str]:
    """Return one line about what the verdict depends on, and one about subgroups."""
    examined = [finding.robustness, finding.slices]
    return [result.sentence for result in examined if result is not None]


def contenders_table(finding: ContenderFinding, width: int) -> Table:
    """Return the contenders, controls and baselines of a finding as a table.

    Args:
        finding: The finding of a comparison or of a search.
        width: Width of the terminal in columns. A narrow table leaves out the cost of prediction.
    """
    from rich.text import Text

    headings = [
        number(finding.evaluated_on),
        number("95% interval"),
        number("training", 1),
        number("params", 2),
        number("mult-adds"),
        number("ms/image"),
    ]
    if width < WIDTH_FOR_ALL_COLUMNS:
        headings = headings[:_NARROW_COLUMNS]

    rows: list[Row] = []
    for role, style in (("contender", "bold"), ("control", "")):
        of_role = [contender for contender in finding.contenders if contender.role == role]
        for contender in of_role:
            mark = Text(_mark(contender.name, finding.verdict), style="green")
            name = Text(shorten(contender.name, 60), style=style)
            cells = _contender_cells(contender, finding.evaluated_on)[: len(headings)]
            rows.append(Row([mark, name, *cells], ends_section=contender is of_role[-1]))

    for baseline in finding.baselines:
        accuracy = percent(baseline.accuracy, baseline.n)
        interval = percent_interval(baseline.interval, baseline.n)
        absent = [""] * (len(headings) - 2)
        name = Text(shorten(baseline.name, 60))
        rows.append(Row(["", name, accuracy, interval, *absent], "dim"))
    return fitted_table([text(""), text("", folds=True), *headings], rows, width)


def _mark(name: str, verdict: Verdict) -> str:
    """Return ● for the winner, and ≈ for contenders that are equivalent to the best one."""
    if name == verdict.winner:
        return "●"
    if name in verdict.equivalent_contenders:
        return "≈"
    return " "


def _contender_cells(contender: Contender, part: str) -> list[str]:
    scores = contender.part(part)
    images = None if scores is None else scores.n
    return [
        percent(None if scores is None else scores.accuracy, images),
        percent_interval(None if scores is None else scores.interval, images),
        duration(contender.seconds.train),
        compact_count(contender.parameters),
        compact_count(contender.multiply_adds),
        milliseconds(contender.predict_ms_per_image),
    ]
