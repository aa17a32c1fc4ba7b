"""The verdict of a comparison, as its finding records it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation import (
    DEFAULT_MARGIN,
    Levels,
    Looks,
    PairedComparison,
    Verdict as ComputedVerdict,
    count_groups,
    describe_groups,
    groups_to_resample,
    verdict as compute_verdict,
)
from headstart.formatting import points_interval
from headstart.results import (
    ContenderPair,
    EvaluationPart,
    McNemarTest,
    Verdict,
)
from headstart.studies._comparison_entries import CorrectByName, Groups
from headstart.studies._group_notes import group_notes

LEVEL = 0.05  # family-wise significance level of a verdict


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


def without_failed(correct: CorrectByName, left_out: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Return the predictions of the contenders whose runs all finished."""
    return {name: array for name, array in correct.items() if name not in left_out}


def current_verdict(
    contenders: CorrectByName,
    left_out: Sequence[str],
    part: EvaluationPart,
    rules: VerdictRules,
    groups: Groups,
    fold_of: Groups = None,
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
    complete = without_failed(contenders, left_out)
    return compute_verdict(complete, level, part, rules.margin, left_out, groups, fold_of=fold_of)


def verdict_from_predictions(
    contenders: CorrectByName,
    left_out: Sequence[str],
    part: EvaluationPart,
    rules: VerdictRules | None = None,
    notes: Sequence[str] = (),
    groups: Groups = None,
    fold_of: Groups = None,
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
    over_images = _intervals_over_images(without_failed(contenders, left_out), part, groups)
    pairs = [
        _contender_pair(pair, computed.levels, over_images.get((pair.a, pair.b)))
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


def _contender_pair(
    pair: PairedComparison, levels: Levels, over_images: tuple[float, float] | None
) -> ContenderPair:
    """Return a pair of contenders as a finding records it.

    Args:
        pair: The comparison.
        levels: Significance levels of the tests.
        over_images: The interval over independent images; None without groups.
    """
    return ContenderPair(
        a=pair.a,
        b=pair.b,
        difference=pair.difference,
        interval=pair.interval,
        interval_over_images=over_images,
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
        outcome=pair.outcome(levels),
        equivalence_interval=pair.equivalence_interval,
        p_equivalent=pair.p_equivalent_adjusted,
        image_share=pair.parts.image_share,
    )


def _intervals_over_images(
    contenders: CorrectByName, part: EvaluationPart, groups: Groups
) -> dict[tuple[str, str], tuple[float, float]]:
    """Return the intervals of all pairs over independent images; empty without groups."""
    if groups is None or not contenders or groups_to_resample(groups, len(groups)) is None:
        return {}
    pairs = compute_verdict(contenders, part=part).pairs
    return {(pair.a, pair.b): pair.interval for pair in pairs}


def _group_notes(
    contenders: CorrectByName,
    pairs: Sequence[ContenderPair],
    part: EvaluationPart,
    groups: Groups,
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
