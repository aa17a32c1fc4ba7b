"""Temperature scaling: it corrects probabilities that are too confident or not confident enough."""

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.evaluation import apply_temperature, fit_temperature


def calibrated(n: int, classes: int = 4) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return labels that are drawn from the returned probabilities."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(classes, 0.4), n)
    labels = np.array([rng.choice(classes, p=row) for row in probabilities], np.int64)
    return labels, probabilities.astype(np.float32)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_the_fitted_temperature_corrects_too_much_and_too_little_confidence(
    factor: float,
) -> None:
    labels, probabilities = calibrated(20_000)
    temperature = fit_temperature(labels, apply_temperature(probabilities, 1 / factor))
    assert temperature == pytest.approx(factor, rel=0.05)


def test_temperature_scaling_keeps_the_order_of_classes_and_the_sum_of_one() -> None:
    _, probabilities = calibrated(200)
    scaled = apply_temperature(probabilities, 3.0)
    assert np.array_equal(scaled.argsort(1), probabilities.argsort(1))
    assert np.abs(scaled.sum(1) - 1).max() < 1e-6
    assert scaled.dtype == np.float32


def test_a_few_images_that_are_all_correct_do_not_make_a_classifier_certain() -> None:
    probabilities = np.full((20, 2), 0.1, np.float32)
    probabilities[:, 0] = 0.9
    scaled = apply_temperature(
        probabilities, fit_temperature(np.zeros(20, np.int64), probabilities)
    )
    assert 0.95 < scaled[0, 0] < 0.98


@pytest.mark.parametrize("n", [50, 300])
def test_sharp_probabilities_that_are_calibrated_stay_sharp(n: int) -> None:
    """Smoothed targets flattened them: median temperatures were 2.3 (n = 50) and 1.3 (n = 300)."""
    rng = np.random.default_rng(0)
    temperatures = []
    for _ in range(40):
        odds = np.exp(14 * rng.normal(size=(n, 10)))
        probabilities = odds / odds.sum(1, keepdims=True)
        labels = (probabilities.cumsum(1) > rng.random((n, 1))).argmax(1)
        temperatures.append(fit_temperature(labels, probabilities.astype(np.float32)))
    assert 0.85 <= np.median(temperatures) <= 1.15


def test_a_probability_of_zero_stays_finite() -> None:
    probabilities = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    temperature = fit_temperature(np.array([0, 1, 1]), probabilities)
    assert np.isfinite(apply_temperature(probabilities, temperature)).all()
