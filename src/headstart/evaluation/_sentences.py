"""What a comparison found, in plain words. Accuracies and differences are in percentage points."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.evaluation._comparisons import About, PairedComparison
from headstart.formatting import enumeration, p_value, points


def finding(
    order: Sequence[str], pairs: Sequence[PairedComparison], level: float, scope: str, part: str
) -> str:
    """One sentence for two contenders or more, `order` from best to worst and `pairs` among them."""
    best = order[0]
    from_best = [pair for pair in pairs if pair.a == best]
    beaten = [pair.b for pair in from_best if pair.is_significant(level)]
    unsure = [pair for pair in from_best if not pair.is_significant(level)]
    many = len(order) > 2
    end = f"{scope}; p-values after Holm's correction" if many else scope
    if not unsure:
        others = f", and better than {enumeration(beaten[1:])}" if many else ""
        return (
            f"{best} is better than {beaten[0]} by {points(from_best[0].difference)} points of {part} accuracy "
            f"({_how_sure(from_best[0], level)}){others}; {end}."
        )
    if not many:
        return (
            f"No difference shown between {best} and {order[1]}: {points(unsure[0].difference)} points apart "
            f"({_how_sure(unsure[0], level)}); {_could_show(unsure[0])}; {end}."
        )
    rivals = enumeration(
        [
            f"{pair.b} ({points(pair.difference)} points apart, {_how_sure(pair, level)})"
            for pair in unsure
        ]
    )
    rest = f" {best} is better than {enumeration(beaten)}." if beaten else ""
    return f"No single winner: {best} is not separated from {rivals}; {_could_show(unsure[0])}; {end}.{rest}"


def alone(name: str, scope_text: str) -> str:
    """The sentence for a single contender."""
    return f"{name} is the only contender, so nothing is compared; {scope_text}."


def scope(about: About, seeds: Sequence[int], n: int, part: str) -> str:
    """What the numbers rest on, and what they are therefore about. `seeds` counts the finished runs of each contender."""
    images = f"{n:,} {part} image" + "s" * (n != 1)
    if about == "recipes":
        few, many = min(seeds), max(seeds)
        spread = f"{few} seeds" if few == many else f"{few} to {many} seeds"
        return f"over {spread} and {images}, so this is about the recipes"
    which = (
        "one run each"
        if max(seeds) == 1
        else "the first run of each, as not every contender has two"
    )
    return f"on {images} with {which}, so this is about these trained models, not the recipes: more seeds would tell"


def _how_sure(pair: PairedComparison, level: float) -> str:
    low, high = (points(end) for end in pair.interval)
    return f"{100 * (1 - level):g}% interval {low} to {high}, {p_value(pair.p_adjusted)}"


def _could_show(pair: PairedComparison) -> str:
    if pair.smallest_detectable >= 1:
        return "so few images cannot show any"
    return (
        f"this test would show {points(pair.smallest_detectable)} points or more four times in five"
    )
