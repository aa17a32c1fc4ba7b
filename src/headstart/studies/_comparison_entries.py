"""The entries of a comparison and the results of their runs, for `compare` and `tune`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headstart.errors import RunFailed
from headstart.evaluation import (
    BaselineResult,
    accuracy_difference,
    accuracy_interval,
    baseline_sentence,
    verdict as compute_verdict,
    wilson_interval,
)
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
from headstart.training import read_correct

CONTROL_SUFFIX = " (random weights)"

_CorrectByName = Mapping[str, NDArray[np.bool_]]


@dataclass
class ComparisonEntry:
    """A contender or a control, and its runs.

    Attributes:
        name: The name in the finding.
        role: "contender", or "control" for a backbone with random weights.
        recipe: The recipe.
        seeds: The seeds of its runs.
        run_seconds: Time limit of each run, in seconds; None without a limit.
        prepare_seconds: Seconds that the features took.
        runs: Folders of the finished runs, by seed.
        failures: One sentence per failed run.
    """

    name: str
    role: Literal["contender", "control"]
    recipe: Recipe
    seeds: tuple[int, ...]
    run_seconds: float | None = None
    prepare_seconds: float = 0.0
    runs: dict[int, Path] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float | None:
        """The time that the entry may spend, in seconds; None without a limit."""
        if self.run_seconds is None:
            return None
        return round(self.prepare_seconds + self.run_seconds * len(self.seeds), 1)


@dataclass(frozen=True)
class EntryResults:
    """The part of a finding that describes the entries of a comparison.

    Attributes:
        contenders: The contenders and controls that have finished runs.
        failed: The entries with failed runs.
        baselines: Scores of the baselines.
        verdict: The verdict about the contenders.
        test_reads: The number of runs that were evaluated on the test images.
    """

    contenders: tuple[Contender, ...]
    failed: tuple[FailedContender, ...]
    baselines: tuple[BaselineScore, ...]
    verdict: Verdict
    test_reads: int


def compare_entries(
    entries: Sequence[ComparisonEntry],
    baselines: Sequence[BaselineResult],
    part: EvaluationPart,
    folder: Path,
) -> EntryResults:
    """Compare the finished runs of all entries.

    Args:
        entries: Contenders and controls with their runs.
        baselines: Baselines on the same images.
        part: The part of the split that evaluates.
        folder: The study folder, to which paths of runs are relative.

    Raises:
        RunFailed: No contender has a finished run.
    """
    finished = [entry for entry in entries if entry.runs]
    correct = {
        entry.name: np.stack([read_correct(run, part) for run in entry.runs.values()])
        for entry in finished
    }
    contenders = {
        entry.name: correct[entry.name] for entry in finished if entry.role == "contender"
    }
    if not contenders:
        failures = []
        for entry in entries:
            failures += entry.failures
        raise RunFailed(f"no contender finished: {'; '.join(failures)}")

    notes = [
        *_baseline_notes(contenders, baselines, part),
        *_pretraining_notes(entries, correct),
        *_run_notes(finished),
    ]
    if part == "validation":
        notes.append("Evaluated on validation images, because the split has no test images.")

    runs = sum(len(entry.runs) for entry in entries)
    return EntryResults(
        contenders=tuple(
            _contender(entry, correct[entry.name], part, folder) for entry in finished
        ),
        failed=tuple(
            FailedContender(name=entry.name, failures=tuple(entry.failures))
            for entry in entries
            if entry.failures
        ),
        baselines=tuple(_baseline_score(baseline) for baseline in baselines),
        verdict=_verdict(contenders, part, notes),
        test_reads=runs if part == "test" else 0,
    )


def _verdict(contenders: _CorrectByName, part: EvaluationPart, notes: Sequence[str]) -> Verdict:
    computed = compute_verdict(contenders, part=part)
    pairs = [
        ContenderPair(
            a=pair.a,
            b=pair.b,
            difference=pair.difference,
            interval=pair.interval,
            p_value=pair.p_value,
            p_adjusted=pair.p_adjusted,
            smallest_detectable=pair.smallest_detectable,
            mcnemar=tuple(
                McNemarTest(only_a=test.only_a, only_b=test.only_b, p_value=test.p_value)
                for test in pair.mcnemar
            ),
            bootstrap=pair.bootstrap,
        )
        for pair in computed.pairs
    ]
    return Verdict(
        winner=computed.winner,
        difference=computed.difference,
        interval=computed.interval,
        p_value=computed.p_value,
        smallest_detectable=computed.smallest_detectable,
        sentence=computed.sentence,
        about=computed.about,
        pairs=tuple(pairs),
        notes=tuple(notes),
    )


def _baseline_score(baseline: BaselineResult) -> BaselineScore:
    n = len(baseline.correct)
    return BaselineScore(
        name=baseline.name,
        accuracy=baseline.accuracy,
        n=n,
        note=baseline.note,
        interval=wilson_interval(int(baseline.correct.sum()), n),
    )


def _contender(
    entry: ComparisonEntry, correct: NDArray[np.bool_], part: EvaluationPart, folder: Path
) -> Contender:
    metrics = [read_metrics(run) for run in entry.runs.values()]
    runs = [os.path.relpath(run, folder) for run in entry.runs.values()]
    first = metrics[0]
    interval = accuracy_interval(correct)
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
        test=_scores(metrics, "test", interval if part == "test" else None),
        validation=_scores(metrics, "validation", interval if part == "validation" else None),
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
    metrics: Sequence[RunMetrics], part: str, interval: tuple[float, float] | None
) -> ContenderScores | None:
    scores = _scores_of_runs(metrics, part)
    if not scores:
        return None
    accuracies = [score.accuracy for score in scores]
    return ContenderScores(
        accuracy=float(np.mean(accuracies)),
        interval=interval,
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
    contenders: _CorrectByName, baselines: Sequence[BaselineResult], part: EvaluationPart
) -> list[str]:
    """Return a sentence for each contender that does not beat a baseline."""
    notes = []
    for name, correct in contenders.items():
        for baseline in baselines:
            sentence = baseline_sentence(name, correct, baseline, part=part)
            if sentence:
                notes.append(sentence)
    return notes


def _pretraining_notes(entries: Sequence[ComparisonEntry], correct: _CorrectByName) -> list[str]:
    """Return a sentence for each control: what pretrained weights add over random ones."""
    notes = []
    for control in entries:
        name = control.name.removesuffix(CONTROL_SUFFIX)
        if control.role != "control" or name not in correct or control.name not in correct:
            continue
        result = accuracy_difference(correct[name], correct[control.name][:1], 0.05)
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
            notes.append(
                f"{entry.name} failed with {len(entry.failures)} of {len(entry.seeds)} seeds. "
                "Only its other runs count."
            )
    return notes
