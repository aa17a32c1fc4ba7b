"""Checks of a verdict on other evaluated images, and the number of labels it depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation._comparisons import Outcome, PairedComparison
from headstart.evaluation._paired_tests import BoolArray
from headstart.evaluation._verdict import Verdict

Indices = NDArray[np.int64]
CheckName = Literal["near copies", "without suspects", "corrected labels", "class", "group"]
Conclude = Callable[[Mapping[str, BoolArray], Indices], Verdict]

# The largest p-value of a verdict that is called robust, by itself and in every check. If half of
# all comparisons are between equal contenders and many data have faults, one in four verdicts at
# 0.05 has another order on a fresh sample, and one in thirty of those that pass at 0.005
# (benchmarks/evidence_robust.md). The threshold is that of Benjamin et al. (2018).
STRONG_EVIDENCE = 0.005


@dataclass(frozen=True)
class Alteration:
    """Other evaluated images, on which a verdict is computed again.

    Attributes:
        name: The check that the verdict has to pass.
        subject: What was left out or changed, such as the name of a class; may be empty.
        images: Number of images that were left out or relabelled.
        correct: Contender name to Boolean array of shape (S, M), the predictions on the other
            images.
        kept: Int64 array of shape (M,): the positions of these images among the evaluated ones.
    """

    name: CheckName
    subject: str
    images: int
    correct: Mapping[str, BoolArray]
    kept: Indices


@dataclass(frozen=True)
class RobustnessCheck:
    """The verdict on other evaluated images.

    Attributes:
        name: The check.
        subject: What was left out or changed; may be empty.
        images: Number of images that were left out or relabelled.
        holds: Whether the outcome and the winner are the same.
        is_strong: Whether the winner is the same, with corrected p-values of at most 0.005.
        outcome: The outcome on the other images; None if no image is left.
        winner: The winner on the other images, or None.
        difference: Accuracy of the best minus the second best contender of the original verdict,
            on the other images. A fraction; None if no image is left.
        interval: Confidence interval of that difference.
        p_value: Two-sided p-value of that difference, corrected for the number of pairs.
    """

    name: CheckName
    subject: str
    images: int
    holds: bool
    is_strong: bool
    outcome: Outcome | None
    winner: str | None
    difference: float | None
    interval: tuple[float, float] | None
    p_value: float | None


@dataclass(frozen=True)
class Robustness:
    """Result of all checks of a verdict.

    Attributes:
        is_robust: True if the evidence for a winner is strong, in the verdict and in every check.
            None without a winner, or if copies or suspected labels are not known.
        is_strong: Whether every corrected p-value of the winner is at most 0.005 in the verdict.
            None without a winner.
        checks: The checks that could be carried out.
        labels_to_overturn: The smallest number of wrong labels, all in favour of the winner, that
            would leave no significant difference from the nearest rival. None without a winner.
    """

    is_robust: bool | None
    is_strong: bool | None
    checks: tuple[RobustnessCheck, ...]
    labels_to_overturn: int | None


def check_robustness(
    correct: Mapping[str, BoolArray],
    conclusion: Verdict,
    conclude: Conclude,
    alterations: Sequence[Alteration],
    *,
    is_complete: bool,
) -> Robustness:
    """Compute a verdict again under every alteration, and count the labels it depends on.

    Args:
        correct: Contender name to Boolean array of shape (S, N), as the verdict saw it.
        conclusion: The verdict.
        conclude: Computes a verdict from predictions and the positions of their images.
        alterations: Other evaluated images.
        is_complete: Whether copies and suspected labels are known, and among the alterations.
            Otherwise no verdict is called robust.

    Returns:
        The verdict under each alteration, whether it is robust, and the number of labels that would
        overturn it.
    """
    checks = tuple(_check(conclusion, conclude, alteration) for alteration in alterations)
    if conclusion.winner is None:
        return Robustness(None, None, checks, None)

    is_strong = _is_strong(conclusion)
    passes = is_strong and all(check.is_strong for check in checks)
    return Robustness(
        is_robust=None if passes and not is_complete else passes,
        is_strong=is_strong,
        checks=checks,
        labels_to_overturn=count_labels_to_overturn(correct, conclusion, conclude),
    )


def without_images(
    name: CheckName, subject: str, correct: Mapping[str, BoolArray], is_left_out: BoolArray
) -> Alteration:
    """Return the evaluated images without some of them.

    Args:
        name: The check.
        subject: What is left out, such as the name of a class.
        correct: Contender name to Boolean array of shape (S, N).
        is_left_out: Boolean array of shape (N,).

    Raises:
        InputError: `is_left_out` does not have one value per image.
    """
    for runs in correct.values():
        if runs.shape[1] != len(is_left_out):
            raise InputError(
                f"invalid is_left_out: expected {runs.shape[1]:,} values, one per evaluated "
                f"image, got {len(is_left_out):,}.",
                "Give them in the order of the predictions.",
            )
    kept = np.flatnonzero(~is_left_out)
    remaining = {name: runs[:, kept] for name, runs in correct.items()}
    return Alteration(name, subject, int(is_left_out.sum()), remaining, kept)


def without_most_influential(
    name: CheckName,
    correct: Mapping[str, BoolArray],
    conclusion: Verdict,
    units: Indices,
    unit_names: Sequence[str],
) -> Alteration | None:
    """Return the evaluated images without the class or group that the winner's lead rests on most.

    It is the unit without which the smallest lead of the winner over a rival is lowest.

    Args:
        name: The check, "class" or "group".
        correct: Contender name to Boolean array of shape (S, N).
        conclusion: The verdict.
        units: Int64 array of shape (N,), the class or group of each image.
        unit_names: Names of the units by their numbers.

    Returns:
        None without a winner, or if there are fewer than three units.
    """
    present, number, sizes = np.unique(units, return_inverse=True, return_counts=True)
    if conclusion.winner is None or len(present) < 3:
        return None
    best = correct[conclusion.winner].mean(axis=0)
    leads = []
    for rival, runs in correct.items():
        if rival != conclusion.winner:
            gains = best - runs.mean(axis=0)
            sums = np.bincount(number, gains)
            leads.append((gains.sum() - sums) / (len(gains) - sizes))
    chosen = int(np.min(leads, axis=0).argmin())
    unit = int(present[chosen])
    return without_images(name, unit_names[unit], correct, units == unit)


def count_labels_to_overturn(
    correct: Mapping[str, BoolArray], conclusion: Verdict, conclude: Conclude
) -> int | None:
    """Return the smallest number of wrong labels that could account for a verdict.

    A wrong label in favour of the winner is one whose correction makes the winner's predictions
    incorrect and those of its rival correct, as far as they differ. The images where both differ
    most come first. For two single models, the number is exact. With several seeds it is the
    number for this order. The rivals are the one with the largest p-value and the most accurate.

    Args:
        correct: Contender name to Boolean array of shape (S, N).
        conclusion: The verdict.
        conclude: Computes a verdict from predictions and the positions of their images.

    Returns:
        The number of labels; None without a winner.
    """
    if conclusion.winner is None:
        return None
    pairs = _pairs_of_winner(conclusion)
    rivals = (
        max(pairs, key=lambda pair: pair.p_adjusted),
        min(pairs, key=lambda pair: pair.difference),
    )
    level = conclusion.levels.better
    levels = {pair.b: level / _correction(pair, len(conclusion.pairs)) for pair in rivals}
    return min(
        _labels_against_rival(
            {name: _rows_used(correct[name], conclusion) for name in (conclusion.winner, rival)},
            level,
            conclude,
        )
        for rival, level in levels.items()
    )


def _labels_against_rival(
    correct: Mapping[str, BoolArray], level: float, conclude: Conclude
) -> int:
    """Return how many labels leave the first contender not better than the second at a level."""
    (winner, a), (rival, b) = correct.items()
    gains = a.mean(axis=0) - b.mean(axis=0)
    order = np.argsort(-gains, kind="stable")[: int((gains > 0).sum())]
    everything = np.arange(len(gains))

    def is_overturned(count: int) -> bool:
        changed_a, changed_b = _exchanged(a, b, order[:count])
        pair = conclude({winner: changed_a, rival: changed_b}, everything).pairs[0]
        leads = pair.a == winner and pair.difference > 0
        return not (leads and pair.p_value <= level)

    low, high = 0, len(order)  # `low` labels do not overturn the verdict, `high` labels do
    while high - low > 1:
        middle = (low + high) // 2
        if is_overturned(middle):
            high = middle
        else:
            low = middle
    return high


def _check(conclusion: Verdict, conclude: Conclude, alteration: Alteration) -> RobustnessCheck:
    if not len(alteration.kept):
        return RobustnessCheck(
            name=alteration.name,
            subject=alteration.subject,
            images=alteration.images,
            holds=False,
            is_strong=False,
            outcome=None,
            winner=None,
            difference=None,
            interval=None,
            p_value=None,
        )
    altered = conclude(alteration.correct, alteration.kept)
    first = conclusion.pairs[0]
    pair, sign = _find_pair(altered, first.a, first.b)
    low, high = sorted(sign * bound for bound in pair.interval)
    return RobustnessCheck(
        name=alteration.name,
        subject=alteration.subject,
        images=alteration.images,
        holds=(altered.outcome, altered.winner) == (conclusion.outcome, conclusion.winner),
        is_strong=altered.winner == conclusion.winner and _is_strong(altered),
        outcome=altered.outcome,
        winner=altered.winner,
        difference=sign * pair.difference,
        interval=(low, high),
        p_value=pair.p_adjusted,
    )


def _is_strong(conclusion: Verdict) -> bool:
    """Return whether the winner's corrected p-values are all small; False without a winner."""
    if conclusion.winner is None:
        return False
    return all(pair.p_adjusted <= STRONG_EVIDENCE for pair in _pairs_of_winner(conclusion))


def _pairs_of_winner(conclusion: Verdict) -> list[PairedComparison]:
    return [pair for pair in conclusion.pairs if pair.a == conclusion.winner]


def _find_pair(conclusion: Verdict, a: str, b: str) -> tuple[PairedComparison, int]:
    """Return the pair of two contenders, and -1 if the verdict lists them in the other order."""
    for pair in conclusion.pairs:
        if (pair.a, pair.b) == (a, b):
            return pair, 1
        if (pair.a, pair.b) == (b, a):
            return pair, -1
    raise KeyError((a, b))


def _rows_used(runs: BoolArray, conclusion: Verdict) -> BoolArray:
    """Return the runs that the verdict rests on: the first one for a verdict about models."""
    return runs[:1] if conclusion.about == "models" else runs


def _correction(pair: PairedComparison, pairs: int) -> float:
    """Return the factor by which Holm's procedure multiplied a p-value."""
    if 0 < pair.p_value <= pair.p_adjusted < 1:
        return pair.p_adjusted / pair.p_value
    return float(pairs)


def _exchanged(a: BoolArray, b: BoolArray, rows: Indices) -> tuple[BoolArray, BoolArray]:
    """Return both contenders with their predictions on some images exchanged."""
    changed_a, changed_b = a.copy(), b.copy()
    if len(a) == len(b):
        changed_a[:, rows], changed_b[:, rows] = b[:, rows], a[:, rows]
        return changed_a, changed_b
    # With unequal numbers of seeds, the share of correct runs is exchanged, and rounded.
    changed_a[:, rows] = _runs_with_share(b[:, rows].mean(axis=0), len(a))
    changed_b[:, rows] = _runs_with_share(a[:, rows].mean(axis=0), len(b))
    return changed_a, changed_b


def _runs_with_share(share: NDArray[np.float64], runs: int) -> BoolArray:
    """Return runs of which this share is correct for each image, of shape (runs, N)."""
    counts = np.rint(share * runs)
    return np.arange(runs)[:, None] < counts
