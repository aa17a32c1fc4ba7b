"""The state of a ladder before its next rung, and whether two of its results are about as good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation import SelectionMetric
from headstart.studies.fit._rung import CNN, FINE_TUNED, RungResult

_RESAMPLES = 40


@dataclass(frozen=True)
class LadderState:
    """The state of the ladder before its next rung.

    Attributes:
        results: The finished rungs, in their order.
        failed: Families of which a rung failed.
        names: Names of all finished and failed rungs.
        left: Seconds until the final evaluation must begin.
        reserved: Seconds of the final evaluation that were subtracted for it.
        earlier: Names of the rungs that were finished under a shorter time limit.
    """

    results: Sequence[RungResult]
    failed: set[str]
    names: set[str]
    left: float
    reserved: float
    earlier: frozenset[str] = frozenset()

    def left_for(self, evaluation: float) -> float:
        """Return the seconds for a rung whose final evaluation takes so many seconds."""
        return self.left - max(0.0, evaluation - self.reserved)

    def reserving(self, evaluation: float) -> LadderState:
        """Return the state in which at least so many seconds are reserved for the evaluation."""
        reserved = max(evaluation, self.reserved)
        return replace(self, left=self.left_for(evaluation), reserved=reserved)

    def of(self, family: str) -> list[RungResult]:
        """Return the results of a family, in their order."""
        return [result for result in self.results if result.family == family]

    def has_begun(self, family: str) -> bool:
        """Return whether a family has a result or has failed."""
        return bool(self.of(family)) or family in self.failed

    def has_long(self, family: str | None = None) -> bool:
        """Return whether a family, or any, has had a run that is not short, in this time limit."""
        return any(
            result.family in (CNN, FINE_TUNED)
            and family in (None, result.family)
            and not result.rung.is_short
            and result.rung.name not in self.earlier
            for result in self.results
        )

    def are_earlier(self, results: Sequence[RungResult]) -> bool:
        """Return whether all of these rungs were finished under a shorter time limit."""
        return all(result.rung.name in self.earlier for result in results)


def is_close(
    labels: NDArray[np.int64],
    metric: SelectionMetric,
    first: NDArray[np.float32],
    second: NDArray[np.float32],
) -> bool:
    """Return whether two scores differ by at most one standard error of their difference.

    Args:
        labels: Labels of N images.
        metric: The metric.
        first: Probabilities of shape (N, K).
        second: The same of another classifier.
    """
    generator = np.random.default_rng(0)
    differences = []
    for _ in range(_RESAMPLES):
        rows = generator.integers(0, len(labels), len(labels))
        drawn = labels[rows]
        differences.append(metric.score(drawn, first[rows]) - metric.score(drawn, second[rows]))
    whole = metric.score(labels, first) - metric.score(labels, second)
    return bool(abs(whole) <= np.std(differences))
