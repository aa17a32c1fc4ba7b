"""Diagnosis of overfitting and underfitting."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.evaluation import diagnose_fit


@pytest.mark.parametrize(
    ("train", "validation", "loss", "words"),
    [
        (
            [0.80, 0.99],
            [0.80, 0.90],
            [0.5, 0.4],
            "overfits (variance): training accuracy 99.0%, validation accuracy 90.0%",
        ),
        (
            [0.80, 0.90, 0.91],
            [0.80, 0.90, 0.90],
            [0.5, 0.3, 0.4],
            "overfits (variance): validation loss increased after epoch 2; training accuracy 91.0%",
        ),
        (
            [0.50, 0.60],
            [0.55, 0.65],
            [1.0, 0.9],
            "shows no sign of overfitting: training accuracy 60.0%, validation accuracy 65.0%",
        ),
        (
            [0.90, 0.97],
            [0.90, 0.96],
            [0.3, 0.2],
            "shows no sign of overfitting: training accuracy 97.0%, validation accuracy 96.0%",
        ),
        ([0.90, 0.999], [0.90, 0.999], [0.3, 0.01], "fits well: training accuracy 99.9%"),
    ],
)
def test_curves_are_diagnosed_in_words(
    train: list[float], validation: list[float], loss: list[float], words: str
) -> None:
    diagnosis = diagnose_fit(train, validation, loss, train_images=5000, validation_images=1000)
    assert diagnosis.words.startswith(words)
    assert diagnosis.gap == pytest.approx(train[-1] - validation[-1])


def test_a_gap_that_chance_explains_is_no_overfitting() -> None:
    """With 150 images and 90%, a gap of two points appeared by chance in 24 of 100 cases."""
    rng = np.random.default_rng(0)
    overfits = 0
    for _ in range(500):
        train, validation = rng.binomial([1000, 150], 0.9) / [1000, 150]
        diagnosis = diagnose_fit(
            [train], [validation], [0.3], train_images=1000, validation_images=150
        )
        overfits += diagnosis.words.startswith("overfits")
    assert overfits / 500 <= 0.04  # 2.5% and one and a half standard errors of 500 cases

    wide = diagnose_fit([0.99], [0.90], [0.3], train_images=1000, validation_images=150)
    assert wide.words.startswith("overfits")
    assert wide.standard_error == pytest.approx(0.025, abs=0.002)


def test_only_a_clean_training_accuracy_shows_underfitting() -> None:
    """Augmentation and dropout lower the training accuracy that is measured while they act."""
    curves = [0.50, 0.60], [0.55, 0.65], [1.0, 0.9]
    augmented = diagnose_fit(*curves, train_images=5000, validation_images=1000)
    assert augmented.words.startswith("shows no sign of overfitting")
    clean = diagnose_fit(*curves, train_images=5000, validation_images=1000, is_clean=True)
    assert clean.words == ("underfits (bias): training accuracy 60.0%, validation accuracy 65.0%")


@pytest.mark.parametrize(
    ("train", "validation", "words"),
    [
        (0.974, 0.976, "shows no sign of overfitting or underfitting"),
        (0.976, 0.974, "shows no sign of overfitting or underfitting"),
        (0.600, 0.595, "underfits (bias)"),
        (0.600, 0.605, "underfits (bias)"),
        (0.800, 0.700, "overfits (variance)"),
    ],
)
def test_only_a_poor_model_without_a_gap_underfits(
    train: float, validation: float, words: str
) -> None:
    """The sign of a gap within the noise of the images changes nothing."""
    diagnosis = diagnose_fit(
        [train], [validation], [0.3], train_images=2000, validation_images=270, is_clean=True
    )
    assert diagnosis.words.startswith(f"{words}: ")
