"""The verdict of a comparison: its outcome, the evidence, and its scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from headstart.errors import InputError
from headstart.evaluation import _sentences
from headstart.evaluation._comparisons import (
    About,
    Outcome,
    PairedComparison,
    all_pairs,
    at_look,
)
from headstart.evaluation._equivalence import DEFAULT_MARGIN, check_margin
from headstart.evaluation._fold_sentences import describe_folds
from headstart.evaluation._grouped_images import IntArray
from headstart.evaluation._grouped_sentences import describe_images
from headstart.evaluation._looks import FUTILE, Levels, Looks, look_levels, probability_to_decide
from headstart.evaluation._needed_evidence import NeededEvidence, needed_evidence
from headstart.evaluation._paired_tests import BoolArray, as_runs

DEFAULT_LEVEL = 0.05


@dataclass(frozen=True)
class Verdict:
    """Conclusion of a comparison.

    Attributes:
        outcome: "better" if one contender is significantly better than every other one,
            "equivalent" if the best one is significantly better than or equivalent to every other
            one, "undecided" otherwise.
        winner: The contender that is significantly better than every other one after Holm's
            correction, or None.
        equivalent_to_best: The contenders that are shown to be equivalent to the best one.
        equivalence_margin: The margin of equivalence, a fraction.
        difference: Accuracy of the best minus the second best contender by mean accuracy, a
            fraction. This and the next three are those of `pairs[0]`, and None for a single
            contender.
        interval: Confidence interval of the difference.
        p_value: Two-sided p-value of the difference, after the correction.
        smallest_detectable: Minimum detectable effect of that test, a fraction.
        needed: What would decide an undecided comparison; None for another outcome.
        levels: The significance levels of the tests. They are below `level` if there are several
            looks.
        looks: The looks at the comparison; None for a single one.
        probability_to_decide: Probability that the further seeds that are planned decide an
            undecided comparison; None if none are planned.
        sentence: The verdict in words.
        about: "recipes" if every contender has at least two seeds, so that the variance over seeds
            is included. Otherwise "models": the first run of each contender.
        pairs: All pairs, the contenders with the highest accuracy first.
    """

    outcome: Outcome
    winner: str | None
    equivalent_to_best: tuple[str, ...]
    equivalence_margin: float
    difference: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    smallest_detectable: float | None
    needed: NeededEvidence | None
    levels: Levels
    looks: Looks | None
    probability_to_decide: float | None
    sentence: str
    about: About
    pairs: tuple[PairedComparison, ...]

    def as_json(self) -> dict[str, object]:
        """Return the verdict as numbers, strings, tuples and dictionaries."""
        return asdict(self)


def verdict(
    correct: Mapping[str, BoolArray],
    level: float | Looks = DEFAULT_LEVEL,
    part: str = "test",
    margin: float = DEFAULT_MARGIN,
    left_out: Sequence[str] = (),
    groups: IntArray | None = None,
    *,
    fold_of: IntArray | None = None,
) -> Verdict:
    """Compare contenders on the same images.

    With at least two seeds of every contender, each pair is compared with `recipe_test`. Otherwise
    the first runs are compared with `mid_p_mcnemar` and the `paired_bootstrap` interval.
    Equivalence is shown by two one-sided tests.

    Both families of p-values, of differences and of equivalence, are corrected over all pairs. So
    the best contender may be chosen by the same data: its pairs are among those corrected for.

    Intervals are those of single pairs and not corrected for the number of pairs. Those of
    equivalence are at the level of the look, if there are several. If an interval
    and a p-value disagree, at the border of significance, the p-value decides.

    Args:
        correct: Contender name to Boolean array of shape (S, N) or (N,). True where the prediction
            of image n with seed s is correct. N is the same for all contenders, S may differ.
        level: Family-wise significance level of the two-sided tests, and of equivalence. If seeds
            are added one by one, the looks over which it is spent.
        part: Name of the images in the sentence, "test" or "validation".
        margin: The largest difference that counts as equivalent, a fraction. It must be fixed
            before the results are known.
        left_out: Contenders that are not in `correct` because a run of theirs failed. A recipe that
            diverges with one seed of three must not win by the other two.
        groups: Int64 array of shape (N,) with the group of each image, or None. With ten groups or
            more, groups are resampled instead of images.
        fold_of: Folds of a repeated cross-validation, int64 of shape (S, N). Row s of a contender
            then holds the out-of-fold predictions of repeat s, and pairs are compared with
            `fold_test`. Groups are whole in each fold, and not needed.

    Returns:
        The outcome, its winner if there is one, all comparisons of pairs, and the outcome in words.

    Raises:
        InputError: `correct` and `left_out` are empty, an array is not boolean, the numbers of
            images differ, or the margin is not between 0 and 1.

    References:
        Correction over pairs: Holm (1979). Equivalence: Schuirmann (1987), Tango (1998).
    """
    if not correct and not left_out:
        raise InputError("there is nothing to compare: no contender has a finished run.")
    check_margin(margin)
    absent = _sentences.describe_left_out(left_out)
    if not correct:
        return _without_pairs(f"Nothing is compared. {absent}", "models", margin)
    runs = {name: as_runs(array, f"results of {name}") for name, array in correct.items()}
    seeds = [len(array) for array in runs.values()]
    images = next(iter(runs.values())).shape[1]

    about: About = "recipes" if min(seeds) >= 2 or fold_of is not None else "models"
    looks = level if isinstance(level, Looks) and about == "recipes" else None
    level = level.level if isinstance(level, Looks) else level
    if about == "models":
        runs = {name: array[:1] for name, array in runs.items()}
    evaluated = describe_images(images, part, groups)
    if fold_of is None:
        scope = _sentences.describe_scope(about, seeds, evaluated, _unvaried(runs, about))
    else:
        scope = describe_folds(fold_of)
    scope = f"{absent} {scope}".strip()
    if len(runs) == 1:
        reason = f"{next(iter(runs))} is the only contender, so there is nothing to compare."
        return _without_pairs(f"{reason} {scope}", about, margin)

    pairs = all_pairs(runs, level, about, margin, groups, fold_of)
    levels = Levels(level, level)
    if looks is not None:
        levels = look_levels(looks, [pair.parts for pair in pairs])
        pairs = at_look(pairs, runs, levels, groups)
    return _conclude(pairs, _sentences.Wording(level, levels, part, margin), looks, about, scope)


def _conclude(
    pairs: tuple[PairedComparison, ...],
    wording: _sentences.Wording,
    looks: Looks | None,
    about: About,
    scope: str,
) -> Verdict:
    """Return the verdict about the best contender, from its comparisons with the others.

    Args:
        pairs: All pairs, the contenders with the highest accuracy first.
        wording: Levels, part and margin.
        looks: The looks; None for a single one.
        about: Whether the pairs compare recipes or models.
        scope: The sentences about what the verdict rests on.
    """
    levels, margin = wording.levels, wording.margin
    best = pairs[0]
    with_best = [pair for pair in pairs if pair.a == best.a]

    undecided = [pair for pair in with_best if pair.outcome(levels) == "undecided"]
    needed, probability = None, None
    if undecided:
        needed = _hardest(undecided, margin, wording.level / len(pairs))
        probability = _smallest_probability(undecided, looks, margin, len(pairs))
    sentences = [_sentences.describe_pairs(with_best, wording, needed)]
    if looks is not None:
        is_futile = probability is not None and probability < FUTILE
        sentences.append(
            _sentences.describe_looks(looks, levels, is_decided=not undecided, is_futile=is_futile)
        )

    outcome = _outcome([pair.outcome(levels) for pair in with_best])
    return Verdict(
        outcome=outcome,
        winner=best.a if outcome == "better" else None,
        equivalent_to_best=tuple(
            pair.b for pair in with_best if pair.outcome(levels) == "equivalent"
        ),
        equivalence_margin=margin,
        difference=best.difference,
        interval=best.interval,
        p_value=best.p_adjusted,
        smallest_detectable=best.smallest_detectable,
        needed=needed,
        levels=levels,
        looks=looks,
        probability_to_decide=probability,
        sentence=" ".join([*sentences, scope]),
        about=about,
        pairs=pairs,
    )


def _outcome(outcomes: Sequence[Outcome]) -> Outcome:
    if "undecided" in outcomes:
        return "undecided"
    return "equivalent" if "equivalent" in outcomes else "better"


def _smallest_probability(
    undecided: Sequence[PairedComparison],
    looks: Looks | None,
    margin: float,
    pairs: int,
) -> float | None:
    """Return the smallest probability that the planned seeds decide one of the pairs."""
    if looks is None or looks.seeds[-1] >= looks.most:
        return None
    return min(
        probability_to_decide(pair.difference, pair.parts, looks, margin, pairs)
        for pair in undecided
    )


def _hardest(
    undecided: Sequence[PairedComparison], margin: float, corrected_level: float
) -> NeededEvidence:
    """Return what would decide the undecided pair that needs the most evidence."""
    needed = [
        needed_evidence(pair.difference, pair.parts, margin, corrected_level) for pair in undecided
    ]

    def effort(evidence: NeededEvidence) -> tuple[float, float]:
        if evidence.seeds is None and evidence.images is None:
            return np.inf, np.inf
        return float(evidence.images or 0), float(evidence.seeds or 0)

    return max(needed, key=effort)


def _unvaried(runs: Mapping[str, BoolArray], about: About) -> list[str]:
    """Return the contenders whose seeds all classify the same images correctly."""
    if about == "models":
        return []
    return [name for name, array in runs.items() if bool((array == array[0]).all())]


def _without_pairs(sentence: str, about: About, margin: float) -> Verdict:
    return Verdict(
        outcome="undecided",
        winner=None,
        equivalent_to_best=(),
        equivalence_margin=margin,
        difference=None,
        interval=None,
        p_value=None,
        smallest_detectable=None,
        needed=None,
        levels=Levels(DEFAULT_LEVEL, DEFAULT_LEVEL),
        looks=None,
        probability_to_decide=None,
        sentence=sentence,
        about=about,
        pairs=(),
    )
