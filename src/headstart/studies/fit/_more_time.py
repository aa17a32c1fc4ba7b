"""An estimate of what more time would be likely to give, from two lengths of one recipe."""

from __future__ import annotations

import math

from headstart.evaluation import is_lower_better, is_share, metric_name, shown_score
from headstart.formatting import duration, points
from headstart.results import FitEstimate
from headstart.studies.fit._climb import Climb
from headstart.studies.fit._rung import RungResult, is_complete
from headstart.studies.fit._state import is_close

_MINUTES = 10.0
_LEAST_GAIN = 0.0005


def estimate_more_time(climb: Climb) -> FitEstimate | None:
    """Estimate the gain of ten more minutes.

    The gain per doubling of the training time is taken from a short and a long run of the family
    that is best. It is assumed to stay the same, which overestimates near the end of a curve. The
    estimate is left out if the recipe had all of its epochs, or if the two runs do not differ by
    more than one standard error.

    Args:
        climb: The finished climb.
    """
    pair = _two_lengths(climb)
    if pair is None:
        return None
    short, long = pair
    data = climb.context.data
    if is_complete(long, len(data.split.train)) or short.score >= long.score:
        return None
    labels = data.validation_labels
    if is_close(labels, climb.metric, short.probabilities, long.probabilities):
        return None

    per_doubling = (long.score - short.score) / math.log2(long.seconds / short.seconds)
    gain = per_doubling * math.log2(1 + 60 * _MINUTES / long.seconds)
    metric = climb.metric.name
    if is_share(metric):
        gain = min(gain, 1 - long.score)
    elif is_lower_better(metric):
        gain = min(gain, shown_score(metric, long.score))  # a loss does not fall below 0
    if gain < _LEAST_GAIN:
        return None
    return FitEstimate(
        minutes=_MINUTES,
        gain=round(gain, 4),
        sentence=(
            f"Ten more minutes would give {_gain_text(metric, gain)} on validation images. "
            f"This estimate continues the gain of {long.family} from {duration(short.seconds)} "
            f"to {duration(long.seconds)} of training at the same rate per doubling."
        ),
    )


def _gain_text(metric: str, gain: float) -> str:
    """Return a gain in the unit and direction of its metric."""
    name = metric_name(metric)
    if is_share(metric):
        return f"up to {points(gain)} points more {name}"
    direction = "lower" if is_lower_better(metric) else "higher"
    return f"{direction} {name}, by up to {gain:.3g},"


def _two_lengths(climb: Climb) -> tuple[RungResult, RungResult] | None:
    """Return a short and a long run of the family of the best result that was trained by steps."""
    results = [result for result in climb.results if not result.ended_as_head]
    best = max(results, key=lambda result: result.rank)
    runs = [
        result
        for result in results
        if result.family == best.family and result.rung.seed == best.rung.seed
    ]
    is_by_steps = best.rung.recipe.optimizer != "lbfgs"
    if not is_by_steps or len(runs) < 2 or runs[-1].seconds < 1.5 * runs[0].seconds:
        return None
    return runs[0], runs[-1]
