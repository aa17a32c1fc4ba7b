"""The terminal table of `lr`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.formatting import (
    loss,
    points,
    points_interval,
    setting,
)
from headstart.report._study import image_count
from headstart.report.terminal._tables import (
    MARKS_NOTE,
    ResponsiveTable,
    finding_group,
    interval_text,
    mark,
    mean_text,
    new_table,
    number,
    sentences,
    text,
)
from headstart.results import (
    LearningRateResult,
    LearningRates,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text


def lr_table(finding: LearningRates) -> RenderableType:
    """Return a table of learning rates, with the finding in words below."""
    return ResponsiveTable(lambda _: _learning_rates_group(finding))


def _learning_rates_group(finding: LearningRates) -> RenderableType:
    range_test = [] if finding.range_test is None else [finding.range_test.sentence]
    return finding_group(
        finding,
        _learning_rates_table(finding),
        *sentences([_marks_note(finding)], "dim"),
        *sentences([finding.sentence], "bold"),
        *sentences(range_test),
        notes=finding.notes,
    )


def _learning_rates_table(finding: LearningRates) -> Table:
    table = new_table(
        text(""),
        number("lr"),
        number(finding.evaluated_on),
        number("95% interval"),
        number("loss"),
        number("vs best"),
        number("95% interval"),
        number("diverged"),
    )
    images = image_count(finding.dataset, finding.evaluated_on)
    for rate in finding.rates:
        scores = rate.part(finding.evaluated_on)
        accuracy, difference = None if scores is None else scores.accuracy, rate.difference
        style = "" if scores is not None else "dim"
        table.add_row(
            _mark(rate),
            setting(rate.lr),
            mean_text(accuracy, images),
            interval_text(accuracy, images),
            loss(None if scores is None else scores.loss.mean),
            points(None if difference is None else difference.difference, signed=True),
            points_interval(None if difference is None else difference.interval),
            _divergence(rate, finding.best),
            style="bold" if rate.is_best else style,
        )
    return table


def _divergence(rate: LearningRateResult, best: float | None) -> str:
    """Return at how many seeds training diverged. A rate below the best one is too low for that."""
    diverged = len(rate.diverged_seeds)
    if not diverged:
        return ""
    if best is not None and rate.lr < best:
        return "too low"
    return f"{diverged} of {len(rate.runs) + len(rate.failures)}"


def _mark(rate: LearningRateResult) -> Text:
    from rich.text import Text

    if rate.varies_more:
        return Text("~", style="yellow")
    return mark(is_best=rate.is_best, as_good=rate.as_good)


def _marks_note(finding: LearningRates) -> str:
    if any(rate.varies_more for rate in finding.rates):
        return f"{MARKS_NOTE}, ~ varies significantly more over seeds"
    return MARKS_NOTE
