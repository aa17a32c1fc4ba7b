"""The page of `effects`: changes of one hyper-parameter at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import ClassVar

from headstart.formatting import counted, shorten
from headstart.report._study import Entry, Score, image_count, open_runs
from headstart.report.figures._difference_plot import DifferenceBar, differences_figure
from headstart.report.figures._learning_curves import (
    curve_grid,
    entries_with_curves,
    mean_curves,
    value_limits,
)
from headstart.report.figures._style import LIGHT
from headstart.report.pages._axes import (
    AccuracyAxis,
    AccuracyMarks,
    DifferenceAxis,
    DifferenceMarks,
    MeasuredDifference,
    difference_axis,
)
from headstart.report.pages._curves_section import PanelRow, small_panels
from headstart.report.pages._figure_values import effect_table
from headstart.report.pages._page import DrawFigure, Page, Provenance, recipe_table
from headstart.results import EffectResult, Effects, UnchangedRecipe

# The axis ends at this many times the median of what the rows need. Otherwise a change that reduces
# the model to guessing would turn all others into dots on zero.
MAX_MEDIANS = 6
_PLACES = {"helps": 0, "hurts": 1}  # accents; other outcomes have the colour of secondary text


@dataclass(frozen=True)
class ChangeRow:
    """One change.

    Attributes:
        entry: The change.
        marks: Marks of its accuracy.
        difference: Marks of its difference, or None if a run failed.
    """

    entry: Entry[EffectResult]
    marks: AccuracyMarks
    difference: DifferenceMarks | None

    @property
    def words(self) -> str:
        """The change in words, below the name of its hyper-parameter: "0.5", "mirrored"."""
        effect = self.entry.result
        return effect.label.removeprefix(f"{effect.hyperparameter} ")


@dataclass(frozen=True)
class ChangeGroup:
    """The changes of one hyper-parameter, with their learning curves if there are any."""

    name: str
    changes: tuple[ChangeRow, ...]
    curves: PanelRow | None


@dataclass(frozen=True, kw_only=True)
class EffectsPage(Page):
    """The page of an effects study.

    Attributes:
        finding: The finding.
        baseline: The unchanged recipe.
        baseline_marks: Marks of its accuracy.
        axis: Axis of the accuracies.
        differences: Axis of the differences.
        groups: The changes by hyper-parameter.
        outcomes: Number of changes by outcome.
    """

    template: ClassVar[str] = "effects.html.j2"

    finding: Effects
    baseline: Entry[UnchangedRecipe]
    baseline_marks: AccuracyMarks
    axis: AccuracyAxis
    differences: DifferenceAxis
    groups: tuple[ChangeGroup, ...]
    outcomes: dict[str, int]


def effects_page(folder: Path, finding: Effects) -> EffectsPage:
    """Return the page of an effects study."""
    baseline = _baseline_entry(folder, finding)
    changes = _change_entries(folder, finding)
    measured = _measured_differences(changes)
    limit = axis_reach(list(measured.values()))
    differences = difference_axis(list(measured.values()), limit)
    marks = dict(zip(measured, differences.rows, strict=True))

    # The axis of accuracies leaves out what lies beyond the axis of differences.
    inside = [entry for entry in changes if entry.name in marks and not marks[entry.name].beyond]
    axis = AccuracyAxis.around(entry.score for entry in [baseline, *inside])
    rows = [ChangeRow(entry, axis.marks(entry.score), marks.get(entry.name)) for entry in changes]
    return EffectsPage(
        headline=_headline(finding),
        lead=finding.sentence,
        part=finding.evaluated_on,
        images=image_count(finding.dataset, finding.evaluated_on),
        provenance=Provenance.of_finding(finding, [baseline, *changes]),
        recipes=recipe_table([(baseline, finding.baseline.recipe)]),
        figures=_figures(baseline, changes, measured, limit),
        tables={"effects": effect_table(finding.effects)},
        finding=finding,
        baseline=baseline,
        baseline_marks=axis.marks(baseline.score),
        axis=axis,
        differences=differences,
        groups=_groups(baseline, rows),
        outcomes={
            outcome: _count(finding, outcome)
            for outcome in ("helps", "hurts", "undecided", "failed")
        },
    )


def axis_reach(differences: Sequence[MeasuredDifference]) -> float:
    """Return the end of the axis of differences on either side of zero."""
    if not differences:
        return 1e-3
    return max(MAX_MEDIANS * median(difference.reach for difference in differences), 1e-3)


def _baseline_entry(folder: Path, finding: Effects) -> Entry[UnchangedRecipe]:
    baseline = finding.baseline
    images = image_count(finding.dataset, finding.evaluated_on)
    runs = open_runs(folder, baseline.runs)
    score = Score.of_spread(baseline.accuracy, baseline.loss, images)
    return Entry("baseline", None, score, baseline, runs, runs[0] if runs else None)


def _change_entries(folder: Path, finding: Effects) -> list[Entry[EffectResult]]:
    images = image_count(finding.dataset, finding.evaluated_on)
    entries: list[Entry[EffectResult]] = []
    for effect in finding.effects:
        runs = open_runs(folder, effect.runs)
        score = Score.of_spread(effect.accuracy, effect.loss, images)
        place = _PLACES.get(effect.outcome)
        representative = runs[0] if runs else None
        entries.append(Entry(effect.label, place, score, effect, runs, representative))
    return entries


def _measured_differences(
    changes: Sequence[Entry[EffectResult]],
) -> dict[str, MeasuredDifference]:
    """Return the differences from the baseline by name, without those of failed changes."""
    measured: dict[str, MeasuredDifference] = {}
    for entry in changes:
        effect = entry.result
        if effect.difference is not None:
            measured[entry.name] = MeasuredDifference(
                effect.difference,
                effect.interval,
                effect.smallest_detectable,
                is_significant=effect.outcome in _PLACES,
            )
    return measured


def _groups(baseline: Entry[UnchangedRecipe], rows: Sequence[ChangeRow]) -> tuple[ChangeGroup, ...]:
    drawn = _entries_with_mean_curves([baseline, *(row.entry for row in rows)])
    reference = drawn.pop(baseline.name, None)
    limits = value_limits([*drawn.values(), *([] if reference is None else [reference])], "loss")

    groups: list[ChangeGroup] = []
    for number, name in enumerate(dict.fromkeys(row.entry.result.hyperparameter for row in rows)):
        changes = tuple(row for row in rows if row.entry.result.hyperparameter == name)
        curves = [drawn[row.entry.name] for row in changes if row.entry.name in drawn]
        panels = None
        if curves:
            panels = small_panels(curves, "loss", limits, f"change{number}-", reference)
        groups.append(ChangeGroup(name, changes, panels))
    return tuple(groups)


def _entries_with_mean_curves(entries: Sequence[Entry[object]]) -> dict[str, Entry[object]]:
    return {entry.name: mean_curves(entry) for entry in entries_with_curves(entries)}


def _figures(
    baseline: Entry[UnchangedRecipe],
    changes: Sequence[Entry[EffectResult]],
    measured: dict[str, MeasuredDifference],
    limit: float,
) -> dict[str, DrawFigure]:
    figures: dict[str, DrawFigure] = {}
    if measured:
        bars = [_bar(entry, measured[entry.name]) for entry in changes if entry.name in measured]
        figures["effects"] = partial(differences_figure, bars, limit)

    drawn = _entries_with_mean_curves([baseline, *changes])
    reference = drawn.pop(baseline.name, None)
    if drawn:
        compared = [*drawn.values(), *([] if reference is None else [reference])]
        limits = value_limits(compared, "loss")
        figures["curves"] = partial(curve_grid, list(drawn.values()), "loss", limits, reference)
    return figures


def _bar(entry: Entry[EffectResult], measured: MeasuredDifference) -> DifferenceBar:
    return DifferenceBar(
        f"{shorten(entry.name, 30)}: {entry.result.outcome}",
        measured.difference,
        measured.interval or (measured.difference, measured.difference),
        measured.detectable,
        LIGHT.accent(entry.place),
        is_significant=measured.is_significant,
    )


def _headline(finding: Effects) -> str:
    subject = f"{finding.model} on {finding.dataset.name}"
    helps, hurts = _count(finding, "helps"), _count(finding, "hurts")
    if not helps and not hurts:
        return f"No significant effect for {subject}"
    changes = counted(len(finding.effects), "change")
    return (
        f"Of {changes}, {helps} {'helps' if helps == 1 else 'help'} {subject} "
        f"and {hurts} {'hurts' if hurts == 1 else 'hurt'}"
    )


def _count(finding: Effects, outcome: str) -> int:
    return sum(effect.outcome == outcome for effect in finding.effects)
