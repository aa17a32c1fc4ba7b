"""The page of `lr`: scores against the learning rate, learning curves, and the range test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from headstart.formatting import setting
from headstart.report._study import Entry, Score, image_count, open_runs
from headstart.report.figures._canvas import inline_svg
from headstart.report.figures._learning_curves import (
    METRICS,
    Limits,
    Metric,
    curve_grid,
    entries_with_curves,
    value_limits,
)
from headstart.report.figures._learning_rates import (
    largest_loss_shown,
    measured_scores,
    range_test_figure,
    score_panel,
    scores_figure,
)
from headstart.report.pages._axes import AccuracyAxis, AccuracyMarks
from headstart.report.pages._curves_section import PanelRow, small_panels
from headstart.report.pages._page import (
    DrawFigure,
    Page,
    Provenance,
    recipe_table,
    representative_recipes,
)
from headstart.results import EvaluationPart, LearningRateResult, LearningRates

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class RateRow:
    """One learning rate in the results table."""

    entry: Entry[LearningRateResult]
    marks: AccuracyMarks


@dataclass(frozen=True)
class RateFailure:
    """Seeds of one learning rate that failed with the same message."""

    name: str
    seeds: tuple[int, ...]
    message: str


@dataclass(frozen=True, kw_only=True)
class LearningRatesPage(Page):
    """The page of a learning-rate study.

    Attributes:
        finding: The finding.
        score_panels: Figures of accuracy and loss; none if no run finished.
        axis: Axis of the accuracies in the results table.
        rows: The learning rates.
        parts: Parts of the split whose loss the table shows.
        failures: The failed runs.
        curves: Learning curves, one row per metric.
        range_svg: Figure of the range test, or None.
    """

    template: ClassVar[str] = "lr.html.j2"

    finding: LearningRates
    score_panels: tuple[tuple[Metric, Markup], ...]
    axis: AccuracyAxis
    rows: tuple[RateRow, ...]
    parts: tuple[EvaluationPart, ...]
    failures: tuple[RateFailure, ...]
    curves: tuple[PanelRow, ...]
    range_svg: Markup | None


def learning_rates_page(folder: Path, finding: LearningRates) -> LearningRatesPage:
    """Return the page of a learning-rate study."""
    entries = _entries(folder, finding)
    best = next((entry for entry in entries if entry.result.is_best), None)
    axis = AccuracyAxis.around(entry.score for entry in entries if entry.place is not None)
    has_scores = bool(measured_scores(finding, "accuracy"))
    with_curves = entries_with_curves(entries)
    range_svg = None
    if finding.range_test is not None:
        range_svg = inline_svg(range_test_figure(finding, finding.range_test), "range")

    return LearningRatesPage(
        headline=_headline(finding),
        lead=finding.sentence,
        part=finding.evaluated_on,
        images=image_count(finding.dataset, finding.evaluated_on),
        provenance=Provenance.of_finding(finding, entries),
        recipes=recipe_table(representative_recipes(entries if best is None else [best])[:1]),
        figures=_figures(finding, with_curves),
        winner=best,
        finding=finding,
        score_panels=_score_panels(finding) if has_scores else (),
        axis=axis,
        rows=tuple(RateRow(entry, axis.marks(entry.score)) for entry in entries),
        parts=_parts(finding),
        failures=tuple(_failures(entries)),
        curves=tuple(
            small_panels(with_curves, metric, _curve_limits(finding, with_curves, metric), metric)
            for metric in METRICS
            if with_curves
        ),
        range_svg=range_svg,
    )


def _parts(finding: LearningRates) -> tuple[EvaluationPart, ...]:
    if finding.cross_validation is not None:
        return ("test",)
    return ("test", "validation") if finding.evaluated_on == "test" else ("validation",)


def _entries(folder: Path, finding: LearningRates) -> tuple[Entry[LearningRateResult], ...]:
    """Return the learning rates as rows; the good ones share the first accent."""
    images = image_count(finding.dataset, finding.evaluated_on)
    entries: list[Entry[LearningRateResult]] = []
    for rate in finding.rates:
        scores = rate.part(finding.evaluated_on)
        score = Score()
        if scores is not None:
            score = Score.of_spread(scores.accuracy, scores.loss, images)
        runs = open_runs(folder, rate.runs)
        entries.append(
            Entry(
                f"{rate.lr:g}",
                0 if rate.as_good or rate.is_best else None,
                score,
                rate,
                runs,
                runs[0] if runs else None,
            )
        )
    return tuple(entries)


def _figures(finding: LearningRates, with_curves: Sequence[Entry[object]]) -> dict[str, DrawFigure]:
    figures: dict[str, DrawFigure] = {}
    if measured_scores(finding, "accuracy"):
        figures["learning-rates"] = partial(scores_figure, finding)
    for metric in METRICS if with_curves else ():
        limits = _curve_limits(finding, with_curves, metric)
        figures[f"curves-{metric}"] = partial(curve_grid, with_curves, metric, limits)
    if finding.range_test is not None:
        figures["range-test"] = partial(range_test_figure, finding, finding.range_test)
    return figures


def _score_panels(finding: LearningRates) -> tuple[tuple[Metric, Markup], ...]:
    metrics: tuple[Metric, ...] = ("accuracy", "loss")
    return tuple(
        (metric, inline_svg(score_panel(finding, metric), f"score-{metric}")) for metric in metrics
    )


def _curve_limits(
    finding: LearningRates, entries: Sequence[Entry[object]], metric: Metric
) -> Limits:
    low, high = value_limits(entries, metric)
    return (low, high) if metric == "accuracy" else (low, min(high, largest_loss_shown(finding)))


def _failures(entries: Sequence[Entry[LearningRateResult]]) -> list[RateFailure]:
    """Return the failed runs; seeds with the same message are listed together."""
    failures: list[RateFailure] = []
    for entry in entries:
        seeds: dict[str, list[int]] = {}
        for failure in entry.result.failures:
            seeds.setdefault(failure.message or "diverged", []).append(failure.seed)
        failures += [
            RateFailure(entry.name, tuple(same), message) for message, same in seeds.items()
        ]
    return failures


def _headline(finding: LearningRates) -> str:
    subject = f"{finding.model} on {finding.dataset.name}"
    if finding.best is None:
        return f"No learning rate worked for {subject}"
    return f"{setting(finding.best)} is the best learning rate for {subject}"
