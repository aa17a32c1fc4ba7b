"""The estimated time of solving a linear head."""

from __future__ import annotations

import pytest

from headstart.features import seconds_to_solve
from headstart.models.recipes import make_recipe


@pytest.mark.parametrize(
    ("images", "classes", "measured"),
    [(1000, 10, 1.5), (840, 200, 5.8), (2000, 50, 3.1), (10_000, 100, 6.8), (3000, 1000, 33.6)],
)
def test_the_estimate_is_at_least_the_measured_time_and_at_most_twice_as_long(
    images: int, classes: int, measured: float
) -> None:
    # Processor time of one thread on random features of 1,280 numbers, correlated as far as those
    # of a backbone.
    recipe = make_recipe("efficientnet-lite0")
    assert measured <= seconds_to_solve(images, 1280, classes, recipe) <= 2 * measured
