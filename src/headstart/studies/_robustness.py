"""Checks of the verdict of a comparison, and the subgroups in which contenders differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.audit import LEAST_PX, MOST_IMAGES
from headstart.data import SplitDataset
from headstart.evaluation import (
    SMALLEST_SLICE,
    Alteration,
    Looks,
    Verdict,
    check_robustness,
    compare_slices,
    verdict,
    without_images,
    without_most_influential,
)
from headstart.formatting import counted
from headstart.results import (
    EvaluationPart,
    Robustness,
    RobustnessCheck,
    SliceDifference,
    Slices,
)
from headstart.studies._audit_evidence import (
    LEAST_TO_CORRECT,
    LEAST_TO_LEAVE_OUT,
    AuditEvidence,
    audit_evidence,
)
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies._comparison_results import EntryResults
from headstart.studies._comparison_verdict import VerdictRules
from headstart.studies._fold_results import FoldResults
from headstart.studies._image_slices import image_slices
from headstart.studies._robustness_sentences import robustness_sentence, slices_sentence
from headstart.studies._study import StudyContext
from headstart.training import read_predicted

BoolArray = NDArray[np.bool_]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class _Contenders:
    """Contenders and the images that they were evaluated on.

    Attributes:
        correct: Contender name to Boolean array of shape (S, N).
        runs: Folders of the runs by contender and number of the run.
        part: The part of the split that evaluates.
        margin: Equivalence margin of the verdict, a fraction.
        rows: Int64 dataset indices of the N images.
        groups: Int64 array of shape (N,), the group of each image, or None.
        over_folds: The results of a cross-validation; None for one split.
        looks: The looks at the contenders, if seeds were added one by one.
    """

    correct: Mapping[str, BoolArray]
    runs: Mapping[str, Mapping[int, Path]]
    part: EvaluationPart
    margin: float
    rows: Indices
    groups: Indices | None
    over_folds: FoldResults | None = None
    looks: Looks | None = None

    @property
    def fold_of(self) -> Indices | None:
        """The fold of each image in each repeat, int64 of shape (R, N); None without folds."""
        return None if self.over_folds is None else self.over_folds.fold_of

    def read_predicted(self, name: str) -> Indices:
        """Read the predicted classes of a contender, int64 of shape (S, N)."""
        runs = self.runs[name]
        if self.over_folds is None:
            return np.stack([read_predicted(run, self.part) for run in runs.values()])

        folds, fold_of = self.over_folds.folds, self.over_folds.fold_of
        predicted = np.zeros(fold_of.shape, np.int64)
        for row, repeat in enumerate(self.over_folds.repeats):
            for fold, number in enumerate(folds.run_numbers([folds.seeds[repeat]])):
                predicted[row, fold_of[row] == fold] = read_predicted(runs[number], self.part)
        return predicted

    def can_conclude(self, alteration: Alteration) -> bool:
        """Return whether enough folds are left for a test of the images that are left."""
        if self.fold_of is None or not len(alteration.kept):
            return True
        _, fold_of = _without_empty_folds(self.fold_of[:, alteration.kept])
        return bool(fold_of.max() > 0)

    def conclude(self, correct: Mapping[str, BoolArray], kept: Indices) -> Verdict:
        """Compute a verdict about some of the images.

        Args:
            correct: Contender name to Boolean array of shape (S, M).
            kept: Int64 array of shape (M,): the positions of these images among all N.
        """
        groups, fold_of = self.groups, self.fold_of
        if fold_of is not None:  # Folds keep groups whole.
            repeats, fold_of = _without_empty_folds(fold_of[:, kept])
            correct = {name: runs[repeats] for name, runs in correct.items()}
            return verdict(correct, part=self.part, margin=self.margin, fold_of=fold_of)
        kept_groups = None if groups is None else groups[kept]
        level = 0.05 if self.looks is None else self.looks
        return verdict(correct, level, part=self.part, margin=self.margin, groups=kept_groups)


def _without_empty_folds(fold_of: Indices) -> tuple[Indices, Indices]:
    """Renumber the folds where all images of a fold were left out, such as its only group.

    Args:
        fold_of: Int64 array of shape (R, M), the fold of each image that is left in each repeat.

    Returns:
        The repeats with the most folds, and their folds: int64 arrays of shapes (K,) and (K, M).
    """
    counts = np.array([len(np.unique(folds)) for folds in fold_of])
    repeats = np.flatnonzero(counts == counts.max())
    numbered = [np.unique(folds, return_inverse=True)[1] for folds in fold_of[repeats]]
    return repeats, np.stack(numbered).astype(np.int64)


def examine_verdict(
    entries: Sequence[ComparisonEntry],
    results: EntryResults,
    part: EvaluationPart,
    margin: float,
    context: StudyContext,
) -> tuple[Robustness | None, Slices | None]:
    """Examine the verdict of a comparison; a failure is reported and ends no study.

    Args:
        entries: The entries with their runs.
        results: Their results.
        part: The part of the split that evaluates.
        margin: Equivalence margin of the verdict, a fraction.
        context: The study.

    Returns:
        Both results, or None for a single contender or after a failure.
    """
    if len(results.correct) < 2:
        return None, None
    try:
        data = context.data
        rows = data.split.test if part == "test" else data.split.validation
        if results.over_folds is not None:
            rows = results.over_folds.folds.folds.images
        contenders = _Contenders(
            correct=results.correct,
            runs={entry.name: entry.runs for entry in entries},
            part=part,
            margin=margin,
            rows=rows,
            groups=None if data.dataset.groups is None else data.dataset.groups[rows],
            over_folds=results.over_folds,
            looks=VerdictRules.of_verdict(results.verdict).looks,
        )
        return _robustness(contenders, data, context.folder), _slices(contenders, data)
    except Exception as error:
        # The runs may have taken hours: the verdict does not depend on this.
        progress.warn(
            "WARNING: the finding does not say whether the verdict is robust, because examining "
            f"it failed: {type(error).__name__}: {error}."
        )
        return None, None


def _robustness(contenders: _Contenders, data: SplitDataset, folder: Path) -> Robustness:
    conclusion = contenders.conclude(contenders.correct, np.arange(len(contenders.rows)))
    evidence = audit_evidence(data.dataset, folder)
    wanted = [
        *_without_copies(contenders, evidence, data.split.train),
        *_without_suspects(contenders, evidence),
        *_without_class_or_group(contenders, conclusion, data),
    ]
    alterations = [item for item in wanted if contenders.can_conclude(item)]
    not_checked = list(_not_checked(contenders, evidence, data))
    if len(alterations) < len(wanted):
        left_out = counted(len(wanted) - len(alterations), "check")
        not_checked.append(f"{left_out} would leave images in one fold only, which allows no test.")
    result = check_robustness(
        contenders.correct,
        conclusion,
        contenders.conclude,
        alterations,
        is_complete=evidence.pictures is not None and evidence.suspects is not None,
    )
    checks = tuple(RobustnessCheck(**asdict(check)) for check in result.checks)
    evaluated = counted(len(contenders.rows), f"{contenders.part} image")
    return Robustness(
        is_robust=result.is_robust,
        is_strong=result.is_strong,
        checks=checks,
        not_checked=tuple(not_checked),
        labels_to_overturn=result.labels_to_overturn,
        sentence=robustness_sentence(result, checks, conclusion, evaluated),
    )


def _without_copies(
    contenders: _Contenders, evidence: AuditEvidence, train: Indices
) -> list[Alteration]:
    """Return the evaluated images without near copies of images that the models trained on."""
    if evidence.pictures is None:
        return []
    pictures = evidence.pictures[contenders.rows]
    if contenders.fold_of is None:
        is_copy = np.isin(pictures, evidence.pictures[train])
    else:
        is_copy = np.zeros(len(pictures), bool)
        for fold_of_image in contenders.fold_of:
            parts = np.unique(np.stack([pictures, fold_of_image]), axis=1)
            is_copy |= np.bincount(parts[0])[pictures] > 1
    return [without_images("near copies", "", contenders.correct, is_copy)]


def _without_suspects(contenders: _Contenders, evidence: AuditEvidence) -> list[Alteration]:
    """Return the evaluated images without suspected labels, and with corrected ones."""
    suspects = evidence.suspects
    if suspects is None:
        return []
    left_out = suspects.rows[suspects.probability >= LEAST_TO_LEAVE_OUT]
    is_left_out = np.isin(contenders.rows, left_out)
    alterations = [without_images("without suspects", "", contenders.correct, is_left_out)]

    is_corrected = suspects.probability >= LEAST_TO_CORRECT
    label_of = dict(zip(suspects.rows[is_corrected], suspects.suggested[is_corrected], strict=True))
    places = np.flatnonzero(np.isin(contenders.rows, suspects.rows[is_corrected]))
    labels = np.array([label_of[row] for row in contenders.rows[places]], np.int64)
    corrected = {}
    for name, correct in contenders.correct.items():
        runs = correct.copy()
        if len(places):
            runs[:, places] = contenders.read_predicted(name)[:, places] == labels
        corrected[name] = runs
    everything = np.arange(len(contenders.rows))
    alterations.append(Alteration("corrected labels", "", len(places), corrected, everything))
    return alterations


def _without_class_or_group(
    contenders: _Contenders,
    conclusion: Verdict,
    data: SplitDataset,
) -> list[Alteration]:
    groups = contenders.groups
    labels = data.dataset.labels[contenders.rows]
    alterations = [
        without_most_influential("class", contenders.correct, conclusion, labels, data.class_names)
    ]
    if groups is not None:
        names = [str(number) for number in range(int(groups.max()) + 1)]
        alterations.append(
            without_most_influential("group", contenders.correct, conclusion, groups, names)
        )
    return [alteration for alteration in alterations if alteration is not None]


def _not_checked(
    contenders: _Contenders, evidence: AuditEvidence, data: SplitDataset
) -> tuple[str, ...]:
    sentences = []
    audit = f"headstart audit {data.dataset.source or 'DATA'}"
    if evidence.pictures is None:
        reason = f"the images are below {LEAST_PX} pixels"
        if len(data.dataset) > MOST_IMAGES:
            reason = f"there are more than {MOST_IMAGES:,} images"
        sentences.append(
            f"Near copies of training images are not known, because {reason}. "
            f"To find them, run this before the comparison: {audit}"
        )
    if evidence.suspects is None:
        sentences.append(
            "Suspected wrong labels are not known. To find them, run this before the comparison: "
            f"{audit}"
        )
    if data.dataset.groups is None:
        sentences.append("No group was left out, because no groups are known. See --group-by.")
    if contenders.over_folds is None:
        sentences.append(
            "All runs share one split of the images. With --folds, the verdict covers other splits."
        )
    return tuple(sentences)


def _slices(contenders: _Contenders, data: SplitDataset) -> Slices:
    order = sorted(contenders.correct, key=lambda name: -float(contenders.correct[name].mean()))
    a, b = order[:2]
    members = image_slices(data.dataset, contenders.rows)
    result = compare_slices(
        contenders.correct[a],
        contenders.correct[b],
        members,
        groups=contenders.groups,
        folds=None if contenders.over_folds is None else contenders.over_folds.folds.folds.count,
    )
    significant = result.significant()
    return Slices(
        a=a,
        b=b,
        difference=result.difference,
        tested=len(result.slices),
        kinds=tuple(dict.fromkeys(item.kind for item in members)),
        smallest=SMALLEST_SLICE,
        significant=tuple(SliceDifference(**asdict(item)) for item in significant),
        sentence=slices_sentence(a, b, result),
    )
