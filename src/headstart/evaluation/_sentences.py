"""The verdict of a comparison in words. Differences are in percentage points of accuracy."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.evaluation._comparisons import About, PairedComparison
from headstart.formatting import counted, enumeration, p_value, points


def describe_pairs(pairs: Sequence[PairedComparison], level: float, part: str) -> str:
    """Describe the comparisons of the best contender with all others.

    Args:
        pairs: Comparisons of the best contender, as `a`, with every other one. The more accurate
            contenders come first.
        level: Significance level.
        part: Name of the images, "test" or "validation".
    """
    if len(pairs) == 1:
        return _describe_pair(pairs[0], level, part)

    significant = [pair.b for pair in pairs if pair.is_significant(level)]
    unresolved = [pair for pair in pairs if not pair.is_significant(level)]
    best = pairs[0].a
    corrected = "The p-values are corrected for multiple comparisons (Holm)."
    if not unresolved:
        text = _describe_pair(pairs[0], level, part)
        others = enumeration(significant[1:])
        return f"{text} It is also significantly better than {others}. {corrected}"

    rivals = [
        f"{pair.b} ({points(pair.difference)} points, {_evidence(pair, level)})"
        for pair in unresolved
    ]
    text = (
        f"No single winner: {best} is not significantly better than "
        f"{enumeration(rivals)}. {_minimum_detectable_effect(unresolved[0])}"
    )
    if significant:
        text += f" {best} is significantly better than {enumeration(significant)}."
    return f"{text} {corrected}"


def _describe_pair(pair: PairedComparison, level: float, part: str) -> str:
    difference = points(pair.difference)
    evidence = _evidence(pair, level)
    if pair.is_significant(level):
        return (
            f"{pair.a} is significantly better than {pair.b}: its {part} accuracy is {difference} "
            f"points higher ({evidence})."
        )
    return (
        f"No significant difference between {pair.a} and {pair.b}: their {part} "
        f"accuracies differ by {difference} points ({evidence}). {_minimum_detectable_effect(pair)}"
    )


def describe_scope(about: About, seeds: Sequence[int], images: int, part: str) -> str:
    """Describe what a verdict is based on and what it applies to.

    Args:
        about: "recipes" or "models".
        seeds: Number of finished runs per contender.
        images: Number of images.
        part: Name of the images, "test" or "validation".
    """
    evaluated = counted(images, f"{part} image")
    if about == "recipes":
        fewest, most = min(seeds), max(seeds)
        number = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        return (
            f"This is based on {number} seeds per contender and {evaluated}, so it applies to the "
            "recipes."
        )
    runs = "one run per contender" if max(seeds) == 1 else "the first run of each contender"
    reason = "" if max(seeds) == 1 else " (some have only one)"
    return (
        f"This is based on {runs}{reason} and {evaluated}, so it applies to these trained models, "
        "not to the recipes. Comparing recipes needs at least two seeds per contender."
    )


def _evidence(pair: PairedComparison, level: float) -> str:
    low, high = (points(bound) for bound in pair.interval)
    confidence = f"{100 * (1 - level):g}%"
    return f"{confidence} confidence interval {low} to {high}, {p_value(pair.p_adjusted)}"


def _minimum_detectable_effect(pair: PairedComparison) -> str:
    if pair.smallest_detectable >= 1:
        return "With so few images, no difference can be significant."
    effect = points(pair.smallest_detectable)
    return f"The minimum detectable effect is {effect} points (at 80% power)."
