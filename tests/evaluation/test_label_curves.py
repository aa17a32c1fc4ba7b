"""Where learning curves cross and how many labels match: known truths come back, and what cannot be known is not claimed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation import CurveComparison, _label_curves, compare_curves

LABELS = [10, 30, 100, 300, 1000]
LOGS = np.log10(LABELS)
SLOW, QUICK = 0.10 + 0.25 * LOGS, 0.45 + 0.10 * LOGS  # they cross at 10 ** (0.35 / 0.15) = 215


def exactly(curve: NDArray[np.float64], images: int = 2000, seeds: int = 2) -> NDArray[np.bool_]:
    """`(C, S, N)` with these accuracies for every seed."""
    return np.broadcast_to(
        np.arange(images) < np.round(curve * images)[:, None, None], (len(curve), seeds, images)
    ).copy()


def drawn(
    curve: NDArray[np.float64], rng: np.random.Generator, spread: float, images: int, seeds: int
) -> NDArray[np.bool_]:
    accuracies = curve[:, None] + spread * rng.normal(size=(len(curve), seeds))
    return rng.random((len(curve), seeds, images)) < accuracies[..., None]


def test_straight_lines_cross_where_algebra_says() -> None:
    truth = 10 ** (0.35 / 0.15)
    a, b = exactly(QUICK), exactly(SLOW)
    found = compare_curves(LABELS, a, b).crossing()
    assert found.value == pytest.approx(truth, rel=0.01)
    assert found.interval[0] < truth < found.interval[1]
    assert compare_curves(LABELS, a, b).crossing() == found


def test_the_labels_that_match_are_where_the_other_curve_reaches_the_level() -> None:
    a, b = exactly(QUICK), exactly(SLOW)
    pair = compare_curves(LABELS, a, b)
    for at in range(3):
        assert pair.matching(at).value == pytest.approx(10 ** ((QUICK[at] - 0.10) / 0.25), rel=0.01)
    assert pair.matching(4).value == pytest.approx(
        10 ** (0.65 / 0.25), rel=0.01
    )  # fewer than 1,000: the curves have crossed
    backwards = compare_curves(LABELS, b, a)
    assert backwards.matching(0).value == 0.0  # 35% is below what the other has with 10
    assert backwards.matching(4).value == np.inf


def test_curves_that_do_not_cross_in_the_range_are_said_not_to() -> None:
    ahead = compare_curves(LABELS, exactly(QUICK + 0.2), exactly(SLOW - 0.05))
    assert ahead.crossing().value == np.inf and ahead.crossing().interval == (np.inf, np.inf)
    behind = compare_curves(LABELS, exactly(SLOW - 0.05), exactly(QUICK + 0.2)).crossing()
    assert behind.value == 0.0 and behind.interval == (0.0, 0.0)
    assert ahead.matching(4).value == np.inf


def test_a_crossing_near_the_end_may_lie_beyond_it() -> None:
    rng = np.random.default_rng(5)
    a, b = (drawn(curve, rng, 0.0, 3000, 2) for curve in (QUICK, SLOW - 0.09))
    found = compare_curves(LABELS, a, b).crossing()
    assert 700 < found.value < 1000 and found.interval[0] < 850 and found.interval[1] == np.inf


def test_the_last_of_several_crossings_counts() -> None:
    lead = np.array([0.1, -0.02, 0.02, -0.05, -0.1])
    found = CurveComparison(
        np.array(LABELS, float), 0.5 + lead, np.full(5, 0.5), np.zeros((1, 2, 5))
    ).crossing()
    assert found.value == pytest.approx(100 ** (5 / 7) * 300 ** (2 / 7))


def test_intervals_hold_the_truth_about_as_often_as_they_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """300 studies of 2 seeds, beside which chance over images counts for nothing; intervals of 95%.

    A normal number for each curve of a seed, 2 (S - 1) degrees of freedom, holds 84% of both. That of the crossings is no linear
    function of the accuracies, and two seeds do not say in how many directions they differ.
    """
    monkeypatch.setattr(_label_curves, "_RESAMPLES", 500)
    monkeypatch.setattr(
        _label_curves,
        "_over_images",
        lambda right, _: np.broadcast_to(right.mean(axis=2), (500, *right.shape[:2])),
    )
    rng = np.random.default_rng(0)
    held = np.zeros(2)
    for study in range(300):
        pair = compare_curves(
            LABELS, drawn(QUICK, rng, 0.02, 1000, 2), drawn(SLOW, rng, 0.02, 1000, 2), seed=study
        )
        for number, (found, true) in enumerate(
            ((pair.crossing(), 10 ** (0.35 / 0.15)), (pair.matching(0), 10 ** (0.45 / 0.25)))
        ):
            held[number] += found.interval[0] <= true <= found.interval[1]
    crossings, matches = held / 300
    assert crossings > 0.87 and 0.92 < matches < 0.98


def test_seeds_that_disagree_widen_the_interval() -> None:
    def width(spread: float) -> float:
        rng = np.random.default_rng(3)
        low, high = (
            compare_curves(
                LABELS, drawn(QUICK, rng, spread, 2000, 3), drawn(SLOW, rng, spread, 2000, 3)
            )
            .crossing()
            .interval
        )
        return high / low

    assert width(0.04) > 1.3 * width(0.0)


def test_curves_of_different_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="wanted is"):
        compare_curves(LABELS, exactly(QUICK), exactly(SLOW, seeds=3))
    with pytest.raises(InputError, match="wanted is"):
        compare_curves([10, 10, 30, 100, 300], exactly(QUICK), exactly(SLOW))
