"""Comparisons of learning curves: differences, crossings, labels to match, and their sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation import (
    CurveComparison,
    LabelEstimate as EvaluationEstimate,
    PairedComparison,
    compare_curves,
    comparisons_with,
    holm,
)
from headstart.formatting import counted, enumeration, interpolated_count, percent, points, ratio
from headstart.results import (
    EvaluationPart,
    LabelComparison,
    LabelDifference,
    LabelEstimate,
    LabelMatch,
)
from headstart.studies._differences import LEVEL

if TYPE_CHECKING:
    from headstart.studies._contenders import NamedContender

BoolArray = NDArray[np.bool_]
_Curve = Mapping[int, BoolArray]


@dataclass(frozen=True)
class Sampling:
    """How the evaluated images of a study were sampled.

    Attributes:
        groups: Int64 array of shape (N,) with the group of each image, or None.
        fold_of: Folds of a repeated cross-validation, int64 of shape (R, N), or None.
    """

    groups: NDArray[np.int64] | None = None
    fold_of: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class CurvesComparison:
    """The comparison of all learning curves with one of them.

    Attributes:
        reference: Name of the contender that the others are compared with.
        comparisons: One comparison per other contender.
        main: Index of the comparison that the finding is about; None for a single contender.
        sentence: The finding in words.
    """

    reference: str
    comparisons: tuple[LabelComparison, ...]
    main: int | None
    sentence: str


def compare_label_curves(
    names: Sequence[str],
    reference: str,
    correct: Mapping[tuple[str, int], BoolArray],
    counts: Sequence[int],
    part: EvaluationPart,
    sampling: Sampling | None = None,
) -> CurvesComparison:
    """Compare the curves of all contenders with that of one of them.

    Args:
        names: Names of the contenders.
        reference: Name of the contender that the others are compared with.
        correct: Boolean arrays of shape (S, N), True where the contender is correct, by its name
            and the number of labels per class. Only where all seeds finished.
        counts: Numbers of labels per class, in ascending order.
        part: The part of the split that evaluates.
        sampling: The groups or folds of the images; independent images by default.
    """
    sampling = sampling or Sampling()
    others = [name for name in names if name != reference]
    curves = {name: _curve(name, correct, counts) for name in names}
    pairs = _paired_comparisons(reference, others, curves, counts, sampling)
    comparisons = [
        _compare(name, reference, curves, pairs[name], part, sampling) for name in others
    ]
    if not comparisons:
        sentence = _single_sentence(reference, curves[reference], part)
        return CurvesComparison(reference, (), None, sentence)

    # The main finding is about a contender that beats the reference, if there is one.
    ahead = [comparison.leader not in (None, reference) for comparison in comparisons]
    main = ahead.index(True) if any(ahead) else 0
    return CurvesComparison(reference, tuple(comparisons), main, comparisons[main].sentence)


def reference_of(contenders: Sequence[NamedContender]) -> str:
    """Return the name of the first contender that is not pretrained, or else of the first one."""
    for contender in contenders:
        if not contender.recipe.net.is_pretrained:
            return contender.name
    return contenders[0].name


def _curve(
    name: str, correct: Mapping[tuple[str, int], BoolArray], counts: Sequence[int]
) -> _Curve:
    return {count: correct[name, count] for count in counts if (name, count) in correct}


def _paired_comparisons(
    reference: str,
    others: Sequence[str],
    curves: Mapping[str, _Curve],
    counts: Sequence[int],
    sampling: Sampling,
) -> dict[str, dict[int, PairedComparison]]:
    """Compare each contender with the reference at each number of labels.

    P-values are corrected for all of these tests together. Each test has its own variance over
    seeds: these are different models, whose variances need not be alike.
    """
    tests: dict[tuple[str, int], PairedComparison] = {}
    for count in counts:
        for name in others:
            if count in curves[name] and count in curves[reference]:
                runs = {reference: curves[reference][count], name: curves[name][count]}
                tests[name, count] = comparisons_with(
                    reference, runs, LEVEL, sampling.groups, sampling.fold_of
                )[name]

    adjusted = holm([test.p_value for test in tests.values()])
    pairs: dict[str, dict[int, PairedComparison]] = {name: {} for name in others}
    for ((name, count), test), p_adjusted in zip(tests.items(), adjusted, strict=True):
        pairs[name][count] = replace(test, p_adjusted=p_adjusted)
    return pairs


def _compare(
    name: str,
    reference: str,
    curves: Mapping[str, _Curve],
    pairs: Mapping[int, PairedComparison],
    part: EvaluationPart,
    sampling: Sampling,
) -> LabelComparison:
    """Compare one contender with the reference over all numbers of labels.

    The leader is the one that is better at the first significant difference.
    """
    counts = list(pairs)
    first = next((count for count in counts if pairs[count].is_significant(LEVEL)), None)
    comparison = LabelComparison(
        a=name,
        b=reference,
        leader=None,
        follower=None,
        differences=tuple(_difference(count, pair) for count, pair in pairs.items()),
        crossing=None,
        matches=(),
        match=None,
        sentence="",
    )
    if first is not None:
        leads = pairs[first].difference > 0
        leader, follower = (name, reference) if leads else (reference, name)
        comparison = comparison.model_copy(update={"leader": leader, "follower": follower})
        if len(counts) > 1:
            above = np.stack([curves[leader][count] for count in counts])
            below = np.stack([curves[follower][count] for count in counts])
            curve_pair = compare_curves(
                counts, above, below, groups=sampling.groups, fold_of=sampling.fold_of
            )
            matches = tuple(_match(curve_pair, at, counts) for at in range(len(counts)))
            comparison = comparison.model_copy(
                update={
                    "crossing": _estimate(curve_pair.crossing(), counts),
                    "matches": matches,
                    "match": counts.index(first),
                }
            )
    images = 0 if first is None else curves[name][first].shape[1]
    return comparison.model_copy(update={"sentence": _sentence(comparison, part, images)})


def _difference(count: int, pair: PairedComparison) -> LabelDifference:
    return LabelDifference(
        per_class=count,
        difference=pair.difference,
        interval=pair.interval,
        p_adjusted=pair.p_adjusted,
        is_significant=pair.is_significant(LEVEL),
    )


def _match(curves: CurveComparison, at: int, counts: Sequence[int]) -> LabelMatch:
    """Return how many labels the follower needs for the accuracy of the leader at `counts[at]`."""
    needs = _estimate(curves.matching(at), counts)
    low, high = needs.interval
    return LabelMatch(
        per_class=counts[at],
        accuracy=float(curves.a[at]),
        needs=needs,
        factor=_divided(needs.per_class, counts[at]),
        factor_interval=(_divided(low, counts[at]), _divided(high, counts[at])),
    )


def _divided(labels: float | None, count: int) -> float | None:
    return None if labels is None else labels / count


def _estimate(estimate: EvaluationEstimate, counts: Sequence[int]) -> LabelEstimate:
    """Return an estimate with None in place of numbers outside the measured ones."""
    low, high = estimate.interval
    where: Literal["below", "inside", "above"] = "inside"
    if estimate.value == np.inf:
        where = "above"
    elif estimate.value == 0:
        where = "below"
    return LabelEstimate(
        per_class=estimate.value if where == "inside" else None,
        where=where,
        interval=(
            None if low == 0 else float(min(low, counts[-1])),
            None if high == np.inf else float(max(high, counts[0])),
        ),
    )


def _sentence(comparison: LabelComparison, part: EvaluationPart, images: int) -> str:
    counts = [difference.per_class for difference in comparison.differences]
    if not counts:
        return f"Too many runs of {comparison.a} or {comparison.b} failed to compare them."
    if comparison.leader is None or comparison.follower is None:
        largest = 0.0
        for difference in comparison.differences:
            largest = max(largest, *(abs(end) for end in difference.interval))
        measured_range = " to ".join(
            f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1]))
        )
        bound = f": at most {points(largest)} points either way (95% intervals)"
        if largest >= 0.5:  # such as one interval of two seeds, which t makes very wide
            bound = ", but the 95% intervals are too wide to limit it"
        return (
            f"No significant difference between {comparison.a} and {comparison.b} with "
            f"{_per_class(measured_range)}{bound}."
        )
    if comparison.match is None or comparison.crossing is None:
        return (
            f"{comparison.leader} is better than {comparison.follower} with "
            f"{_per_class(f'{counts[0]:,}')}."
        )
    match = comparison.matches[comparison.match]
    return (
        f"With {counted(match.per_class, 'label')} per class, {comparison.leader} classifies "
        f"{percent(match.accuracy, images)} of {part} images correctly. "
        f"{_needs_sentence(match, comparison.follower, counts)} "
        f"{_crossing_sentence(comparison, comparison.crossing, counts)}"
    )


def _needs_sentence(match: LabelMatch, follower: str, counts: Sequence[int]) -> str:
    """Return how many labels the follower needs for the same accuracy, as a sentence."""
    low, high = match.factor_interval
    if match.needs.where == "below":
        return f"{follower} needs fewer than {counts[0]:,} for the same accuracy."
    if match.factor is None:
        most = counts[-1] / match.per_class
        more = f"more than {ratio(most)} times as many" if most > 1 else "more"
        is_bounded = low is not None and low < most
        bound = f" (95% interval: {ratio(low)} or more)" if is_bounded and low is not None else ""
        return f"{follower} would need {more} for the same accuracy{bound}."
    return (
        f"{follower} needs {ratio(match.factor)} times as many for the same accuracy "
        f"(95% interval {_factor_range(low, high)})."
    )


def _factor_range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return "wider than the measured range"
    if low is None:
        return f"up to {ratio(high or 0.0)}"
    return f"{ratio(low)} or more" if high is None else f"{ratio(low)} to {ratio(high)}"


def _crossing_sentence(
    comparison: LabelComparison, crossing: LabelEstimate, counts: Sequence[int]
) -> str:
    """Return who is better with the most labels, and where the curves cross."""
    last = comparison.differences[-1]
    most = f"{counts[-1]:,} labels per class"
    if not last.is_significant:
        return f"With {most}, the difference is no longer significant."

    by = f"{points(abs(last.difference))} points"
    low, high = crossing.interval
    if crossing.where == "above":
        earlier = _follower_ahead(comparison)
        if earlier:
            return f"{earlier} With {most}, {comparison.leader} is better by {by}."
        if low is not None and low < counts[-1]:
            return (
                "The measured curves do not cross, but a crossing from "
                f"{_per_class(interpolated_count(low))} on cannot be excluded (95%). "
                f"With {most}, {comparison.leader} is better by {by}."
            )
        return f"The curves do not cross: with {most}, {comparison.leader} is still better by {by}."

    lowest = interpolated_count(low) if low else f"fewer than {counts[0]:,}"
    highest = interpolated_count(high) if high else f"more than {counts[-1]:,}"
    at = interpolated_count(crossing.per_class or counts[0])
    return (
        f"The curves cross at about {_per_class(at)} (95% interval {lowest} to {highest}). "
        f"With {most}, {comparison.follower} is better by {by}."
    )


def _follower_ahead(comparison: LabelComparison) -> str:
    """Return with how many labels the follower is more accurate, as a sentence; "" for none."""
    sign = 1 if comparison.follower == comparison.a else -1
    ahead = [
        difference for difference in comparison.differences if sign * difference.difference > 0
    ]
    if not ahead:
        return ""
    is_significant = any(difference.is_significant for difference in ahead)
    counts = enumeration([f"{difference.per_class:,}" for difference in ahead])
    significance = "" if is_significant else ", which is not significant"
    return f"With {_per_class(counts)}, {comparison.follower} is ahead{significance}."


def _per_class(number: str) -> str:
    """Return a number as text with its unit: "1 label per class", "10 to 30 labels per class"."""
    return f"{number} {'label' if number == '1' else 'labels'} per class"


def _single_sentence(name: str, curve: _Curve, part: EvaluationPart) -> str:
    if not curve:
        return f"Too many runs of {name} failed."
    ends = [
        f"{percent(curve[count].mean(), curve[count].shape[1])} "
        f"with {counted(count, 'label')} per class"
        for count in dict.fromkeys((min(curve), max(curve)))
    ]
    return f"{name} classifies {' and '.join(ends)} of {part} images correctly."
