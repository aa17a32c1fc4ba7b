"""The section that compares any two contenders: their difference, and who was correct where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.report._study import Entry
from headstart.results import Contender, ContenderPair, EvaluationPart, McNemarTest, Verdict


@dataclass(frozen=True)
class CorrectCounts:
    """The images of one test, by which of two trained models classify them correctly.

    Attributes:
        number: Number of the test, from 1. With several seeds, there is one test per seed.
        test: The test of the two models.
        both: Number of images that both classify correctly.
        neither: Number of images that neither does.
    """

    number: int
    test: McNemarTest
    both: int
    neither: int


@dataclass(frozen=True)
class PairDetails:
    """A pair of the verdict with the four counts of each of its tests."""

    pair: ContenderPair
    a: Entry[Contender]
    b: Entry[Contender]
    counts: tuple[CorrectCounts, ...]


def pair_details(
    verdict: Verdict, entries: Sequence[Entry[Contender]], part: EvaluationPart
) -> tuple[PairDetails, ...]:
    """Return the pairs of a verdict with their counts, in the order of the verdict.

    Args:
        verdict: The verdict.
        entries: The contenders.
        part: Part of the split that evaluates them.
    """
    by_name = {entry.name: entry for entry in entries}
    details: list[PairDetails] = []
    for pair in verdict.pairs:
        a, b = by_name.get(pair.a), by_name.get(pair.b)
        if a is not None and b is not None:
            details.append(PairDetails(pair, a, b, _correct_counts(pair, a.result, part)))
    return tuple(details)


def _correct_counts(
    pair: ContenderPair, contender: Contender, part: EvaluationPart
) -> tuple[CorrectCounts, ...]:
    """Return the counts of each test; none if the tests are not one per run of the contender."""
    scores = contender.part(part)
    if scores is None or len(scores.per_seed) < len(pair.mcnemar):
        return ()
    counts: list[CorrectCounts] = []
    accuracies = scores.per_seed[: len(pair.mcnemar)]
    for number, (test, accuracy) in enumerate(zip(pair.mcnemar, accuracies, strict=True), 1):
        both = round(accuracy * scores.n) - test.only_a
        neither = scores.n - both - test.only_a - test.only_b
        if both < 0 or neither < 0:
            return ()
        counts.append(CorrectCounts(number, test, both, neither))
    return tuple(counts)
