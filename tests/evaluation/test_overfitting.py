"""Diagnosis of overfitting and underfitting."""

from __future__ import annotations

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
            "underfits (bias): training accuracy 60.0%, validation accuracy 65.0%",
        ),
        (
            [0.90, 0.97],
            [0.90, 0.96],
            [0.3, 0.2],
            "fits well: training accuracy 97.0%, validation accuracy 96.0%",
        ),
        ([0.90, 0.999], [0.90, 0.999], [0.3, 0.01], "fits well: training accuracy 99.9%"),
    ],
)
def test_curves_are_diagnosed_in_words(
    train: list[float], validation: list[float], loss: list[float], words: str
) -> None:
    diagnosis = diagnose_fit(train, validation, loss)
    assert diagnosis.words.startswith(words)
    assert diagnosis.gap == pytest.approx(train[-1] - validation[-1])
