"""The verdict of a comparison: who won, by how much, how sure that is, and what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from headstart.errors import InputError
from headstart.evaluation import _sentences
from headstart.evaluation._comparisons import About, PairedComparison, all_pairs
from headstart.evaluation._paired_tests import BoolArray, as_runs


@dataclass(frozen=True)
class Verdict:
    """What a comparison found.

    Attributes:
        winner: the contender that is better than every other after Holm's correction; None when there is none.
        difference, interval, p_value, smallest_detectable: of the best and the second best by mean accuracy, as in
            `pairs[0]` (p-value after the correction); None with one contender.
        sentence: the finding in words.
        about: "recipes" when every contender has two seeds or more, so that the spread over seeds counts; else "models": the
            first run of each.
        pairs: all pairs, best contenders first.
    """

    winner: str | None
    difference: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    smallest_detectable: float | None
    sentence: str
    about: About
    pairs: tuple[PairedComparison, ...]

    def as_json(self) -> dict[str, object]:
        """The same as plain numbers, texts, tuples and dictionaries."""
        return asdict(self)


def verdict(correct: Mapping[str, BoolArray], level: float = 0.05, part: str = "test") -> Verdict:
    """Judge contenders on the same test images.

    Args:
        correct: by name of the contender, `(S, N)` booleans: was image i right under seed s? N is the same for all; S may
            differ. When any contender has one run only, the first runs are compared and the verdict is about them.
        level: of the two-sided tests, all pairs together.
        part: what the images are called in the sentence: "test" or "validation".

    Returns:
        The verdict. With two seeds or more of every contender, `recipe_test` judges each pair; else `exact_mcnemar` does,
        with the `paired_bootstrap` interval. Intervals are each for their pair alone, not corrected; where they and
        the p-value disagree, at the edge, the p-value decides.

    Raises:
        InputError: no contender, arrays that are not booleans, or different numbers of images.

    Source: rule 3 of the rules of evidence in the design; correction over pairs by Holm (1979).
    """
    if not correct:
        raise InputError("No contender has a finished run, so there is nothing to compare.")
    runs = {name: as_runs(array, name) for name, array in correct.items()}
    seeds = [len(array) for array in runs.values()]
    about: About = "recipes" if min(seeds) >= 2 else "models"
    if about == "models":
        runs = {name: array[:1] for name, array in runs.items()}
    scope = _sentences.scope(about, seeds, next(iter(runs.values())).shape[1], part)
    if len(runs) == 1:
        return Verdict(
            None, None, None, None, None, _sentences.alone(next(iter(runs)), scope), about, ()
        )
    pairs = all_pairs(runs, level, about)
    first = pairs[0]
    from_best = [pair for pair in pairs if pair.a == first.a]
    winner = first.a if all(pair.is_significant(level) for pair in from_best) else None
    order = [first.a, *(pair.b for pair in from_best)]
    return Verdict(
        winner,
        first.difference,
        first.interval,
        first.p_adjusted,
        first.smallest_detectable,
        _sentences.finding(order, pairs, level, scope, part),
        about,
        pairs,
    )
