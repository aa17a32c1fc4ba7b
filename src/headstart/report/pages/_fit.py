"""The page of `fit`: the chosen classifier, and the score of each candidate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from headstart.formatting import counted, duration, percent
from headstart.report._study import Entry, Score, image_count, open_run, open_runs
from headstart.report.figures._canvas import inline_by_width
from headstart.report.figures._confusion_figure import confusion_figure
from headstart.report.figures._fit_progress import fit_progress_figure
from headstart.report.pages._class_section import ClassSection, class_section
from headstart.report.pages._confusion_section import ConfusionMatrix, confusion_matrices
from headstart.report.pages._curves_section import (
    CurvesSection,
    curve_figures,
    curve_tables,
    curves_section,
)
from headstart.report.pages._figure_values import confusion_table
from headstart.report.pages._images_section import ImagesSection, images_section
from headstart.report.pages._page import DrawFigure, Page, Provenance, recipe_table
from headstart.results import FitFinding

if TYPE_CHECKING:
    from markupsafe import Markup

_CHOSEN = "classifier"
_LEAD = 2  # sentences of the finding below the title


@dataclass(frozen=True, kw_only=True)
class FitPage(Page):
    """The page of a fit.

    Attributes:
        finding: The finding.
        progress_svgs: Figures of the progress, by width.
        curves: Learning curves of the members that were trained by steps.
        matrices: Confusion matrix of the classifier.
        classes: Its scores per class.
        entry: The classifier as a row.
        notes: The sentences of the finding that follow those of the lead.
        images_behind: The images behind its errors; None if its run kept none.
    """

    template: ClassVar[str] = "fit.html.j2"

    finding: FitFinding
    progress_svgs: tuple[tuple[str, Markup], ...]
    curves: CurvesSection
    matrices: tuple[ConfusionMatrix, ...]
    classes: ClassSection
    entry: Entry[object]
    notes: tuple[str, ...]
    images_behind: ImagesSection | None

    @property
    def selection_against_test(self) -> str:
        """A sentence that compares the score of the selection with that of the test images."""
        test = self.finding.test
        if test is None:
            return ""
        selection = self.finding.cross_validated or self.finding.validation
        place = "within"
        if selection.accuracy > test.interval[1]:
            place = "above"
        elif selection.accuracy < test.interval[0]:
            place = "below"
        name = (
            "validation accuracy"
            if self.finding.cross_validated is None
            else "cross-validated accuracy"
        )
        return (
            f"The {name} of {percent(selection.accuracy, selection.n)} is {place} the 95% interval "
            f"of the test accuracy, which is based on {counted(test.n, 'test image')}."
        )


def fit_page(folder: Path, finding: FitFinding) -> FitPage:
    """Return the page of a fit."""
    part = finding.evaluated_on
    chosen = open_run(folder / finding.runs[0])
    scores = None if chosen is None else chosen.scores(part)
    runs = () if chosen is None else (chosen,)
    entry: Entry[object] = Entry(_CHOSEN, 0, Score.from_result(scores), finding, runs, chosen)
    members = _member_entries(folder, finding)

    matrices = confusion_matrices([entry], part, finding.dataset.class_names)
    images, pooled = images_section(matrices, part, finding.dataset.class_names)
    tables = curve_tables(members, finding.dataset)
    figures: dict[str, DrawFigure] = {"progress": partial(fit_progress_figure, finding)}
    figures |= curve_figures(members, finding.dataset)
    for matrix in matrices:
        figures["confusion"] = partial(
            confusion_figure,
            entry,
            matrix.counts,
            finding.dataset.class_names,
            matrix.largest,
            matrix.pairs,
        )
        tables["confusion"] = confusion_table(matrix.counts, finding.dataset.class_names)
    return FitPage(
        headline=_headline(finding),
        lead=" ".join(finding.sentences[:_LEAD]),
        part=part,
        images=image_count(finding.dataset, part),
        provenance=Provenance.of_finding(finding, [entry, *members]),
        recipes=recipe_table(
            [
                (member, member.representative.metrics.recipe)
                for member in members
                if member.representative is not None and member.representative.metrics is not None
            ]
        ),
        figures=figures,
        tables=tables,
        pooled=pooled,
        images_behind=images,
        winner=entry,
        finding=finding,
        progress_svgs=inline_by_width(partial(fit_progress_figure, finding), "progress"),
        curves=curves_section(members, finding.dataset),
        matrices=tuple(matrices),
        classes=class_section([entry], part, finding.dataset.class_names),
        entry=entry,
        notes=tuple(finding.sentences[_LEAD:]),
    )


def _member_entries(folder: Path, finding: FitFinding) -> list[Entry[object]]:
    """Return the runs that the classifier consists of as rows."""
    runs = {rung.name: rung.run for rung in finding.tried}
    entries: list[Entry[object]] = []
    for place, member in enumerate(finding.chosen.members):
        name = runs.get(member.name)
        opened = open_runs(folder, [] if name is None else [name])
        run = opened[0] if opened else None
        scores = None if run is None else run.scores("validation")
        entries.append(Entry(member.name, place, Score.from_result(scores), member, opened, run))
    return entries


def _headline(finding: FitFinding) -> str:
    scores = finding.test or finding.validation
    part = "test" if finding.test is not None else "validation"
    accuracy = percent(scores.accuracy, scores.n)
    seconds = duration(finding.budget.seconds_spent)
    return f"{accuracy} of the {part} images of {finding.dataset.name} correct, after {seconds}"
