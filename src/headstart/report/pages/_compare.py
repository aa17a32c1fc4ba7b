"""The page of `compare`: verdict, results, curves, confusion matrices, networks and images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from headstart.formatting import enumeration, percent
from headstart.report._error_images import read_errors
from headstart.report._study import Entry, Score, contender_entries, image_count
from headstart.report.figures._difference_plot import pairs_figure
from headstart.report.figures._worst_errors import worst_errors_figure
from headstart.report.pages._axes import (
    AccuracyAxis,
    AccuracyMarks,
    DifferenceAxis,
    MeasuredDifference,
    difference_axis,
)
from headstart.report.pages._class_section import ClassSection, class_section
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
from headstart.report.pages._errors_section import ErrorRow, error_rows
from headstart.report.pages._figure_values import FigureTable, difference_table, error_table
from headstart.report.pages._images_section import ImagesSection, images_section
from headstart.report.pages._page import DrawFigure, Page, Provenance, recipe_table
from headstart.report.pages._pair_section import PairDetails, pair_details
from headstart.report.pages._robustness_section import RobustnessSection, robustness_section
from headstart.results import (
    BaselineScore,
    Comparison,
    Contender,
    ContenderFinding,
    ContenderPair,
    EvaluationPart,
    FailedContender,
    Verdict,
)
from headstart.studies import Gate, GateQuestion, gate_of


@dataclass(frozen=True)
class ComparisonSections:
    """The sections about contenders that are compared.

    Attributes:
        verdict: The verdict.
        pairs: The pairs of the verdict, in the order of the rows of `differences`.
        details: The same pairs with the numbers of images that either classifies correctly.
        differences: Positions of their differences; None if nothing was compared.
        axis: Axis of the accuracies in the results table.
        contenders: The contenders with their marks.
        controls: The controls with their marks.
        baselines: The baselines with their marks.
        below_baselines: One sentence per contender that does not beat a baseline.
        failed: Contenders that did not finish.
        left_out: Contenders that the verdict leaves out, because a run of theirs failed.
        curves: Learning curves.
        matrices: Confusion matrices.
        classes: Scores per class.
        networks: Networks of the contenders.
        examples: Example predictions of the contenders.
        errors: Images with the worst errors.
        images: The images behind the errors of each contender; None if no run kept any.
        pooled: Dataset indices of these images, by run folder.
        robustness: What the verdict depends on; None if it was not examined.
        has_two_seeds: True if the verdict about recipes rests on two runs of a contender, whose
            minimum detectable effect is uncertain.
    """

    verdict: Verdict
    pairs: tuple[ContenderPair, ...]
    details: tuple[PairDetails, ...]
    differences: DifferenceAxis | None
    axis: AccuracyAxis
    contenders: tuple[tuple[Entry[Contender], AccuracyMarks], ...]
    controls: tuple[tuple[Entry[Contender], AccuracyMarks], ...]
    baselines: tuple[tuple[BaselineScore, AccuracyMarks], ...]
    below_baselines: tuple[str, ...]
    failed: tuple[FailedContender, ...]
    left_out: frozenset[str]
    curves: CurvesSection
    matrices: tuple[ConfusionMatrix, ...]
    classes: ClassSection
    networks: tuple[Network, ...]
    examples: tuple[Examples, ...]
    errors: tuple[ErrorRow, ...]
    images: ImagesSection | None
    pooled: Mapping[Path, frozenset[int]]
    robustness: RobustnessSection | None
    has_two_seeds: bool

    @property
    def entries(self) -> tuple[Entry[Contender], ...]:
        """The contenders without their marks."""
        return tuple(entry for entry, _ in self.contenders)

    @property
    def winner(self) -> Entry[Contender] | None:
        """The winner of the verdict, if there is one."""
        for entry in self.entries:
            if entry.name == self.verdict.winner:
                return entry
        return None


@dataclass(frozen=True, kw_only=True)
class ComparePage(Page):
    """The page of a comparison."""

    template: ClassVar[str] = "compare.html.j2"

    comparison: ComparisonSections
    gate: Gate | None


def compare_page(folder: Path, finding: Comparison) -> ComparePage:
    """Return the page of a comparison."""
    entries = contender_entries(folder, finding.contenders, finding.evaluated_on)
    comparison, figures = comparison_sections(folder, finding, entries)
    question = GateQuestion.read(folder)
    return ComparePage(
        headline=_headline(finding),
        lead=finding.verdict.sentence,
        part=finding.evaluated_on,
        images=image_count(finding.dataset, finding.evaluated_on),
        provenance=Provenance.of_finding(finding, entries),
        recipes=recipe_table([(entry, entry.result.recipe) for entry in entries]),
        figures=figures,
        winner=comparison.winner,
        pooled=comparison.pooled,
        tables=comparison_tables(folder, finding, comparison, entries),
        comparison=comparison,
        gate=None if question is None else gate_of(finding, question),
    )


def comparison_sections(
    folder: Path, finding: ContenderFinding, entries: Sequence[Entry[Contender]]
) -> tuple[ComparisonSections, dict[str, DrawFigure]]:
    """Return the sections about compared contenders, and the functions that draw their files.

    Args:
        folder: The study folder.
        finding: The finding of a comparison or of a search.
        entries: Its contenders and controls.
    """
    part, dataset = finding.evaluated_on, finding.dataset
    contenders = [entry for entry in entries if entry.place is not None]
    controls = [entry for entry in entries if entry.place is None]
    axis = AccuracyAxis.around(entry.score for entry in contenders)
    errors = read_errors(folder, contenders)
    matrices = tuple(confusion_matrices(contenders, part, dataset.class_names))
    images, pooled = images_section(matrices, part, dataset.class_names)

    sections = ComparisonSections(
        verdict=finding.verdict,
        pairs=finding.verdict.pairs,
        details=pair_details(finding.verdict, contenders, part),
        differences=_pair_axis(finding.verdict),
        axis=axis,
        contenders=tuple((entry, axis.marks(entry.score)) for entry in contenders),
        controls=tuple((entry, axis.marks(entry.score)) for entry in controls),
        baselines=tuple(
            (baseline, axis.marks(_baseline_score(baseline))) for baseline in finding.baselines
        ),
        below_baselines=tuple(
            below_baselines(contenders, finding.baselines, finding.verdict.notes)
        ),
        failed=_unfinished(finding.failed, entries),
        left_out=_left_out(finding),
        curves=curves_section(entries, dataset),
        matrices=matrices,
        classes=class_section(contenders, part, dataset.class_names),
        networks=networks(contenders, dataset),
        examples=examples(contenders, dataset.class_names),
        errors=error_rows(errors),
        images=images,
        pooled=pooled,
        robustness=robustness_section(finding),
        has_two_seeds=_has_two_seeds(finding),
    )

    figures = curve_figures(entries, dataset)
    if finding.verdict.pairs:
        places = {entry.name: entry.place for entry in contenders if entry.place is not None}
        figures["differences"] = partial(pairs_figure, finding.verdict, places)
    figures |= contender_figures(
        sections.matrices, sections.networks, sections.examples, dataset.class_names
    )
    if errors:
        figures["worst-errors"] = partial(worst_errors_figure, errors)
    return sections, figures


def comparison_tables(
    folder: Path,
    finding: ContenderFinding,
    sections: ComparisonSections,
    entries: Sequence[Entry[Contender]],
) -> dict[str, FigureTable]:
    """Return the values of the figures of these sections."""
    tables = curve_tables(entries, finding.dataset)
    tables["differences"] = difference_table(finding.verdict)
    tables |= contender_tables(
        sections.matrices, sections.networks, sections.examples, finding.dataset.class_names
    )
    tables["worst-errors"] = error_table(read_errors(folder, sections.entries))
    return tables


def below_baselines(
    entries: Iterable[Entry[object]], baselines: Iterable[BaselineScore], notes: Iterable[str]
) -> list[str]:
    """Return a sentence for each contender that does not beat a baseline.

    A model is left out if a note, which rests on a test, already says so.
    """
    sentences: list[str] = []
    for entry in entries:
        accuracy = entry.score.accuracy
        for baseline in baselines:
            is_noted = any(
                note.startswith(f"{entry.name} ") and baseline.name in note for note in notes
            )
            if accuracy is None or accuracy > baseline.accuracy or is_noted:
                continue
            sentences.append(
                f"{entry.name} ({percent(accuracy, baseline.n)}) does not beat the baseline "
                f"“{baseline.name}” ({percent(baseline.accuracy, baseline.n)})."
            )
    return sentences


def part_suffix(part: EvaluationPart) -> str:
    """Return the part of the split as the end of a headline, unless it is the test part."""
    return "" if part == "test" else f" ({part} images)"


def _headline(finding: Comparison) -> str:
    name, verdict = finding.dataset.name, finding.verdict
    if verdict.too_short:
        return f"No verdict on {name}: the time limit is too short"
    suffix = part_suffix(finding.evaluated_on)
    if verdict.left_out:
        suffix += f", without {enumeration(verdict.left_out)}"
    if verdict.winner is not None:
        return f"{verdict.winner} wins on {name}{suffix}"
    if not verdict.pairs:
        return f"No verdict on {name}"
    if verdict.outcome == "equivalent":
        return f"{enumeration(verdict.equivalent_contenders)} are equivalent on {name}{suffix}"
    return f"Undecided on {name}{suffix}"


def _pair_axis(verdict: Verdict) -> DifferenceAxis | None:
    if not verdict.pairs:
        return None
    return difference_axis(
        [
            MeasuredDifference(
                pair.difference,
                pair.interval,
                pair.smallest_detectable,
                is_significant=pair.outcome == "better",
                equivalence_interval=pair.equivalence_interval,
                equivalence_confidence=verdict.equivalence_confidence,
            )
            for pair in verdict.pairs
        ],
        margin=verdict.equivalence_margin,
    )


def _baseline_score(baseline: BaselineScore) -> Score:
    return Score(baseline.accuracy, baseline.interval, baseline.n)


def _has_two_seeds(finding: ContenderFinding) -> bool:
    """Return whether a comparison of recipes on one split has only two runs of a contender.

    Its minimum detectable effect is then too small: the true one is 1.2 to 1.7 times as large; see
    "Power" in benchmarks/evidence_intervals.md.
    """
    if finding.cross_validation is not None or finding.verdict.about != "recipes":
        return False
    seeds = [len(entry.seeds) for entry in finding.contenders if entry.role == "contender"]
    return min(seeds, default=0) == 2


def _left_out(finding: ContenderFinding) -> frozenset[str]:
    """Return the contenders with failed runs that no pair of the verdict contains."""
    compared = {pair.a for pair in finding.verdict.pairs}
    compared |= {pair.b for pair in finding.verdict.pairs}
    names = {contender.name for contender in finding.contenders if contender.role == "contender"}
    failed = {contender.name for contender in finding.failed}
    return frozenset((names & failed) - compared)


def _unfinished(
    failed: Iterable[FailedContender], entries: Iterable[Entry[object]]
) -> tuple[FailedContender, ...]:
    """Return the contenders of which no run finished, so that they have no row."""
    names = {entry.name for entry in entries}
    return tuple(contender for contender in failed if contender.name not in names)
