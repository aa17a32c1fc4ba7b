"""The entries of a comparison and the results of their runs, for `compare` and `tune`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headstart.data import SplitDataset
from headstart.errors import RunFailed
from headstart.evaluation import (
    DEFAULT_MARGIN,
    BaselineResult,
    Looks,
    Verdict as ComputedVerdict,
    accuracy_difference,
    accuracy_interval,
    baseline_sentence,
    count_groups,
    describe_groups,
    fold_test,
    groups_to_resample,
    verdict as compute_verdict,
)
from headstart.formatting import enumeration, points_interval
from headstart.models.recipes import Recipe
from headstart.results import (
    BaselineScore,
    Contender,
    ContenderPair,
    ContenderScores,
    EvaluationPart,
    FailedContender,
    McNemarTest,
    PartMetrics,
    RunMetrics,
    RunSeconds,
    Verdict,
    read_metrics,
)
from headstart.studies._fold_results import FoldResults, read_fold_results
from headstart.studies._folds import StudyFolds
from headstart.studies._group_notes import group_notes
from headstart.studies._metric_scores import metric_notes, metric_scores
from headstart.training import read_correct

CONTROL_SUFFIX = " (random weights)"
WITHOUT_PLAN_SUFFIX = " (without the plan)"
LEVEL = 0.05  # family-wise significance level of a verdict

# Planned epochs are rounded down to three digits.
_ROUNDED = 0.99

_CorrectByName = Mapping[str, NDArray[np.bool_]]
_Groups = NDArray[np.int64] | None


@dataclass
class ComparisonEntry:
    """A contender or a control, and its runs.

    Attributes:
        name: The name in the finding.
        role: "contender", or "control" for a backbone with random weights.
        recipe: The recipe.
        seeds: The seeds of its runs.
        data: The data that it is trained on; None for those of the study.
        epochs: Epochs of each run as planned for a time limit; None for those of the recipe.
        least_epochs: The minimum number of epochs of the recipe; shorter runs are undertrained.
        is_solved: True if its head is solved at once, so that it has no epochs to shorten.
        is_prepared: True if its features are computed.
        prepare_seconds: Seconds that the features took.
        runs: Folders of the finished runs, by seed.
        run_durations: Seconds of each run that has ended, in the order of the runs.
        failures: One sentence per failed run.
    """

    name: str
    role: Literal["contender", "control"]
    recipe: Recipe
    seeds: tuple[int, ...]
    data: SplitDataset | None = None
    epochs: float | None = None
    least_epochs: float = 0.0
    is_solved: bool = False
    is_prepared: bool = False
    prepare_seconds: float = 0.0
    runs: dict[int, Path] = field(default_factory=dict)
    run_durations: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def model_name(self) -> str:
        """The name of the contender that it is a variant of, or its own name."""
        return self.name.removesuffix(CONTROL_SUFFIX).removesuffix(WITHOUT_PLAN_SUFFIX)

    @property
    def has_ended_run(self) -> bool:
        """True if a run has ended. All others of this entry take the same steps."""
        return bool(self.run_durations)

    @property
    def is_short(self) -> bool:
        """True if the time limit leaves fewer than the minimum number of epochs."""
        return self.epochs is not None and self.epochs < _ROUNDED * self.least_epochs


@dataclass(frozen=True)
class VerdictRules:
    """Margin and looks of a verdict, which are decided before the runs.

    Attributes:
        margin: Equivalence margin, a fraction.
        looks: The looks at the contenders, if seeds are added one by one.
    """

    margin: float = DEFAULT_MARGIN
    looks: Looks | None = None

    @classmethod
    def of_verdict(cls, verdict: Verdict) -> VerdictRules:
        """Return the rules that a recorded verdict followed."""
        margin = verdict.equivalence_margin
        looks = None
        if verdict.looks and verdict.most_seeds is not None:
            looks = Looks(verdict.looks, verdict.most_seeds, verdict.is_planned_look)
        return cls(DEFAULT_MARGIN if margin is None else margin, looks)


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
    correct: _CorrectByName
    over_folds: FoldResults | None


def compare_entries(
    entries: Sequence[ComparisonEntry],
    baselines: Sequence[BaselineResult],
    part: EvaluationPart,
    folder: Path,
    groups: _Groups = None,
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
        failures = []
        for entry in entries:
            failures += entry.failures
        raise RunFailed(f"no contender finished: {'; '.join(failures)}")

    notes = [
        *_baseline_notes(contenders, baselines, part, groups, fold_of),
        *_pretraining_notes(entries, correct, groups, fold_of),
        *_plan_notes(finished, part),
        *metric_notes(finished, part, next(iter(contenders.values())).shape[1]),
        *_run_notes(finished),
    ]
    if over_folds is not None:
        notes += over_folds.folds.notes(over_folds.representative)
    if part == "validation":
        notes.append("Evaluated on validation images, because the split has no test images.")

    evaluations = sum(len(entry.runs) for entry in entries)
    counting = finished
    if over_folds is not None:
        counting = [replace(entry, runs=over_folds.runs_that_count(entry)) for entry in finished]
    results = [_contender(entry, correct[entry.name], part, folder, groups) for entry in counting]
    if over_folds is not None:
        evaluations = over_folds.evaluations
        results = [
            over_folds.update_contender(result, entry, folder)
            for result, entry in zip(results, counting, strict=True)
        ]
    return EntryResults(
        contenders=tuple(results),
        failed=tuple(
            FailedContender(name=entry.name, failures=tuple(entry.failures))
            for entry in entries
            if entry.failures
        ),
        baselines=tuple(
            _baseline_score(baseline, groups if folds is None else folds.groups)
            for baseline in baselines
        ),
        verdict=verdict_from_predictions(
            contenders, _left_out(entries), part, rules, notes, groups, fold_of
        ),
        test_reads=evaluations if part == "test" else 0,
        over_folds=over_folds,
        correct=_complete(contenders, _left_out(entries)),
    )


def correct_predictions(
    entries: Sequence[ComparisonEntry], part: EvaluationPart
) -> dict[str, NDArray[np.bool_]]:
    """Return which images are correctly classified, `(S, N)` by the names of entries with runs."""
    return {
        entry.name: np.stack([read_correct(run, part) for run in entry.runs.values()])
        for entry in entries
        if entry.runs
    }


def _left_out(entries: Sequence[ComparisonEntry]) -> list[str]:
    """Return the contenders with failed runs, as `Grid.correct_predictions` leaves them out."""
    return [entry.name for entry in entries if entry.role == "contender" and entry.failures]


def _complete(correct: _CorrectByName, left_out: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    return {name: array for name, array in correct.items() if name not in left_out}


def current_verdict(
    contenders: _CorrectByName,
    left_out: Sequence[str],
    part: EvaluationPart,
    rules: VerdictRules,
    groups: _Groups,
    fold_of: _Groups = None,
) -> ComputedVerdict:
    """Return the verdict about the contenders whose runs all finished, with its statistics.

    Args:
        contenders: Contender name to Boolean array of shape (S, N). True where the prediction of
            image n with seed s is correct.
        left_out: Contenders with failed runs, which do not take part.
        part: The part of the split that evaluates.
        rules: Margin and looks.
        groups: Int64 array of shape (N,) with the group of each evaluated image, or None.
        fold_of: Folds of a repeated cross-validation, or None.
    """
    level = LEVEL if rules.looks is None else rules.looks
    complete = _complete(contenders, left_out)
    return compute_verdict(complete, level, part, rules.margin, left_out, groups, fold_of=fold_of)


def verdict_from_predictions(
    contenders: _CorrectByName,
    left_out: Sequence[str],
    part: EvaluationPart,
    rules: VerdictRules | None = None,
    notes: Sequence[str] = (),
    groups: _Groups = None,
    fold_of: _Groups = None,
) -> Verdict:
    """Return the verdict of a comparison.

    Args:
        contenders: Contender name to Boolean array of shape (S, N). True where the prediction of
            image n with seed s is correct.
        left_out: Contenders with failed runs, which do not take part.
        part: The part of the split that evaluates.
        rules: Margin and looks; the default margin and a single look by default.
        notes: Further observations, one sentence each.
        groups: Int64 array of shape (N,) with the group of each image, or None.
        fold_of: Int64 array with the fold that tests each image, or None.
    """
    computed = current_verdict(contenders, left_out, part, rules or VerdictRules(), groups, fold_of)
    over_images = _intervals_over_images(_complete(contenders, left_out), part, groups)
    pairs = [
        ContenderPair(
            a=pair.a,
            b=pair.b,
            difference=pair.difference,
            interval=pair.interval,
            interval_over_images=over_images.get((pair.a, pair.b)),
            p_value=pair.p_value,
            p_adjusted=pair.p_adjusted,
            smallest_detectable=pair.smallest_detectable,
            mcnemar=tuple(
                McNemarTest(
                    only_a=test.only_a, only_b=test.only_b, p_value=test.p_value, form=test.form
                )
                for test in pair.mcnemar
            ),
            bootstrap=pair.bootstrap,
            outcome=pair.outcome(computed.levels),
            equivalence_interval=pair.equivalence_interval,
            p_equivalent=pair.p_equivalent_adjusted,
            image_share=pair.parts.image_share,
        )
        for pair in computed.pairs
    ]
    needed = computed.needed
    return Verdict(
        outcome=computed.outcome,
        winner=computed.winner,
        difference=computed.difference,
        interval=computed.interval,
        p_value=computed.p_value,
        smallest_detectable=computed.smallest_detectable,
        equivalence_margin=computed.equivalence_margin,
        equivalent_to_best=computed.equivalent_to_best,
        limited_by=None if needed is None else needed.limit,
        image_share=None if needed is None else needed.image_share,
        seeds_to_decide=None if needed is None else needed.seeds,
        images_to_decide=None if needed is None else needed.images,
        looks=() if computed.looks is None else computed.looks.seeds,
        is_planned_look=computed.looks is None or computed.looks.is_planned,
        most_seeds=None if computed.looks is None else computed.looks.most,
        level=computed.levels.better,
        equivalence_level=computed.levels.equivalent,
        sentence=computed.sentence,
        about=computed.about,
        pairs=tuple(pairs),
        notes=(*_group_notes(contenders, pairs, part, groups), *notes),
    )


def _intervals_over_images(
    contenders: _CorrectByName, part: EvaluationPart, groups: _Groups
) -> dict[tuple[str, str], tuple[float, float]]:
    """Return the intervals of all pairs over independent images; empty without groups."""
    if groups is None or not contenders or groups_to_resample(groups, len(groups)) is None:
        return {}
    pairs = compute_verdict(contenders, part=part).pairs
    return {(pair.a, pair.b): pair.interval for pair in pairs}


def _group_notes(
    contenders: _CorrectByName,
    pairs: Sequence[ContenderPair],
    part: EvaluationPart,
    groups: _Groups,
) -> list[str]:
    """Return a sentence about groups and the interval of the first pair or only contender."""
    if not pairs:
        return group_notes(contenders, part, groups)

    first = pairs[0]
    what = f"the difference between {first.a} and {first.b}"
    grouped, over_images = f"{points_interval(first.interval)} points", None
    if first.interval_over_images is not None:
        over_images = f"{points_interval(first.interval_over_images)} points"
    images = contenders[first.a].shape[1]
    sentence = describe_groups(images, part, count_groups(groups), what, grouped, over_images)
    return [] if sentence is None else [sentence]


def _baseline_score(baseline: BaselineResult, groups: _Groups) -> BaselineScore:
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
    def of(cls, correct: NDArray[np.bool_], groups: _Groups) -> _Intervals:
        over_images = accuracy_interval(correct)
        if groups_to_resample(groups, correct.shape[1]) is None:
            return cls(over_images)
        return cls(accuracy_interval(correct, groups=groups), over_images)


def _contender(
    entry: ComparisonEntry,
    correct: NDArray[np.bool_],
    part: EvaluationPart,
    folder: Path,
    groups: _Groups,
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
        warnings=(*sorted(warnings), *entry.failures),
    )


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


def _baseline_notes(
    contenders: _CorrectByName,
    baselines: Sequence[BaselineResult],
    part: EvaluationPart,
    groups: _Groups,
    fold_of: _Groups,
) -> list[str]:
    """Return a sentence for each contender that does not beat a baseline."""
    notes = []
    for name, correct in contenders.items():
        for baseline in baselines:
            sentence = baseline_sentence(
                name, correct, baseline, part=part, groups=groups, fold_of=fold_of
            )
            if sentence:
                notes.append(sentence)
    return notes


def _pretraining_notes(
    entries: Sequence[ComparisonEntry],
    correct: _CorrectByName,
    groups: _Groups,
    fold_of: _Groups,
) -> list[str]:
    """Return a sentence for each control: what pretrained weights add over random ones."""
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


def _plan_notes(finished: Sequence[ComparisonEntry], part: EvaluationPart) -> list[str]:
    """Return a sentence about contenders that were trained without the plan."""
    names = [entry.name for entry in finished if entry.data is not None]
    if not names:
        return []
    return [
        f"{enumeration(names)} trained on the images and labels as they were. All contenders are "
        f"evaluated on the {part} images that the plan leaves alone."
    ]


def _run_notes(finished: Sequence[ComparisonEntry]) -> list[str]:
    """Return a sentence for each contender with very short runs, and for each failed entry."""
    notes = []
    for entry in finished:
        epochs = [read_metrics(run).epochs for run in entry.runs.values()]
        if entry.role == "contender" and min(epochs) < 1:
            notes.append(
                f"{entry.name} trained for less than one epoch in its time. "
                "Its accuracy says little about the model."
            )
    for entry in finished:
        if entry.failures:
            failed = f"{entry.name} failed with {len(entry.failures)} of {len(entry.seeds)} seeds."
            is_contender = entry.role == "contender"
            use = "The verdict leaves it out." if is_contender else "Only its other runs count."
            notes.append(f"{failed} {use}")
    return notes
