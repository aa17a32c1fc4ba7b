"""Comparison of learning curves: estimates recover known truths, and intervals cover them."""

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
    """Return predictions of shape (C, S, N) with exactly these accuracies for every seed."""
    return np.broadcast_to(
        np.arange(images) < np.round(curve * images)[:, None, None], (len(curve), seeds, images)
    ).copy()


def drawn(
    curve: NDArray[np.float64], rng: np.random.Generator, seed_sd: float, images: int, seeds: int
) -> NDArray[np.bool_]:
    """Draw predictions of shape (C, S, N) with a standard deviation of accuracy over seeds."""
    accuracies = curve[:, None] + seed_sd * rng.normal(size=(len(curve), seeds))
    return rng.random((len(curve), seeds, images)) < accuracies[..., None]


def test_straight_lines_cross_at_the_computed_number_of_labels() -> None:
    truth = 10 ** (0.35 / 0.15)
    a, b = exactly(QUICK), exactly(SLOW)
    crossing = compare_curves(LABELS, a, b).crossing()
    assert crossing.value == pytest.approx(truth, rel=0.01)
    assert crossing.interval[0] < truth < crossing.interval[1]
    assert compare_curves(LABELS, a, b).crossing() == crossing


def test_matching_labels_are_those_at_which_the_other_curve_reaches_the_accuracy() -> None:
    a, b = exactly(QUICK), exactly(SLOW)
    pair = compare_curves(LABELS, a, b)
    for at in range(3):
        assert pair.matching(at).value == pytest.approx(10 ** ((QUICK[at] - 0.10) / 0.25), rel=0.01)
    # Fewer than 1,000 labels, because the curves have crossed.
    assert pair.matching(4).value == pytest.approx(10 ** (0.65 / 0.25), rel=0.01)
    backwards = compare_curves(LABELS, b, a)
    assert backwards.matching(0).value == 0.0  # the other curve has more than 35% with 10 labels
    assert backwards.matching(4).value == np.inf


def test_curves_that_do_not_cross_have_a_crossing_of_zero_or_infinity() -> None:
    ahead = compare_curves(LABELS, exactly(QUICK + 0.2), exactly(SLOW - 0.05))
    assert ahead.crossing().value == np.inf and ahead.crossing().interval == (np.inf, np.inf)
    behind = compare_curves(LABELS, exactly(SLOW - 0.05), exactly(QUICK + 0.2)).crossing()
    assert behind.value == 0.0 and behind.interval == (0.0, 0.0)
    assert ahead.matching(4).value == np.inf


def test_the_interval_of_a_crossing_near_the_end_reaches_infinity() -> None:
    rng = np.random.default_rng(5)
    a, b = (drawn(curve, rng, 0.0, 3000, 2) for curve in (QUICK, SLOW - 0.09))
    crossing = compare_curves(LABELS, a, b).crossing()
    assert (
        700 < crossing.value < 1000
        and crossing.interval[0] < 850
        and crossing.interval[1] == np.inf
    )


def test_the_last_of_several_crossings_counts() -> None:
    lead = np.array([0.1, -0.02, 0.02, -0.05, -0.1])
    crossing = CurveComparison(
        np.array(LABELS, float), 0.5 + lead, np.full(5, 0.5), np.zeros((1, 2, 5))
    ).crossing()
    assert crossing.value == pytest.approx(100 ** (5 / 7) * 300 ** (2 / 7))


def test_intervals_have_about_their_nominal_coverage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Simulate 300 studies of 2 seeds without variance over images, with intervals of 95%.

    With one normal variable per curve and seed, and 2 (S - 1) degrees of freedom, the coverage of
    both is 84%. A crossing is not a linear function of the accuracies, and two seeds do not
    determine in how many directions they differ.
    """
    monkeypatch.setattr(_label_curves, "_RESAMPLES", 500)
    monkeypatch.setattr(
        _label_curves,
        "_resample_images",
        lambda correct, _: np.broadcast_to(correct.mean(axis=2), (500, *correct.shape[:2])),
    )
    rng = np.random.default_rng(0)
    covered = np.zeros(2)
    truths = (10 ** (0.35 / 0.15), 10 ** (0.45 / 0.25))
    for study in range(300):
        pair = compare_curves(
            LABELS, drawn(QUICK, rng, 0.02, 1000, 2), drawn(SLOW, rng, 0.02, 1000, 2), seed=study
        )
        for index, estimate in enumerate((pair.crossing(), pair.matching(0))):
            low, high = estimate.interval
            covered[index] += low <= truths[index] <= high
    crossings, matches = covered / 300
    assert crossings > 0.87 and 0.92 < matches < 0.98


def test_variance_over_seeds_widens_the_interval() -> None:
    def width(seed_sd: float) -> float:
        rng = np.random.default_rng(3)
        a, b = drawn(QUICK, rng, seed_sd, 2000, 3), drawn(SLOW, rng, seed_sd, 2000, 3)
        low, high = compare_curves(LABELS, a, b).crossing().interval
        return high / low

    assert width(0.04) > 1.3 * width(0.0)


def test_curves_of_different_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected \(5, seeds, images\) for both models"):
        compare_curves(LABELS, exactly(QUICK), exactly(SLOW, seeds=3))


def test_labels_that_do_not_ascend_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected ascending numbers, got \[10, 10, 30"):
        compare_curves([10, 10, 30, 100, 300], exactly(QUICK), exactly(SLOW))
