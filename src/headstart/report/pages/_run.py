"""The page of a single run: scores, learning curves, confusion matrix, network and images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from headstart import store
from headstart.formatting import percent, slug
from headstart.report._group_sentences import group_sentence
from headstart.report._study import Entry, Score, image_count, open_run
from headstart.report.pages._axes import AccuracyAxis, AccuracyMarks
from headstart.report.pages._class_section import ClassSection, class_section
from headstart.report.pages._compare import part_suffix
from headstart.report.pages._confusion_section import ConfusionMatrix, confusion_matrices
from headstart.report.pages._contender_sections import (
    Examples,
    Network,
    contender_figures,
    contender_tables,
    examples,
    networks,
)
from headstart.report.pages._curves_section import (
    CurvesSection,
    curve_figures,
    curve_tables,
    curves_section,
)
from headstart.report.pages._images_section import ImagesSection, images_section
from headstart.report.pages._page import DrawFigure, Page, Provenance, recipe_table
from headstart.results import EvaluationPart, PartMetrics, RunMetrics, read_metrics

_PARTS: tuple[EvaluationPart, ...] = ("test", "validation")


@dataclass(frozen=True)
class PartRow:
    """The scores of the run on one part of the split."""

    part: EvaluationPart
    scores: PartMetrics
    marks: AccuracyMarks


@dataclass(frozen=True, kw_only=True)
class RunPage(Page):
    """The page of a single run.

    Attributes:
        metrics: The metrics of the run.
        entry: The run as a row.
        parts: The scores on each part of the split that has any.
        axis: Axis of the accuracies.
        curves: Learning curves.
        matrices: Confusion matrix.
        classes: Scores per class.
        networks: The network.
        examples: Example predictions.
        images_behind: The images behind the errors; None if the run kept none.
    """

    template: ClassVar[str] = "run.html.j2"

    metrics: RunMetrics
    entry: Entry[RunMetrics]
    parts: tuple[PartRow, ...]
    axis: AccuracyAxis
    curves: CurvesSection
    matrices: tuple[ConfusionMatrix, ...]
    classes: ClassSection
    networks: tuple[Network, ...]
    examples: tuple[Examples, ...]
    images_behind: ImagesSection | None

    @property
    def metric(self) -> str:
        """The metric of the recipe; empty if it has a column of its own anyway, or no scores."""
        names = [row.scores.metric.name for row in self.parts if row.scores.metric is not None]
        return names[0] if names and names[0] != "macro-f1" else ""

    @property
    def unreadable(self) -> int:
        """Number of images of the part that could not be read and do not count."""
        scores = self.metrics.part(self.part)
        return 0 if scores is None else scores.unreadable

    @property
    def group_sentences(self) -> list[str]:
        """A sentence per part about the effect of groups on its interval."""
        sentences = []
        for row in self.parts:
            scores = row.scores
            sentence = group_sentence(
                row.part,
                images=scores.n,
                groups=scores.groups,
                interval=scores.interval,
                over_images=scores.interval_over_images,
            )
            sentences += [] if sentence is None else [sentence]
        return sentences


def run_page(folder: Path) -> RunPage:
    """Return the page of a run.

    Raises:
        InputError: `metrics.json` or `data.json` is missing or damaged.
    """
    store.require_intact(folder, "reports")
    store.note_if_unsealed(folder)
    metrics = read_metrics(folder)
    part = _evaluation_part(metrics)
    entry = _entry(folder, metrics)

    provenance = Provenance.of_run(folder, metrics)
    dataset = provenance.dataset
    curves = curves_section([entry], dataset)
    matrices = confusion_matrices([entry], part, dataset.class_names)
    run_networks = networks([entry], dataset)
    run_examples = examples([entry], dataset.class_names)
    axis, parts = _part_rows(metrics)
    images_behind, pooled = images_section(matrices, part, dataset.class_names)

    accuracy = percent(entry.score.accuracy, entry.score.images)
    figures = curve_figures([entry], dataset)
    figures |= contender_figures(matrices, run_networks, run_examples, dataset.class_names)
    return RunPage(
        headline=f"{metrics.model} on {dataset.name}: {accuracy}{part_suffix(part)}"
        if parts
        else f"{metrics.model} on {dataset.name}, without an evaluation",
        lead="",
        part=part,
        images=image_count(dataset, part),
        provenance=provenance,
        recipes=recipe_table([(entry, metrics.recipe)]),
        figures=figures,
        metrics=metrics,
        entry=entry,
        parts=parts,
        axis=axis,
        curves=curves,
        matrices=tuple(matrices),
        classes=class_section([entry], part, dataset.class_names),
        networks=run_networks,
        examples=run_examples,
        images_behind=images_behind,
        pooled=pooled,
        tables=curve_tables([entry], dataset)
        | contender_tables(matrices, run_networks, run_examples, dataset.class_names),
    )


def run_figures(folder: Path) -> dict[str, DrawFigure]:
    """Return the functions that draw the figures of a run, by name, in the order of its page.

    The names are curves, accuracy-by-part, confusion, architecture and gallery. A figure without
    data is left out.

    Raises:
        InputError: A file of the folder is missing or damaged.
    """
    store.require_intact(folder, "reports")
    metrics = read_metrics(folder)
    entry = _entry(folder, metrics)
    dataset = Provenance.of_run(folder, metrics).dataset
    class_names = dataset.class_names
    by_contender = contender_figures(
        confusion_matrices([entry], _evaluation_part(metrics), class_names),
        networks([entry], dataset),
        examples([entry], class_names),
        class_names,
    )
    figures = curve_figures([entry], dataset)
    suffix = f"-{slug(entry.name)}"
    for name, draw in by_contender.items():
        figures[name.removesuffix(suffix)] = draw
    return figures


def _evaluation_part(metrics: RunMetrics) -> EvaluationPart:
    return "validation" if metrics.test is None else "test"


def _entry(folder: Path, metrics: RunMetrics) -> Entry[RunMetrics]:
    """Return the run as the only row of a page."""
    run = open_run(folder)
    runs = () if run is None else (run,)
    score = Score.from_result(metrics.part(_evaluation_part(metrics)))
    return Entry(metrics.model, 0, score, metrics, runs, run)


def _part_rows(metrics: RunMetrics) -> tuple[AccuracyAxis, tuple[PartRow, ...]]:
    measured = [(part, metrics.part(part)) for part in _PARTS]
    axis = AccuracyAxis.around(Score.from_result(scores) for _, scores in measured)
    rows: list[PartRow] = []
    for part, scores in measured:
        if scores is not None:
            rows.append(PartRow(part, scores, axis.marks(Score.from_result(scores))))
    return axis, tuple(rows)
