"""The section of scores per class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.formatting import percent
from headstart.report._study import Entries, Entry, RunFolder, confusion_counts

_RING = 0.8  # by how much a mark below another one is larger


@dataclass(frozen=True)
class MeanClassScores:
    """Precision, recall and F1 of one class, as means over the seeds or folds of an entry."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ClassRow:
    """The scores of one class.

    Attributes:
        name: Name of the class.
        support: Number of images of the class.
        scores: The scores of each contender; None for one without metrics.
        lowest: The lowest F1.
        gap: The highest minus the lowest F1.
    """

    name: str
    support: int
    scores: tuple[MeanClassScores | None, ...]
    lowest: float
    gap: float

    @property
    def marks(self) -> tuple[tuple[int, float, float], ...]:
        """Return the number of each contender with scores, its F1, and the size of its mark.

        A mark with the same F1 as later ones is larger, and becomes a ring around them. Otherwise
        they would hide it.
        """
        f1 = [(place, scores.f1) for place, scores in enumerate(self.scores) if scores is not None]
        texts = [percent(score) for _, score in f1]
        return tuple(
            (place, score, 1 + _RING * texts[number + 1 :].count(texts[number]))
            for number, (place, score) in enumerate(f1)
        )


@dataclass(frozen=True)
class ClassSection:
    """The scores of all classes, and the start of the axis of F1."""

    rows: tuple[ClassRow, ...]
    axis_start: float


def class_section(entries: Entries, part: str, class_names: Sequence[str]) -> ClassSection:
    """Return the scores of every class and contender.

    The classes on which the contenders differ most come first, then the weakest ones.
    """
    tables = [_class_scores(entry, part) for entry in entries]
    supports = _supports(entries, part)
    rows: list[ClassRow] = []
    for number, name in enumerate(class_names):
        scores = tuple(None if table is None else table[number] for table in tables)
        f1 = [score.f1 for score in scores if score is not None]
        if f1:
            rows.append(ClassRow(name, supports[number], scores, min(f1), max(f1) - min(f1)))

    # Scores of a class without images are 0 by convention: they say nothing, and come last.
    rows.sort(key=lambda row: (row.support == 0, -row.gap, row.lowest))
    # The axis starts at the tenth below the weakest class.
    lowest = min((row.lowest for row in rows if row.support), default=0.0)
    return ClassSection(tuple(rows), min(0.9, float(np.floor(10 * lowest)) / 10))


def _class_scores(entry: Entry[object], part: str) -> list[MeanClassScores] | None:
    """Return means over runs, or with cross-validation the scores of all folds together."""
    counts = confusion_counts(entry, part) if entry.fold_runs else None
    if counts is None:
        return _mean_scores(entry.runs, part)
    correct = np.diag(counts)
    predicted, support = np.maximum(counts.sum(axis=0), 1), np.maximum(counts.sum(axis=1), 1)
    f1 = 2 * correct / np.maximum(counts.sum(axis=0) + counts.sum(axis=1), 1)
    columns = ((correct / predicted).tolist(), (correct / support).tolist(), f1.tolist())
    return [MeanClassScores(*scores) for scores in zip(*columns, strict=True)]


def _mean_scores(runs: Sequence[RunFolder], part: str) -> list[MeanClassScores] | None:
    run_scores = [run.scores(part) for run in runs]
    tables = [scores.per_class for scores in run_scores if scores is not None]
    if not tables:
        return None
    return [
        MeanClassScores(
            float(np.mean([scores.precision for scores in same_class])),
            float(np.mean([scores.recall for scores in same_class])),
            float(np.mean([scores.f1 for scores in same_class])),
        )
        for same_class in zip(*tables, strict=True)
    ]


def _supports(entries: Entries, part: str) -> list[int]:
    for entry in entries:
        counts = confusion_counts(entry, part) if entry.fold_runs else None
        if counts is not None:
            return [int(count) for count in counts.sum(axis=1)]
        for run in entry.runs:
            scores = run.scores(part)
            if scores is not None:
                return [row.support for row in scores.per_class]
    return []
