"""Run folders and table rows: the shape in which pages, figures and tables receive results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.results import (
    Contender,
    ContenderScores,
    DatasetSummary,
    EvaluationPart,
    Interval,
    PartMetrics,
    RunMetrics,
    SeedSpread,
    Trial,
    read_metrics,
)

Curves = dict[str, NDArray[np.float64]]
Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True)
class RunFolder:
    """A run folder and the results in it.

    Attributes:
        path: The folder.
        metrics: The content of `metrics.json`; None for a run that ended early.
        curves: The columns of `curves.csv`, one value per epoch; empty without such a file.
    """

    path: Path
    metrics: RunMetrics | None
    curves: Curves

    @property
    def is_solved(self) -> bool:
        """True if L-BFGS solved for the head in one step, without epochs."""
        return self.metrics is not None and self.metrics.recipe.get("optimizer") == "lbfgs"

    def scores(self, part: str) -> PartMetrics | None:
        """Return the metrics on one part of the split, or None if there are none."""
        return None if self.metrics is None else self.metrics.part(part)


@dataclass(frozen=True)
class Score:
    """The scores of one row of a results table. Absent values are None.

    Attributes:
        accuracy: Accuracy, or its mean over seeds.
        interval: 95% interval of the accuracy.
        images: Number of images that the accuracy rests on.
        macro_f1: Macro-averaged F1, or its mean over seeds.
        loss: Mean cross-entropy per image, or its mean over seeds.
        per_seed: Accuracy of each seed.
    """

    accuracy: float | None = None
    interval: Interval | None = None
    images: int | None = None
    macro_f1: float | None = None
    loss: float | None = None
    per_seed: tuple[float, ...] = ()

    @classmethod
    def from_result(cls, scores: ContenderScores | PartMetrics | None) -> Score:
        """Return the score of a contender or of a single run, empty for None."""
        if scores is None:
            return cls()
        return cls(
            scores.accuracy,
            scores.interval,
            scores.n,
            scores.macro_f1,
            scores.loss,
            scores.per_seed if isinstance(scores, ContenderScores) else (),
        )

    @classmethod
    def of_spread(
        cls, accuracy: SeedSpread | None, loss: SeedSpread | None = None, images: int | None = None
    ) -> Score:
        """Return the score of a recipe over seeds, empty for None."""
        if accuracy is None:
            return cls()
        return cls(
            accuracy.mean,
            (accuracy.low, accuracy.high),
            images,
            loss=None if loss is None else loss.mean,
            per_seed=accuracy.per_seed,
        )


@dataclass(frozen=True)
class Entry(Generic[Result_co]):
    """One row of a study: a contender, a control, a learning rate or a change.

    Attributes:
        name: Name on the page.
        place: Position among the accents; None for a row in the colour of secondary text.
        score: Scores on the part of the split that evaluates the study.
        result: The part of the finding that the row shows.
        runs: The run folders that still exist.
        representative: The run that stands for all where only one can be drawn, if any exists.
        fold_runs: With cross-validation, the runs of the first repeat, which together test every
            image once; empty otherwise.
    """

    name: str
    place: int | None
    score: Score
    result: Result_co
    runs: tuple[RunFolder, ...] = ()
    representative: RunFolder | None = None
    fold_runs: tuple[RunFolder, ...] = ()


Entries = Sequence[Entry[object]]


def open_run(folder: Path) -> RunFolder | None:
    """Open a run folder; a run that ended early may have curves without metrics.

    Returns:
        The run, or None if the folder holds neither metrics nor curves.

    Raises:
        InputError: `metrics.json`, or another file that the report shows, is damaged.
    """
    store.require_intact(folder, "reports")
    metrics = read_metrics(folder) if (folder / "metrics.json").is_file() else None
    curves = _read_curves(folder)
    return None if metrics is None and not curves else RunFolder(folder, metrics, curves)


def open_runs(study: Path, names: Iterable[str]) -> tuple[RunFolder, ...]:
    """Open the run folders of a study, without those that were removed."""
    runs = [open_run(study / name) for name in names]
    return tuple(run for run in runs if run is not None)


def contender_entries(
    study: Path, contenders: Iterable[Contender], part: EvaluationPart
) -> tuple[Entry[Contender], ...]:
    """Return the contenders and controls of a comparison as rows. Controls have no accent."""
    entries: list[Entry[Contender]] = []
    place = 0
    for contender in contenders:
        runs = open_runs(study, contender.runs)
        is_contender = contender.role == "contender"
        entries.append(
            Entry(
                contender.name,
                place if is_contender else None,
                Score.from_result(contender.part(part)),
                contender,
                runs,
                _representative(runs, study / contender.representative_run),
                _fold_runs(runs, contender),
            )
        )
        place += is_contender
    return tuple(entries)


def confusion_counts(entry: Entry[object], part: str) -> NDArray[np.int64] | None:
    """Return the confusion matrix of an entry, `(K, K)`, one row per true class, or None.

    It is that of the representative run, or of all folds together.
    """
    if entry.fold_runs:
        scores = [run.scores(part) for run in entry.fold_runs]
        matrices = [np.asarray(fold.confusion, np.int64) for fold in scores if fold is not None]
        return np.sum(matrices, axis=0) if len(matrices) == len(scores) else None
    run_scores = None if entry.representative is None else entry.representative.scores(part)
    return None if run_scores is None else np.asarray(run_scores.confusion, np.int64)


def image_count(dataset: DatasetSummary, part: EvaluationPart) -> int:
    """Return the number of images in one part of the split."""
    counts = {
        "train": dataset.parts.train,
        "validation": dataset.parts.validation,
        "test": dataset.parts.test,
    }
    return counts[part].images


def ranked_trials(trials: Iterable[Trial]) -> list[Trial]:
    """Return the trials that have a score, best first.

    Trials with more epochs come first, then those with the lower validation loss, or the higher
    score of the metric of the search.
    """
    scored = [trial for trial in trials if trial.rungs and trial.state != "failed"]
    return sorted(scored, key=_rank)


def _rank(trial: Trial) -> tuple[float, float, int]:
    last = trial.rungs[-1]
    objective = last.loss if last.score is None else -last.score
    return -last.epochs, objective, trial.number


def _fold_runs(runs: tuple[RunFolder, ...], contender: Contender) -> tuple[RunFolder, ...]:
    """Return the runs of the first repeat of a cross-validation, if there is one."""
    folds = len(contender.runs) // max(len(contender.seeds), 1)
    is_complete = len(runs) == len(contender.runs)
    return runs[:folds] if folds > 1 and is_complete else ()


def _representative(runs: Sequence[RunFolder], path: Path) -> RunFolder | None:
    for run in runs:
        if run.path == path:
            return run
    return runs[0] if runs else None


def _read_curves(folder: Path) -> Curves:
    from headstart.training import read_curves

    if not (folder / "curves.csv").is_file():
        return {}
    curves = read_curves(folder)
    return curves if len(curves["epoch"]) else {}
