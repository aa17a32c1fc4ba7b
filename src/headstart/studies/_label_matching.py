"""What learning curves say about each other: differences, crossings, labels to match, and all that in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation import (
    CurveComparison,
    LabelEstimate,
    PairedComparison,
    compare_curves,
    comparisons_with,
    holm,
)
from headstart.formatting import enumeration, interpolated_count, ratio
from headstart.studies._contenders import Contender

_LEVEL = 0.05
_Correct = Mapping[tuple[str, int], NDArray[np.bool_]]


def findings(
    entries: Sequence[Contender], correct: _Correct, counts: Sequence[int], part: str
) -> dict[str, Any]:
    """What the curves of all contenders show against the first one that has no head start.

    Args:
        correct: `(S, N)` booleans by contender and labels a class, where all seeds finished.
        counts: labels a class, ascending.
    """
    baseline = next((one for one in entries if not one.recipe.net.is_pretrained), entries[0])
    others = [one for one in entries if one is not baseline]
    curves = {
        one.name: {
            count: correct[one.name, count] for count in counts if (one.name, count) in correct
        }
        for one in entries
    }
    differences = _differences(baseline.name, [one.name for one in others], curves, counts)
    compared = [
        _compared(one.name, baseline.name, curves, differences[one.name], part) for one in others
    ]
    sentences = [one["sentence"] for one in compared] or [
        _alone(baseline.name, curves[baseline.name], part)
    ]
    main = next(
        (
            number
            for number, one in enumerate(compared)
            if one["leader"] not in (None, baseline.name)
        ),
        0,
    )
    return {
        "per_class": list(counts),
        "compared_with": baseline.name,
        "comparisons": compared,
        "main": main if compared else None,
        "sentence": sentences[main],
    }


def _differences(
    baseline: str,
    others: Sequence[str],
    curves: Mapping[str, Mapping[int, NDArray[np.bool_]]],
    counts: Sequence[int],
) -> dict[str, dict[int, PairedComparison]]:
    """Each other contender against the baseline with each number of labels; corrected for all of these tests together.

    Each is a pair of its own: these are different models, whose seeds need not differ alike.
    """
    found: dict[tuple[str, int], PairedComparison] = {}
    for count in counts:
        for name in others:
            if count in curves[name] and count in curves[baseline]:
                there = {one: curves[one][count] for one in (baseline, name)}
                found[name, count] = comparisons_with(baseline, there, _LEVEL)[name]
    adjusted = holm([pair.p_value for pair in found.values()])
    pairs: dict[str, dict[int, PairedComparison]] = {name: {} for name in others}
    for ((name, count), pair), p in zip(found.items(), adjusted, strict=True):
        pairs[name][count] = replace(pair, p_adjusted=p)
    return pairs


def _compared(
    other: str,
    baseline: str,
    curves: Mapping[str, Mapping[int, NDArray[np.bool_]]],
    pairs: Mapping[int, PairedComparison],
    part: str,
) -> dict[str, Any]:
    """One contender against the baseline."""
    counts = list(pairs)
    first = next((count for count in counts if pairs[count].is_significant(_LEVEL)), None)
    leader = None if first is None else other if pairs[first].difference > 0 else baseline
    found: dict[str, Any] = {
        "a": other,
        "b": baseline,
        "leader": leader,
        "follower": None if leader is None else baseline if leader == other else other,
        "differences": [
            {
                "per_class": count,
                "difference": pair.difference,
                "interval": pair.interval,
                "p_adjusted": pair.p_adjusted,
                "is_shown": pair.is_significant(_LEVEL),
            }
            for count, pair in pairs.items()
        ],
        "crossing": None,
        "matches": [],
        "match": None,
    }
    if first is not None and len(counts) > 1:
        above, below = (
            np.stack([curves[found[name]][count] for count in counts])
            for name in ("leader", "follower")
        )
        pair = compare_curves(counts, above, below)
        found["crossing"] = _labels(pair.crossing(), counts)
        found["matches"] = [_match(pair, at, counts) for at in range(len(counts))]
        found["match"] = counts.index(first)
    return {**found, "sentence": _sentence(found, counts, part)}


def _match(pair: CurveComparison, at: int, counts: Sequence[int]) -> dict[str, Any]:
    """How many labels the follower needs for what the leader has with `counts[at]`, and how many times as many that is."""
    needs = _labels(pair.matching(at), counts)
    one, *ends = (
        None if value is None else value / counts[at]
        for value in (needs["per_class"], *needs["interval"])
    )
    return {
        "per_class": counts[at],
        "accuracy": float(pair.a[at]),
        "needs": needs,
        "times": one,
        "times_interval": ends,
    }


def _labels(found: LabelEstimate, counts: Sequence[int]) -> dict[str, Any]:
    """For JSON: None where a number lies outside of what was tried; the interval is two bounds, None where there is none."""
    low, high = found.interval
    where = "above" if found.value == np.inf else "below" if found.value == 0 else "inside"
    return {
        "per_class": found.value if where == "inside" else None,
        "where": where,
        "interval": [
            None if low == 0 else float(min(low, counts[-1])),
            None if high == np.inf else float(max(high, counts[0])),
        ],
    }


def _sentence(found: Mapping[str, Any], counts: Sequence[int], part: str) -> str:
    if found["leader"] is None:
        return (
            f"No difference between {found['a']} and {found['b']} is shown with {counts[0]:,} to {counts[-1]:,} labels a class."
            if counts
            else f"{found['a']} and {found['b']} cannot be compared: too many of their runs failed."
        )
    if found["match"] is None:
        return (
            f"{found['leader']} is ahead of {found['follower']} with {counts[0]:,} labels a class."
        )
    match = found["matches"][found["match"]]
    begin = f"With {_count(match['per_class'])} a class, {found['leader']} gets {match['accuracy']:.1%} of {part} images right"
    return f"{begin}; {_needs(match, found['follower'], counts)} {_end(found, counts)}"


def _count(labels: int) -> str:
    return f"{labels:,} label{'s' * (labels != 1)}"


def _needs(match: Mapping[str, Any], follower: str, counts: Sequence[int]) -> str:
    low, high = match["times_interval"]
    most = counts[-1] / match["per_class"]
    if match["needs"]["where"] == "above":
        sure = "" if low is None or low >= most else f" (95% interval: from {ratio(low)} on)"
        return f"{follower} would need more{f' than {ratio(most)} times as many' if most > 1 else ''}{sure}."
    if match["needs"]["where"] == "below":
        return f"{follower} needs fewer than {counts[0]:,} for that."
    return f"{follower} needs {ratio(match['times'])} times as many for that (95% interval {_span(low, high)})."


def _span(low: float | None, high: float | None) -> str:
    if low is None:
        return "wider than what was tried" if high is None else f"up to {ratio(high)}"
    return f"{ratio(low)} or more" if high is None else f"{ratio(low)} to {ratio(high)}"


def _end(found: Mapping[str, Any], counts: Sequence[int]) -> str:
    """Who leads with the most labels, and where the curves cross."""
    last, crossing = found["differences"][-1], found["crossing"]
    most = f"{counts[-1]:,} a class"
    if not last["is_shown"]:
        return f"With {most} no difference between them is shown any more."
    by = f"{100 * abs(last['difference']):.1f} points"
    low, high = crossing["interval"]
    if crossing["where"] == "above" and (before := _ahead_before(found)):
        return f"{before}; with {most} {found['leader']} is ahead by {by}."
    if crossing["where"] == "above":
        maybe = (
            f", though they may from {interpolated_count(low)} on"
            if low is not None and low < counts[-1]
            else ""
        )
        return (
            f"The curves do not cross{maybe}: with {most} {found['leader']} is still ahead by {by}."
        )
    least = interpolated_count(low) if low else f"fewer than {counts[0]:,}"
    span = f"{least} to {interpolated_count(high) if high else f'more than {counts[-1]:,}'}"
    at = interpolated_count(crossing["per_class"] or counts[0])
    return f"The curves cross at about {at} a class (95% interval {span}): with {most} {found['follower']} is ahead by {by}."


def _ahead_before(found: Mapping[str, Any]) -> str:
    """With which numbers of labels the follower has the higher accuracy, and whether that is shown; "" with none."""
    sign = 1 if found["follower"] == found["a"] else -1
    ahead = [one for one in found["differences"] if sign * one["difference"] > 0]
    if not ahead:
        return ""
    shown = "" if any(one["is_shown"] for one in ahead) else ", which is not shown"
    where = enumeration([f"{one['per_class']:,}" for one in ahead])
    return f"With {where} a class {found['follower']} is ahead{shown}"


def _alone(name: str, curve: Mapping[int, NDArray[np.bool_]], part: str) -> str:
    if not curve:
        return f"Too many runs of {name} failed."
    ends = [
        f"{curve[count].mean():.1%} with {_count(count)} a class"
        for count in (min(curve), max(curve))
    ]
    return f"{name} gets {' and '.join(dict.fromkeys(ends))} of {part} images right."
