"""Notes of a comparison about its contenders, one sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.evaluation import (
    BaselineResult,
    accuracy_difference,
    baseline_sentence,
    fold_test,
)
from headstart.formatting import enumeration
from headstart.results import (
    EvaluationPart,
    read_metrics,
)
from headstart.studies._comparison_entries import (
    CONTROL_SUFFIX,
    ComparisonEntry,
    CorrectByName,
    Groups,
)
from headstart.studies._metric_scores import metric_notes


def baseline_notes(
    contenders: CorrectByName,
    baselines: Sequence[BaselineResult],
    part: EvaluationPart,
    groups: Groups,
    fold_of: Groups,
) -> list[str]:
    """Return a sentence for each contender that does not beat a baseline.

    Args:
        contenders: Contender name to Boolean array of shape (S, N). True where the prediction of
            image n with seed s is correct.
        baselines: Baselines on the same images.
        part: The part of the split that evaluates.
        groups: Int64 array of shape (N,) with the group of each image, or None.
        fold_of: Folds of a repeated cross-validation, int64 of shape (S, N), or None.
    """
    notes = []
    for name, correct in contenders.items():
        for baseline in baselines:
            sentence = baseline_sentence(
                name, correct, baseline, part=part, groups=groups, fold_of=fold_of
            )
            if sentence:
                notes.append(sentence)
    return notes


def pretraining_notes(
    entries: Sequence[ComparisonEntry],
    correct: CorrectByName,
    groups: Groups,
    fold_of: Groups,
) -> list[str]:
    """Return a sentence for each control: what pretrained weights add over random ones.

    Args:
        entries: Contenders and controls.
        correct: Boolean arrays as in `baseline_notes`, by the name of the entry.
        groups: Int64 array of shape (N,) with the group of each image, or None.
        fold_of: Folds of a repeated cross-validation, int64 of shape (S, N), or None.
    """
    notes = []
    for control in entries:
        name = control.name.removesuffix(CONTROL_SUFFIX)
        if control.role != "control" or name not in correct or control.name not in correct:
            continue
        a, b = correct[name], correct[control.name][:1]
        if fold_of is None:
            result = accuracy_difference(a, b, 0.05, groups=groups)
        else:  # the control has the first repeat only
            result = fold_test(a[:1], b, fold_of[:1])
        low, high = result.interval
        backbone = (
            "the same frozen backbone"
            if control.recipe.on_features
            else "the same backbone, trained end to end"
        )
        notes.append(
            f"ImageNet weights against one set of random weights in {backbone}: "
            f"{100 * result.difference:+.1f} points "
            f"(95% interval {100 * low:+.1f} to {100 * high:+.1f})."
        )
    return notes


def run_notes(finished: Sequence[ComparisonEntry], part: EvaluationPart, images: int) -> list[str]:
    """Return sentences about plans, metrics, very short runs and failed runs.

    Args:
        finished: The entries with finished runs.
        part: The part of the split that evaluates.
        images: Number of images that evaluate.
    """
    return [
        *_plan_notes(finished, part),
        *metric_notes(finished, part, images),
        *_short_and_failed_notes(finished),
    ]


def _plan_notes(finished: Sequence[ComparisonEntry], part: EvaluationPart) -> list[str]:
    """Return a sentence about contenders that were trained without the plan."""
    names = [entry.name for entry in finished if entry.data is not None]
    if not names:
        return []
    return [
        f"{enumeration(names)} trained on the images and labels as they were. All contenders are "
        f"evaluated on the {part} images that the plan does not change."
    ]


def _short_and_failed_notes(finished: Sequence[ComparisonEntry]) -> list[str]:
    """Return a sentence for each contender with very short runs, and for each failed entry."""
    notes = []
    for entry in finished:
        epochs = [read_metrics(run).epochs for run in entry.runs.values()]
        if entry.role == "contender" and min(epochs) < 1:
            notes.append(
                f"{entry.name} trained for less than one epoch within its time. "
                "Its accuracy says little about the model."
            )
    for entry in finished:
        if entry.failures:
            failed = (
                f"{entry.name} failed with {len(entry.failures)} of {len(entry.ended_seeds)} seeds."
            )
            is_contender = entry.role == "contender"
            use = "The verdict leaves it out." if is_contender else "Only its other runs count."
            notes.append(f"{failed} {use}")
    return notes
