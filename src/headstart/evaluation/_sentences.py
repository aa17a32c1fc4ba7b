"""The verdict of a comparison in words. Differences are in percentage points of accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.evaluation._comparisons import About, PairedComparison
from headstart.evaluation._looks import Levels, Looks
from headstart.evaluation._needed_evidence import MOST_IMAGES, MOST_SEEDS, NeededEvidence
from headstart.formatting import (
    confidence,
    enumeration,
    interpolated_count,
    margin,
    p_value,
    points,
)


@dataclass(frozen=True)
class Wording:
    """Level, images and margin of the sentences about pairs.

    Attributes:
        level: Significance level of the intervals of a difference.
        levels: Significance levels of the tests.
        part: Name of the images, "test" or "validation".
        margin: Equivalence margin, a fraction.
    """

    level: float
    levels: Levels
    part: str
    margin: float

    @property
    def within(self) -> str:
        """The margin in words."""
        return f"within {margin(self.margin)}"


def describe_pairs(
    pairs: Sequence[PairedComparison], wording: Wording, needed: NeededEvidence | None
) -> str:
    """Describe the comparisons of the best contender with all others.

    Args:
        pairs: Comparisons of the best contender, as `a`, with every other one. The more accurate
            contenders come first.
        wording: Level, part and margin.
        needed: What would decide the comparison, if it is undecided.
    """
    better = [pair for pair in pairs if pair.outcome(wording.levels) == "better"]
    equivalent = [pair for pair in pairs if pair.outcome(wording.levels) == "equivalent"]
    undecided = [pair for pair in pairs if pair.outcome(wording.levels) == "undecided"]
    best = pairs[0].a

    if undecided:
        sentences = [_undecided(undecided, wording)]
        if equivalent:
            names = enumeration([pair.b for pair in equivalent])
            sentences.append(f"{best} is equivalent to {names} {wording.within}.")
        if better:
            sentences.append(_is_better_than(best, better))
        sentences.append(_what_would_decide(needed, wording.part) if needed else "")
    elif equivalent:
        sentences = [_equivalent(equivalent, wording)]
        if better:
            sentences.append(_is_better_than(best, better))
    else:
        sentences = [_better(better[0], wording)]
        if better[1:]:
            names = enumeration([pair.b for pair in better[1:]])
            sentences.append(f"It is also significantly better than {names}.")

    if len(pairs) > 1:
        sentences.append("The p-values are corrected for multiple comparisons (Holm).")
    return " ".join(sentence for sentence in sentences if sentence)


def _better(pair: PairedComparison, wording: Wording) -> str:
    sentence = (
        f"{pair.a} is significantly better than {pair.b}: its {wording.part} accuracy is "
        f"{points(pair.difference)} points higher ({_evidence(pair, wording)})."
    )
    if pair.is_equivalent(wording.levels.equivalent):
        size = margin(wording.margin)
        sentence += f" The difference is smaller than the equivalence margin of {size}."
    return sentence


def _is_better_than(best: str, pairs: Sequence[PairedComparison]) -> str:
    return f"{best} is significantly better than {enumeration([pair.b for pair in pairs])}."


def _equivalent(pairs: Sequence[PairedComparison], wording: Wording) -> str:
    """Describe the contenders that are equivalent to the best one."""
    if len(pairs) == 1:
        pair = pairs[0]
        return (
            f"{pair.a} and {pair.b} are equivalent {wording.within}: their {wording.part} "
            f"accuracies differ by {points(pair.difference)} points "
            f"({_equivalence_evidence(pair, wording)})."
        )
    rivals = [
        f"{pair.b} ({points(pair.difference)} points, {_equivalence_evidence(pair, wording)})"
        for pair in pairs
    ]
    return f"{pairs[0].a} is equivalent {wording.within} to {enumeration(rivals)}."


def _undecided(pairs: Sequence[PairedComparison], wording: Wording) -> str:
    """Describe the contenders that are neither worse than nor equivalent to the best one."""
    if len(pairs) == 1:
        pair = pairs[0]
        return (
            f"Undecided: the {wording.part} accuracies of {pair.a} and {pair.b} differ by "
            f"{points(pair.difference)} points ({_evidence(pair, wording)}). This shows neither "
            f"that one is better nor that they are equivalent {wording.within}."
        )
    rivals = [
        f"{pair.b} ({points(pair.difference)} points, {_evidence(pair, wording)})" for pair in pairs
    ]
    best = f"{pairs[0].a} has the highest {wording.part} accuracy"
    if pairs[0].difference == 0:
        best = f"no contender has a higher {wording.part} accuracy than {pairs[0].a}"
    return (
        f"Undecided: {best}. Neither a difference "
        f"nor equivalence {wording.within} is shown between it and {enumeration(rivals)}."
    )


def _what_would_decide(needed: NeededEvidence, part: str) -> str:
    """Describe what limits an undecided comparison, and what would decide it."""
    share = needed.image_share
    if needed.limit == "images":
        limit = f"the number of {part} images ({share:.0%} of the squared standard error)"
    elif needed.limit == "seeds":
        limit = f"the variance over seeds ({1 - share:.0%} of the squared standard error)"
    else:
        limit = (
            f"both the number of {part} images and the variance over seeds "
            f"({share:.0%} and {1 - share:.0%} of the squared standard error)"
        )
    if share == 1:  # one run each, or folds, whose variance cannot be divided into parts
        return _remedy(needed, part)
    return f"The limit is {limit}. {_remedy(needed, part)}"


def _remedy(needed: NeededEvidence, part: str) -> str:
    condition = "if the true difference is the observed one (80% power)"
    seeds = f"{needed.seeds} seeds per contender"
    images = f"{interpolated_count(needed.images or 0)} {part} images"
    if needed.seeds is not None and needed.images is not None:
        return f"About {seeds} and {images} together would decide it, {condition}."
    if needed.seeds is not None:
        return f"About {seeds} would decide it, {condition}."
    if needed.images is not None:
        others = "" if needed.image_share == 1 else " More seeds would not."
        return f"About {images} would decide it, {condition}.{others}"
    most = f"{MOST_IMAGES:,} {part} images"
    if needed.image_share != 1:
        most = f"{MOST_SEEDS} seeds per contender and {most} together"
    return f"Not even {most} would decide it, {condition}."


def describe_looks(looks: Looks, levels: Levels, *, is_decided: bool, is_futile: bool) -> str:
    """Describe how often the comparison was looked at, and the levels that follow from that.

    Args:
        looks: The looks until now.
        levels: The levels of this look.
        is_decided: Whether the outcome is better or equivalent.
        is_futile: Whether seeds are left that would hardly decide the comparison.
    """
    needed = (
        f"a difference now needs p <= {levels.better:.2g}, and equivalence needs "
        f"p <= {levels.equivalent:.2g}"
    )
    if not looks.is_planned:
        earlier = enumeration([str(seeds) for seeds in looks.seeds[:-1]])
        return (
            f"This comparison was tested before, with {earlier} seeds. Corrected for that, "
            f"{needed}."
        )
    which = "interim look" if looks.seeds[-1] < looks.most else "the last one"
    text = (
        f"This is test {len(looks.seeds)} ({which}) of a comparison with up to {looks.most} "
        f"seeds. To keep all tests together at level {looks.level:g}, {needed}."
    )
    if is_decided and looks.seeds[-1] < looks.most:
        text += " It is decided, so no more seeds were trained."
    if is_futile:
        text += " More seeds were not trained, because they would hardly decide it."
    return text


def describe_left_out(names: Sequence[str]) -> str:
    """Return a sentence about contenders that are not compared; empty if there are none."""
    if not names:
        return ""
    verb, possessive = ("is", "its") if len(names) == 1 else ("are", "their")
    return (
        f"{enumeration(names)} {verb} left out, because not all of {possessive} runs finished: "
        "only the successful ones would count."
    )


def describe_scope(
    about: About, seeds: Sequence[int], evaluated: str, unvaried: Sequence[str] = ()
) -> str:
    """Describe what a verdict is based on and what it applies to.

    Args:
        about: "recipes" or "models".
        seeds: Number of finished runs per contender.
        evaluated: The images in words, such as "270 test images" or "820 test images in 41 groups".
        unvaried: Contenders whose seeds all classify the same images correctly.
    """
    if about == "recipes":
        fewest, most = min(seeds), max(seeds)
        number = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        text = (
            f"This is based on {number} seeds per contender and {evaluated}, so it applies to the "
            "recipes on these training images."
        )
        if unvaried:
            # A network whose seeds are all correct varies as well: this does not make it one model.
            verb = "classifies" if len(unvaried) == 1 else "each classify"
            text += f" {enumeration(unvaried)} {verb} the same images correctly with every seed."
        return text
    runs = "one run per contender" if max(seeds) == 1 else "the first run of each contender"
    reason = "" if max(seeds) == 1 else " (some have only one)"
    return (
        f"This is based on {runs}{reason} and {evaluated}, so it applies to these trained models, "
        "not to the recipes. Comparing recipes needs at least two seeds per contender."
    )


def _evidence(pair: PairedComparison, wording: Wording) -> str:
    low, high = (points(bound) for bound in pair.interval)
    shown = confidence(1 - wording.level)
    return f"{shown} confidence interval {low} to {high}, {p_value(pair.p_adjusted)}"


def _equivalence_evidence(pair: PairedComparison, wording: Wording) -> str:
    low, high = (points(bound) for bound in pair.equivalence_interval)
    shown = confidence(1 - 2 * wording.levels.equivalent)
    p = p_value(pair.p_equivalent_adjusted)
    return f"{shown} confidence interval {low} to {high}, {p} for equivalence"
