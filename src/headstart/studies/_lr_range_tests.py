"""Range tests of a study of learning rates, compared with its measured rates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from headstart.results import (
    LearningRateRange,
    LearningRateResult,
    RangeTestCurve,
    RangeTests,
)
from headstart.training import RangeTest

_SAME_RATE_DECADES = 0.05  # rates that are nearer to each other count as one


def are_close(rate: float, other: float) -> bool:
    """Return whether two learning rates count as one."""
    return abs(math.log10(rate / other)) <= _SAME_RATE_DECADES


def summarise_range_tests(
    tests: Sequence[RangeTest], rates: Sequence[LearningRateResult], good: LearningRateRange
) -> RangeTests:
    """Compare the suggestion of the range tests with the measured rates.

    The suggestion agrees if the measured rate that is nearest to it is not significantly worse.
    Beyond the grid nothing was measured, so it does not agree there.
    """
    suggestions = [test.steepest for test in tests]
    suggested = float(np.exp(np.mean(np.log(suggestions))))
    nearest = min(rates, key=lambda rate: abs(math.log(rate.lr / suggested)))
    lowest, highest = rates[0].lr, rates[-1].lr
    beyond_grid = not lowest <= suggested <= highest and not are_close(nearest.lr, suggested)

    if beyond_grid:
        position = f"beyond the rates of this study ({lowest:g} to {highest:g})"
    else:
        position = f"{_position(nearest, good)} the rates that are not significantly worse"
    spread = f"{min(suggestions):.2g} to {max(suggestions):.2g} over {len(tests)} repeats"
    if len(tests) == 1:
        spread = "one repeat"
    return RangeTests(
        repeats=tuple(
            RangeTestCurve(
                rates=tuple(test.rates),
                losses=tuple(test.losses),
                steepest=test.steepest,
                minimum=test.minimum,
            )
            for test in tests
        ),
        suggested=suggested,
        agrees=nearest.as_good and not beyond_grid,
        beyond_grid=beyond_grid,
        sentence=(
            f"A range test suggests {suggested:.2g} ({spread}), where the loss falls most steeply. "
            f"This is {position}."
        ),
    )


def _position(nearest: LearningRateResult, good: LearningRateRange) -> str:
    if nearest.as_good:
        return "among"
    return "below" if nearest.lr < good.low else "above"
