"""Over- and underfitting in words."""

from __future__ import annotations

import pytest

from headstart.evaluation import diagnose_fit


@pytest.mark.parametrize(
    ("train", "judged", "loss", "words"),
    [
        (
            [0.80, 0.99],
            [0.80, 0.90],
            [0.5, 0.4],
            "overfits (variance): training 99.0%, validation 90.0%",
        ),
        (
            [0.80, 0.90, 0.91],
            [0.80, 0.90, 0.90],
            [0.5, 0.3, 0.4],
            "overfits (variance): validation loss rose after epoch 2",
        ),
        (
            [0.50, 0.60],
            [0.55, 0.65],
            [1.0, 0.9],
            "underfits (bias): training 60.0%, validation 65.0%",
        ),
        ([0.90, 0.97], [0.90, 0.96], [0.3, 0.2], "fits well: training 97.0%, validation 96.0%"),
        ([0.90, 0.999], [0.90, 0.999], [0.3, 0.01], "fits well"),
    ],
)
def test_curves_are_read_in_words(
    train: list[float], judged: list[float], loss: list[float], words: str
) -> None:
    found = diagnose_fit(train, judged, loss)
    assert found.words.startswith(words)
    assert found.gap == pytest.approx(train[-1] - judged[-1])
