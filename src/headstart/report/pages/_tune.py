"""The page of `tune`: the search, and the comparison of its best recipe with the defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from headstart.formatting import setting
from headstart.report._study import contender_entries, image_count, ranked_trials
from headstart.report.figures._canvas import inline_by_width, inline_svg
from headstart.report.figures._search import (
    MAX_SETTINGS,
    importance_figure,
    progress_figure,
    ranked_importance,
    setting_axes,
    trials_figure,
)
from headstart.report.pages._compare import (
    ComparisonSections,
    comparison_sections,
    comparison_tables,
    part_suffix,
)
from headstart.report.pages._figure_values import importance_table, trial_table
from headstart.report.pages._page import DrawFigure, Page, Provenance, SettingRow, recipe_table
from headstart.results import JsonObject, Trial, Tuning

if TYPE_CHECKING:
    from markupsafe import Markup

MAX_TRIALS_LISTED = 15


@dataclass(frozen=True)
class ImportanceRow:
    """The importance of a hyper-parameter, and the width of its bar from 0 to 1."""

    key: str
    share: float
    width: float


@dataclass(frozen=True)
class SearchSections:
    """The sections about the search.

    Attributes:
        finding: The finding.
        sentences: The finding in words, without the sentence of the verdict.
        best: Each hyper-parameter with the best and the default value.
        are_defaults_kept: True if the classifier to use is that of the defaults.
        keys: The hyper-parameters, the most important first.
        importance: Their importance.
        hidden_settings: Number of hyper-parameters that the figure of all trials leaves out.
        trials: The best trials.
        failed: The failed trials.
        scored: Number of trials with a score.
        unfinished: Number of unfinished trials.
        ties: Number of trials that are not significantly worse than the best one.
        progress_svgs: Figures of the progress, by width; empty without a history.
        trials_svg: Figure of all trials, or None.
    """

    finding: Tuning
    sentences: tuple[str, ...]
    best: tuple[SettingRow, ...]
    are_defaults_kept: bool
    keys: tuple[str, ...]
    importance: tuple[ImportanceRow, ...]
    hidden_settings: int
    trials: tuple[Trial, ...]
    failed: tuple[Trial, ...]
    scored: int
    unfinished: int
    ties: int
    progress_svgs: tuple[tuple[str, Markup], ...]
    trials_svg: Markup | None


@dataclass(frozen=True, kw_only=True)
class TunePage(Page):
    """The page of a search."""

    template: ClassVar[str] = "tune.html.j2"

    search: SearchSections
    comparison: ComparisonSections


def tune_page(folder: Path, finding: Tuning) -> TunePage:
    """Return the page of a search."""
    entries = contender_entries(folder, finding.contenders, finding.evaluated_on)
    comparison, comparison_figures = comparison_sections(folder, finding, entries)
    return TunePage(
        headline=_headline(finding),
        lead=finding.verdict.sentence,
        part=finding.evaluated_on,
        images=image_count(finding.dataset, finding.evaluated_on),
        provenance=Provenance.of_finding(finding, entries),
        recipes=recipe_table([(entry, entry.result.recipe) for entry in entries]),
        figures=_search_figures(finding) | comparison_figures,
        winner=comparison.winner,
        pooled=comparison.pooled,
        tables=comparison_tables(folder, finding, comparison, entries)
        | {
            "importance": importance_table(ranked_importance(finding)),
            "trials": trial_table(finding),
        },
        search=_search_sections(finding),
        comparison=comparison,
    )


def _search_figures(finding: Tuning) -> dict[str, DrawFigure]:
    figures: dict[str, DrawFigure] = {}
    if finding.history:
        figures["progress"] = partial(progress_figure, finding)
    if finding.importance:
        figures["importance"] = partial(importance_figure, finding)
    if len(ranked_trials(finding.trials)) > 1 and setting_axes(finding):
        figures["trials"] = partial(trials_figure, finding)
    return figures


def _search_sections(finding: Tuning) -> SearchSections:
    ranked = ranked_trials(finding.trials)
    axes = setting_axes(finding)
    importance = ranked_importance(finding)
    largest = (importance[0][1] if importance else 0.0) or 1.0
    figures = _search_figures(finding)

    return SearchSections(
        finding=finding,
        sentences=tuple(
            sentence for sentence in finding.sentences if sentence != finding.verdict.sentence
        ),
        best=tuple(
            SettingRow(key, (setting(value), setting(finding.defaults.get(key))))
            for key, value in _best_of_search(finding).items()
        ),
        are_defaults_kept=finding.best == finding.defaults,
        keys=_trial_keys(finding, [axis.key for axis in axes]),
        importance=tuple(ImportanceRow(key, share, share / largest) for key, share in importance),
        hidden_settings=len(axes[MAX_SETTINGS:]),
        trials=tuple(ranked[:MAX_TRIALS_LISTED]),
        failed=tuple(trial for trial in finding.trials if trial.state == "failed"),
        scored=len(ranked),
        unfinished=sum(trial.state == "unfinished" for trial in finding.trials),
        ties=sum(trial.is_tie and not trial.is_best for trial in ranked),
        progress_svgs=(
            inline_by_width(partial(progress_figure, finding), "progress")
            if "progress" in figures
            else ()
        ),
        trials_svg=_drawn(figures.get("trials"), "trials"),
    )


def _trial_keys(finding: Tuning, first: Sequence[str]) -> tuple[str, ...]:
    """Return the hyper-parameters of the trials, with some of them first."""
    keys = dict.fromkeys([*first, *finding.best])
    return tuple(key for key in keys if any(key in trial.values for trial in finding.trials))


def _best_of_search(finding: Tuning) -> JsonObject:
    """Return the values of the recipe that is compared with the defaults, else of the best trial.

    `finding.best` has the values to use. They are the defaults if these win in the final runs. In a
    short search, these are trials, so that the best trial may be the defaults as well. Defaults
    that were continued have more epochs than their trial.
    """
    runs: set[str] = set()
    for contender in finding.contenders:
        if contender.name == "tuned":
            runs.update(contender.runs)
    for trial in finding.trials:
        if any(rung.run in runs for rung in trial.rungs):
            return trial.values
    best = [trial.values for trial in finding.trials if trial.is_best]
    values = best[0] if best else finding.best
    continued = [contender for contender in finding.contenders if contender.name == "tuned"]
    if not continued or len(finding.trials) != 1:  # Only a single trial is continued.
        return values
    return {**values, "epochs": continued[0].epochs[0]}


def _drawn(draw: DrawFigure | None, prefix: str) -> Markup | None:
    return None if draw is None else inline_svg(draw(), prefix)


def _headline(finding: Tuning) -> str:
    subject = f"{finding.model} on {finding.dataset.name}{part_suffix(finding.evaluated_on)}"
    verdict = finding.verdict
    if verdict.winner == "tuned":
        return f"Tuning improves {subject}"
    if verdict.winner is not None:
        return f"The {verdict.winner} are better than the tuned {subject}"
    if verdict.pairs:
        return f"Tuning does not significantly improve {subject}"
    if finding.best == finding.defaults:
        return f"No better settings than the defaults for {subject}"
    return f"No verdict on the tuned {subject}"
