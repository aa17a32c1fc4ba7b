"""The robustness of a verdict and its subgroups in words."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.evaluation import (
    SMALLEST_SLICE,
    Robustness,
    SliceComparison,
    SliceDifference,
    Verdict,
)
from headstart.formatting import counted, enumeration, points
from headstart.results import RobustnessCheck

_MOST_NAMED = 2


def robustness_sentence(
    result: Robustness, checks: Sequence[RobustnessCheck], conclusion: Verdict, evaluated: str
) -> str:
    """Describe whether a verdict holds, in one or two sentences.

    Args:
        result: The robustness of the verdict.
        checks: The checks of `result`, which have phrases.
        conclusion: The verdict.
        evaluated: The evaluated images, such as "270 test images".
    """
    broken = [check for check in checks if not check.holds]
    if conclusion.winner is None:
        return _without_winner(checks, broken, conclusion.outcome)

    verdict = _with_winner(result, checks, broken, conclusion.winner)
    labels = counted(result.labels_to_overturn or 0, "wrong label")
    in_favour = "all in its favour" if result.labels_to_overturn != 1 else "in its favour"
    return f"{verdict} {labels} among the {evaluated}, {in_favour}, could account for it."


def _with_winner(
    result: Robustness,
    checks: Sequence[RobustnessCheck],
    broken: Sequence[RobustnessCheck],
    winner: str,
) -> str:
    if broken:
        changes = [f"{check.phrase} ({_new_result(check)})" for check in broken]
        return f"Not robust: {winner} is not significantly better {enumeration(changes)}."
    if not result.is_strong:
        wins = f"{winner} wins in every check, but the" if checks else f"{winner} wins, but the"
        return (
            f"Not robust: {wins} p-value is above 0.005. More seeds or images would give stronger "
            "evidence."
        )
    weak = [check.phrase for check in checks if not check.is_strong]
    if weak:
        return f"Not robust: {winner} is better, but with p above 0.005 {enumeration(weak)}."

    passed = [check.phrase for check in checks if check.images]
    better = f"{winner} is also significantly better {enumeration(passed)}" if passed else ""
    if result.is_robust:
        return f"Robust: {better or f'the evidence for {winner} is strong'}."
    unknown = "whether copies or wrong labels explain it is not known"
    if not better:
        better = f"the p-value for {winner} is at most 0.005"
    return f"Strong evidence: {better}, but {unknown}."


def _without_winner(
    checks: Sequence[RobustnessCheck], broken: Sequence[RobustnessCheck], outcome: str
) -> str:
    if not checks:
        return f"The verdict is {outcome}, and nothing is known about copies or wrong labels."
    phrases = [check.phrase for check in checks if check.images]
    if not phrases:
        return f"The verdict is {outcome}, and no image had to be left out or relabelled."
    if not broken:
        return f"The verdict is also {outcome} {enumeration(phrases)}."
    changes = []
    for check in broken:
        result = f"{check.winner} wins" if check.winner else f"the verdict is {check.outcome}"
        if check.outcome is None:
            result = "no image is left"
        changes.append(f"{result} {check.phrase}")
    return f"The verdict depends on the images: {enumeration(changes)}."


def _new_result(check: RobustnessCheck) -> str:
    if check.difference is None or check.interval is None:
        return "no image is left"
    low, high = (points(bound, signed=True) for bound in check.interval)
    return f"{points(check.difference, signed=True)} points, {low} to {high}"


def slices_sentence(a: str, b: str, result: SliceComparison) -> str:
    """Describe the search for subgroups in one or two sentences."""
    if not result.slices:
        return f"No subgroup is large enough ({SMALLEST_SLICE} images), so none was compared."
    tested = counted(len(result.slices), "subgroup")
    significant = result.significant()
    if not significant:
        return (
            f"No subgroup of the images has a significantly different result: {tested} of at least "
            f"{SMALLEST_SLICE} images {'was' if len(result.slices) == 1 else 'were'} compared."
        )
    named = [_describe_slice(item) for item in significant[:_MOST_NAMED]]
    more = len(significant) - len(named)
    sentence = (
        f"The difference between {a} and {b} is {points(result.difference, signed=True)} points "
        f"overall, but {enumeration(named)} ({tested} compared)."
    )
    if more:
        verb = "deviates" if more == 1 else "deviate"
        sentence += f" {counted(more, 'other subgroup')} {verb} significantly, too."
    return sentence


def _describe_slice(item: SliceDifference) -> str:
    where = f"{item.kind} {item.name}"
    if ": " in item.name:  # a cluster has a number and a description
        where = f"{item.kind} {item.name.replace(': ', ' (', 1)})"
    if item.name.endswith("fifth"):
        where = f"the {item.name} ({item.kind})"
    return f"{points(item.difference, signed=True)} in {where}"
