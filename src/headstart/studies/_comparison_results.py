"""The results of the entries of a comparison, from their finished runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.errors import RunFailed
from headstart.evaluation import (
    BaselineResult,
    accuracy_interval,
    groups_to_resample,
)
from headstart.results import (
    BaselineScore,
    Contender,
    ContenderScores,
    EvaluationPart,
    FailedContender,
    PartMetrics,
    RunMetrics,
    RunSeconds,
    Verdict,
    read_metrics,
)
from headstart.studies._comparison_entries import (
    ComparisonEntry,
    CorrectByName,
    Groups,
    correct_predictions,
)
from headstart.studies._comparison_notes import (
    baseline_notes,
    pretraining_notes,
    run_notes,
)
from headstart.studies._comparison_verdict import (
    VerdictRules,
    verdict_from_predictions,
    without_failed,
)
from headstart.studies._fold_results import FoldResults, read_fold_results
from headstart.studies._folds import StudyFolds
from headstart.studies._metric_scores import metric_scores


@dataclass(frozen=True)
class EntryResults:
    """The part of a finding that describes the entries of a comparison.

    Attributes:
        contenders: The contenders and controls that have finished runs.
        failed: The entries with failed runs.
        baselines: Scores of the baselines.
        verdict: The verdict about the contenders.
        test_reads: The number of runs that were evaluated on the test images.
        correct: The predictions that the verdict rests on: contender name to Boolean array of
            shape (S, N), True where the prediction is correct.
        over_folds: The results of a cross-validation; None for one split.
    """

    contenders: tuple[Contender, ...]
    failed: tuple[FailedContender, ...]
    baselines: tuple[BaselineScore, ...]
    verdict: Verdict
    test_reads: int
    correct: CorrectByName
    over_folds: FoldResults | None


def compare_entries(
    entries: Sequence[ComparisonEntry],
    baselines: Sequence[BaselineResult],
    part: EvaluationPart,
    folder: Path,
    groups: Groups = None,
    rules: VerdictRules | None = None,
    folds: StudyFolds | None = None,
) -> EntryResults:
    """Compare the finished runs of all entries.

    Args:
        entries: Contenders and controls with their runs.
        baselines: Baselines on the same images.
        part: The part of the split that evaluates.
        folder: The study folder, to which paths of runs are relative.
        groups: Int64 array of shape (N,) with the group of each evaluated image, or None.
        rules: Margin and looks of the verdict; the default margin and a single look by default.
        folds: The folds of a cross-validation, which keep groups whole; None for one split.

    Raises:
        RunFailed: No contender has a finished run, or with folds a finished run of each fold.
    """
    over_folds = None if folds is None else read_fold_results(entries, folds)
    if over_folds is None:
        correct = correct_predictions(entries, part)
    else:
        correct, groups = over_folds.correct, None  # its units are folds, which keep groups whole
    fold_of = None if over_folds is None else over_folds.fold_of
    finished = [entry for entry in entries if entry.name in correct]
    contenders = {
        entry.name: correct[entry.name] for entry in finished if entry.role == "contender"
    }
    if not contenders:
        failures: list[str] = []
        for entry in entries:
            failures += entry.failures.values()
        raise RunFailed(f"no contender finished: {'; '.join(failures)}")

    images = next(iter(contenders.values())).shape[1]
    notes = [
        *baseline_notes(contenders, baselines, part, groups, fold_of),
        *pretraining_notes(entries, correct, groups, fold_of),
        *run_notes(finished, part, images),
    ]
    evaluations = sum(len(entry.runs) for entry in entries)
    if over_folds is None:
        results = [
            _contender(entry, correct[entry.name], part, folder, groups) for entry in finished
        ]
    else:
        notes += over_folds.folds.notes(over_folds.representative)
        evaluations = over_folds.evaluations
        results = [_contender_over_folds(entry, over_folds, folder) for entry in finished]
    if part == "validation":
        notes.append("Evaluated on validation images, because the split has no test images.")

    left_out = _left_out(entries)
    return EntryResults(
        contenders=tuple(results),
        failed=tuple(
            FailedContender(name=entry.name, failures=tuple(entry.failures.values()))
            for entry in entries
            if entry.failures
        ),
        baselines=tuple(
            _baseline_score(baseline, groups if folds is None else folds.groups)
            for baseline in baselines
        ),
        verdict=verdict_from_predictions(contenders, left_out, part, rules, notes, groups, fold_of),
        test_reads=evaluations if part == "test" else 0,
        over_folds=over_folds,
        correct=without_failed(contenders, left_out),
    )


def _left_out(entries: Sequence[ComparisonEntry]) -> list[str]:
    """Return the contenders with failed runs, as `Grid.correct_predictions` leaves them out."""
    return [entry.name for entry in entries if entry.role == "contender" and entry.failures]


def _baseline_score(baseline: BaselineResult, groups: Groups) -> BaselineScore:
    n = len(baseline.correct)
    return BaselineScore(
        name=baseline.name,
        accuracy=baseline.accuracy,
        n=n,
        note=baseline.note,
        interval=accuracy_interval(baseline.correct, groups=groups),
    )


@dataclass(frozen=True)
class _Intervals:
    """The interval of an accuracy, and the one over images if the first is over groups."""

    interval: tuple[float, float] | None = None
    over_images: tuple[float, float] | None = None

    @classmethod
    def of(cls, correct: NDArray[np.bool_], groups: Groups) -> _Intervals:
        over_images = accuracy_interval(correct)
        if groups_to_resample(groups, correct.shape[1]) is None:
            return cls(over_images)
        return cls(accuracy_interval(correct, groups=groups), over_images)


def _contender(
    entry: ComparisonEntry,
    correct: NDArray[np.bool_],
    part: EvaluationPart,
    folder: Path,
    groups: Groups,
) -> Contender:
    metrics = [read_metrics(run) for run in entry.runs.values()]
    runs = [os.path.relpath(run, folder) for run in entry.runs.values()]
    first = metrics[0]
    intervals = _Intervals.of(correct, groups)
    warnings: set[str] = set()
    for run_metrics in metrics:
        warnings.update(run_metrics.warnings)
    return Contender(
        name=entry.name,
        role=entry.role,
        model=entry.recipe.model,
        recipe=first.recipe,
        recipe_digest=entry.recipe.digest,
        parameters=first.parameters,
        trainable_parameters=first.trainable_parameters,
        multiply_adds=first.multiply_adds,
        epochs=tuple(run.epochs for run in metrics),
        seconds=_seconds(entry.prepare_seconds, metrics),
        predict_ms_per_image=float(np.mean([run.predict_ms_per_image or 0.0 for run in metrics])),
        test=_scores(metrics, "test", intervals if part == "test" else _Intervals()),
        validation=_scores(
            metrics, "validation", intervals if part == "validation" else _Intervals()
        ),
        metric=metric_scores(entry, part),
        runs=tuple(runs),
        representative_run=runs[_median_run(metrics, part)],
        seeds=tuple(entry.runs),
        warnings=(*sorted(warnings), *entry.failures.values()),
    )


def _contender_over_folds(
    entry: ComparisonEntry, over_folds: FoldResults, folder: Path
) -> Contender:
    """Return the result of an entry from the repeats that count."""
    counting = replace(entry, runs=over_folds.runs_that_count(entry))
    contender = _contender(counting, over_folds.correct[entry.name], "test", folder, None)
    return over_folds.update_contender(contender, counting, folder)


def _seconds(prepare_seconds: float, metrics: Sequence[RunMetrics]) -> RunSeconds:
    """Return the time of all runs, with their shared preparation counted once."""
    train = sum(run.seconds.train - run.seconds.prepare for run in metrics)
    total = sum(run.seconds.total - run.seconds.prepare for run in metrics)
    return RunSeconds(
        train=round(prepare_seconds + train, 3),
        prepare=round(prepare_seconds, 3),
        total=round(prepare_seconds + total, 3),
    )


def _scores(
    metrics: Sequence[RunMetrics], part: str, intervals: _Intervals
) -> ContenderScores | None:
    scores = _scores_of_runs(metrics, part)
    if not scores:
        return None
    accuracies = [score.accuracy for score in scores]
    return ContenderScores(
        accuracy=float(np.mean(accuracies)),
        interval=intervals.interval,
        interval_over_images=intervals.over_images,
        n=scores[0].n,
        loss=float(np.mean([score.loss for score in scores])),
        macro_f1=float(np.mean([score.macro_f1 for score in scores])),
        per_seed=tuple(accuracies),
    )


def _median_run(metrics: Sequence[RunMetrics], part: str) -> int:
    """Return the index of the run with the median accuracy, which stands for all runs."""
    accuracies = [scores.accuracy for scores in _scores_of_runs(metrics, part)]
    return int(np.argsort(accuracies)[len(accuracies) // 2])


def _scores_of_runs(metrics: Sequence[RunMetrics], part: str) -> list[PartMetrics]:
    parts = [run.part(part) for run in metrics]
    return [scores for scores in parts if scores is not None]
