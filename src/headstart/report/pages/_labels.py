"""The page of `labels`: accuracy against labels per class, and the labels needed for a match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from headstart.formatting import ABSENT, count, counted, interpolated_count, ratio
from headstart.report._study import Entry, Score, image_count, open_runs
from headstart.report.figures._canvas import PAGE, PHONE, inline_by_width
from headstart.report.figures._label_curves import is_bounded, label_curves_figure
from headstart.report.pages._page import Page, Provenance, recipe_table, representative_recipes
from headstart.results import (
    LabelComparison,
    LabelContender,
    LabelCurves,
    LabelDifference,
    LabelEstimate,
    LabelMatch,
    LabelPoint,
)

if TYPE_CHECKING:
    from markupsafe import Markup

_SIZES = {"wide": (PAGE, 4.1), "narrow": (PHONE, 4.0)}  # inches


@dataclass(frozen=True)
class PointRow:
    """One contender with one number of labels, and its difference from the reference contender."""

    entry: Entry[LabelContender]
    point: LabelPoint
    difference: LabelDifference | None


@dataclass(frozen=True)
class MatchRow:
    """The labels that the follower needs to match the leader, as text."""

    match: LabelMatch
    needs: str
    factor: str
    factor_interval: str


@dataclass(frozen=True)
class MatchTable:
    """The matches of one comparison."""

    comparison: LabelComparison
    rows: tuple[MatchRow, ...]


@dataclass(frozen=True)
class MainMatch:
    """The main result of the study, as text.

    Attributes:
        leader: Contender that is ahead with few labels.
        follower: The other contender.
        match: The first significant difference.
        factor: Ratio of the labels that the follower needs.
        is_bounded: False if only "more" or "fewer" labels are known.
        crossing: Number of labels at which the curves cross.
        crossing_interval: 95% interval of that number; may be empty.
    """

    leader: str
    follower: str
    match: LabelMatch
    factor: str
    is_bounded: bool
    crossing: str
    crossing_interval: str


@dataclass(frozen=True, kw_only=True)
class LabelsPage(Page):
    """The page of a label study.

    Attributes:
        finding: The finding.
        svgs: The figure for a wide and a narrow screen.
        main: The main result, or None if the study found none.
        rows: All points of all curves.
        matches: The matches of each comparison that has any.
        unmatched: The sentences of the other comparisons.
    """

    template: ClassVar[str] = "labels.html.j2"

    finding: LabelCurves
    svgs: tuple[tuple[str, Markup], ...]
    main: MainMatch | None
    rows: tuple[PointRow, ...]
    matches: tuple[MatchTable, ...]
    unmatched: tuple[str, ...]


def labels_page(folder: Path, finding: LabelCurves) -> LabelsPage:
    """Return the page of a label study."""
    entries = _entries(folder, finding)
    main = _main_match(finding)
    winner = next((entry for entry in entries if main and entry.name == main.leader), None)
    svgs = inline_by_width(partial(label_curves_figure, finding, entries), "curves", _SIZES)
    title = headline(finding)
    return LabelsPage(
        headline=title,
        lead=finding.sentence,
        part=finding.evaluated_on,
        images=image_count(finding.dataset, finding.evaluated_on),
        provenance=Provenance.of_finding(finding, entries),
        recipes=recipe_table(representative_recipes(entries)),
        figures={"labels": partial(label_curves_figure, finding, entries, _SIZES["wide"], title)},
        winner=winner,
        finding=finding,
        svgs=svgs,
        main=main,
        rows=tuple(_point_rows(finding, entries)),
        matches=tuple(
            MatchTable(comparison, _match_rows(comparison, finding.per_class))
            for comparison in finding.comparisons
            if comparison.matches
        ),
        unmatched=tuple(
            comparison.sentence for comparison in finding.comparisons if not comparison.matches
        ),
    )


def headline(finding: LabelCurves) -> str:
    """Return the title: the labels that match, or who is ahead, or that nobody is."""
    name = finding.dataset.name
    if finding.main is None:
        return f"{finding.compared_with} on {name}"
    comparison = finding.comparisons[finding.main]
    if comparison.leader is None:
        return f"No significant difference on {name}"
    if comparison.match is None:
        return f"{comparison.leader} is ahead of {comparison.follower} on {name}"

    match = comparison.matches[comparison.match]
    labels = f"{counted(match.per_class, 'label')} per class with {comparison.leader}"
    if not is_bounded(match, finding.per_class):
        more = "more" if match.needs.where == "above" else "fewer"
        return f"On {name}, {comparison.follower} needs {more} labels than {comparison.leader}"
    worth = _labels_text(match.needs, finding.per_class)
    return f"On {name}, {labels} are worth {worth} with {comparison.follower}"


def _entries(folder: Path, finding: LabelCurves) -> tuple[Entry[LabelContender], ...]:
    images = image_count(finding.dataset, finding.evaluated_on)
    entries: list[Entry[LabelContender]] = []
    for place, contender in enumerate(finding.contenders):
        last = contender.last_point
        runs = open_runs(folder, last.runs)
        score = Score.of_spread(last.accuracy, last.loss, images)
        representative = runs[0] if runs else None
        entries.append(Entry(contender.name, place, score, contender, runs, representative))
    return tuple(entries)


def _main_match(finding: LabelCurves) -> MainMatch | None:
    if finding.main is None:
        return None
    comparison = finding.comparisons[finding.main]
    if comparison.leader is None or comparison.follower is None or comparison.match is None:
        return None
    match = comparison.matches[comparison.match]
    crossing, interval = _crossing_text(comparison.crossing, finding.per_class)
    return MainMatch(
        comparison.leader,
        comparison.follower,
        match,
        _factor_text(match, finding.per_class),
        is_bounded(match, finding.per_class),
        crossing,
        interval,
    )


def _labels_text(needs: LabelEstimate, counts: Sequence[int]) -> str:
    if needs.per_class is not None:
        return interpolated_count(needs.per_class)
    if needs.where == "above":
        return f"more than {count(counts[-1])}"
    return f"fewer than {count(counts[0])}"


def _factor_text(match: LabelMatch, counts: Sequence[int]) -> str:
    if match.factor is not None:
        return ratio(match.factor)
    if not is_bounded(match, counts):
        return "more" if match.needs.where == "above" else "less"
    if match.needs.where == "above":
        return f"more than {ratio(counts[-1] / match.per_class)}"
    return f"less than {ratio(counts[0] / match.per_class)}"


def _crossing_text(crossing: LabelEstimate | None, counts: Sequence[int]) -> tuple[str, str]:
    """Return the labels from which the follower stays ahead, and their 95% interval."""
    if crossing is None:
        return ABSENT, ""
    low, high = crossing.interval
    if crossing.where == "above":
        may_be_inside = low is not None and low < counts[-1]
        interval = f"perhaps from {interpolated_count(low)}" if low and may_be_inside else ""
        return f"not with up to {count(counts[-1])}", interval
    if crossing.where == "below" or crossing.per_class is None:
        return f"from fewer than {count(counts[0])}", ""

    start = f"fewer than {count(counts[0])}" if low is None else interpolated_count(low)
    end = f"more than {count(counts[-1])}" if high is None else interpolated_count(high)
    return f"from {interpolated_count(crossing.per_class)}", f"{start} to {end}"


def _point_rows(finding: LabelCurves, entries: Sequence[Entry[LabelContender]]) -> list[PointRow]:
    differences: dict[tuple[str, int], LabelDifference] = {}
    for comparison in finding.comparisons:
        for difference in comparison.differences:
            differences[comparison.a, difference.per_class] = difference

    rows: list[PointRow] = []
    for entry in entries:
        for point in entry.result.points:
            rows.append(PointRow(entry, point, differences.get((entry.name, point.per_class))))
    return rows


def _match_rows(comparison: LabelComparison, counts: Sequence[int]) -> tuple[MatchRow, ...]:
    rows: list[MatchRow] = []
    for match in comparison.matches:
        low, high = match.factor_interval
        start = "any" if low is None else ratio(low)
        end = "any" if high is None else ratio(high)
        interval = "any" if low is None and high is None else f"{start} to {end}"
        per_class = match.needs.per_class
        needs = ABSENT if per_class is None else interpolated_count(per_class)
        rows.append(MatchRow(match, needs, _factor_text(match, counts), interval))
    return tuple(rows)
