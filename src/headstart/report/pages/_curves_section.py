"""The section of learning curves: panels for a page, and accuracies of runs without curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from headstart.report._study import Entries, Entry, Score
from headstart.report.figures._canvas import inline_svg
from headstart.report.figures._learning_curves import (
    METRICS,
    AxisLimits,
    Limits,
    Metric,
    curve_panel,
    curves_figure,
    entries_with_curves,
    epoch_limits,
    has_curve,
    small_curve_panel,
    value_limits,
)
from headstart.report.figures._part_scores import PartScore, part_scores, part_scores_figure
from headstart.report.figures._style import LIGHT
from headstart.report.pages._axes import AccuracyAxis, AccuracyMarks
from headstart.report.pages._figure_values import FigureTable, part_score_table
from headstart.report.pages._page import DrawFigure
from headstart.results import DatasetSummary

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class PanelRow:
    """Panels of one metric, one per entry."""

    metric: Metric
    panels: tuple[tuple[Entry[object], Markup], ...]

    @property
    def has_other_runs(self) -> bool:
        """True if a panel has thin curves of other runs beside the thick ones."""
        return any(sum(map(has_curve, entry.runs)) > 1 for entry, _ in self.panels)


@dataclass(frozen=True)
class ScoresByPart:
    """The accuracies of a run that has no learning curves.

    Attributes:
        entry: The entry of the run.
        is_solved: True if L-BFGS solved for the head, False if training was too short.
        rows: The accuracy on each part of the split, with its marks.
    """

    entry: Entry[object]
    is_solved: bool
    rows: tuple[tuple[PartScore, AccuracyMarks], ...]


@dataclass(frozen=True)
class CurvesSection:
    """The section of learning curves.

    Attributes:
        rows: One row of panels per metric; none without curves.
        without_curves: The entries that have runs, but no curves.
        axis: The axis of the accuracies of those.
    """

    rows: tuple[PanelRow, ...]
    without_curves: tuple[ScoresByPart, ...]
    axis: AccuracyAxis


def curves_section(entries: Entries, dataset: DatasetSummary) -> CurvesSection:
    """Return the panels of all entries with curves, and the accuracies of the others."""
    with_curves = entries_with_curves(entries)
    epochs = epoch_limits(with_curves)
    rows: list[PanelRow] = []
    for metric in METRICS if with_curves else ():
        values = value_limits(with_curves, metric)
        panels: list[tuple[Entry[object], Markup]] = []
        for number, entry in enumerate(with_curves):
            limits = AxisLimits(epochs[entry.name], values)
            figure = curve_panel(entry, metric, limits, len(with_curves))
            svg = inline_svg(figure, f"{metric}{number}", LIGHT.accent(entry.place))
            panels.append((entry, svg))
        rows.append(PanelRow(metric, tuple(panels)))

    scored = _scores_without_curves(entries, dataset)
    all_scores: list[Score] = []
    for _, scores in scored:
        all_scores += map(_as_score, scores)
    axis = AccuracyAxis.around(all_scores)
    without_curves = tuple(
        ScoresByPart(
            entry,
            entry.representative is not None and entry.representative.is_solved,
            tuple((score, axis.marks(_as_score(score))) for score in scores),
        )
        for entry, scores in scored
    )
    return CurvesSection(tuple(rows), without_curves, axis)


def curve_figures(entries: Entries, dataset: DatasetSummary) -> dict[str, DrawFigure]:
    """Return the functions that draw the files of the section."""
    figures: dict[str, DrawFigure] = {}
    if with_curves := entries_with_curves(entries):
        figures["curves"] = partial(curves_figure, with_curves)
    if scored := _scores_without_curves(entries, dataset):
        figures["accuracy-by-part"] = partial(part_scores_figure, scored)
    return figures


def curve_tables(entries: Entries, dataset: DatasetSummary) -> dict[str, FigureTable]:
    """Return the values of the figure of accuracies by part. Those of curves are in their lines."""
    scored = _scores_without_curves(entries, dataset)
    return {"accuracy-by-part": part_score_table(scored)} if scored else {}


def small_panels(
    entries: Entries,
    metric: Metric,
    values: Limits,
    prefix: str,
    reference: Entry[object] | None = None,
) -> PanelRow:
    """Return one row of small panels.

    Args:
        entries: The entries.
        metric: The metric.
        values: Limits of the vertical axis.
        prefix: Prefix of the identifiers in the panels.
        reference: An entry whose curves are drawn wide and pale in every panel.
    """
    compared = entries if reference is None else [*entries, reference]
    epochs = epoch_limits(compared)
    panels: list[tuple[Entry[object], Markup]] = []
    for number, entry in enumerate(entries):
        limits = AxisLimits(epochs[entry.name], values)
        figure = small_curve_panel(entry, metric, limits, reference)
        svg = inline_svg(figure, f"{prefix}{number}", LIGHT.accent(entry.place))
        panels.append((entry, svg))
    return PanelRow(metric, tuple(panels))


def _scores_without_curves(
    entries: Entries, dataset: DatasetSummary
) -> list[tuple[Entry[object], Sequence[PartScore]]]:
    with_curves = {entry.name for entry in entries_with_curves(entries)}
    scored: list[tuple[Entry[object], Sequence[PartScore]]] = []
    for entry in entries:
        run = entry.representative
        if entry.name in with_curves or run is None or not run.curves:
            continue
        scored.append((entry, part_scores(run, dataset)))
    return scored


def _as_score(score: PartScore) -> Score:
    return Score(score.accuracy, score.interval, score.images)
