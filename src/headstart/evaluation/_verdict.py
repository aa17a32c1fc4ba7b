"""The verdict of a comparison: the winner, if any, the evidence, and its scope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from headstart.errors import InputError
from headstart.evaluation import _sentences
from headstart.evaluation._comparisons import About, PairedComparison, all_pairs
from headstart.evaluation._paired_tests import BoolArray, as_runs


@dataclass(frozen=True)
class Verdict:
    """Conclusion of a comparison.

    Attributes:
        winner: The contender that is significantly better than every other one after Holm's
            correction, or None.
        difference: Accuracy of the best minus the second best contender by mean accuracy, a
            fraction. This and the next three are those of `pairs[0]`, and None for a single
            contender.
        interval: Confidence interval of the difference.
        p_value: Two-sided p-value of the difference, after the correction.
        smallest_detectable: Minimum detectable effect of that test, a fraction.
        sentence: The verdict in words.
        about: "recipes" if every contender has at least two seeds, so that the variance over seeds
            is included. Otherwise "models": the first run of each contender.
        pairs: All pairs, the contenders with the highest accuracy first.
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
        """Return the verdict as numbers, strings, tuples and dictionaries."""
        return asdict(self)


def verdict(correct: Mapping[str, BoolArray], level: float = 0.05, part: str = "test") -> Verdict:
    """Compare contenders on the same images.

    With at least two seeds of every contender, each pair is compared with `recipe_test`. Otherwise
    the first runs are compared with `exact_mcnemar` and the `paired_bootstrap` interval.

    Intervals are those of single pairs and not corrected for the number of pairs. If an interval
    and a p-value disagree, at the border of significance, the p-value decides.

    Args:
        correct: Contender name to Boolean array of shape (S, N) or (N,). True where the prediction
            of image n with seed s is correct. N is the same for all contenders, S may differ.
        level: Family-wise significance level of the two-sided tests.
        part: Name of the images in the sentence, "test" or "validation".

    Raises:
        InputError: `correct` is empty, an array is not boolean, or the numbers of images differ.

    References:
        Correction over pairs: Holm (1979).
    """
    if not correct:
        raise InputError("there is nothing to compare: no contender has a finished run.")
    runs = {name: as_runs(array, f"results of {name}") for name, array in correct.items()}
    seeds = [len(array) for array in runs.values()]
    images = next(iter(runs.values())).shape[1]

    about: About = "recipes" if min(seeds) >= 2 else "models"
    if about == "models":
        runs = {name: array[:1] for name, array in runs.items()}
    scope = _sentences.describe_scope(about, seeds, images, part)
    if len(runs) == 1:
        return _single_contender(next(iter(runs)), scope, about)

    pairs = all_pairs(runs, level, about)
    best = pairs[0]
    with_best = [pair for pair in pairs if pair.a == best.a]
    is_winner = all(pair.is_significant(level) for pair in with_best)
    return Verdict(
        winner=best.a if is_winner else None,
        difference=best.difference,
        interval=best.interval,
        p_value=best.p_adjusted,
        smallest_detectable=best.smallest_detectable,
        sentence=f"{_sentences.describe_pairs(with_best, level, part)} {scope}",
        about=about,
        pairs=pairs,
    )


def _single_contender(name: str, scope: str, about: About) -> Verdict:
    return Verdict(
        winner=None,
        difference=None,
        interval=None,
        p_value=None,
        smallest_detectable=None,
        sentence=f"{name} is the only contender, so there is nothing to compare. {scope}",
        about=about,
        pairs=(),
    )
