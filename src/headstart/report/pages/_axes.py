"""Positions on the small axes that a page draws with HTML: accuracies, and differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from headstart.report._study import Score
from headstart.results import Interval

_TICK_MARGIN = 0.02
Side = Literal["left", "right"]


@dataclass(frozen=True)
class AccuracyMarks:
    """The marks of one accuracy on an axis, in percent of its width; None outside the axis.

    Attributes:
        mean: Position of the accuracy.
        low: Lower end of its interval.
        high: Upper end of its interval.
        seeds: Position of each seed.
        beyond: Side on which the accuracy leaves the axis, if it does.
    """

    mean: float | None
    low: float | None
    high: float | None
    seeds: tuple[float | None, ...]
    beyond: Side | None

    @property
    def has_interval(self) -> bool:
        """True if any part of the interval lies on the axis."""
        return self.low is not None or self.high is not None


@dataclass(frozen=True)
class AccuracyAxis:
    """The axis that the accuracies of a results table share."""

    low: float
    high: float

    @classmethod
    def around(cls, scores: Iterable[Score]) -> AccuracyAxis:
        """Return the axis that holds some scores with their intervals and seeds."""
        values: list[float] = []
        for score in scores:
            if score.accuracy is not None:
                values += [score.accuracy, *(score.interval or ()), *score.per_seed]
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        margin = 0.06 * (high - low) or 0.02
        return cls(max(0.0, low - margin), min(1.0, high + margin))

    def marks(self, score: Score) -> AccuracyMarks:
        """Return the marks of a score."""
        low, high = score.interval or (None, None)
        beyond: Side | None = None
        if score.accuracy is not None and score.accuracy < self.low:
            beyond = "left"
        elif score.accuracy is not None and score.accuracy > self.high:
            beyond = "right"
        return AccuracyMarks(
            self._position(score.accuracy),
            self._position(low),
            self._position(high),
            tuple(self._position(accuracy) for accuracy in score.per_seed),
            beyond,
        )

    def _position(self, value: float | None) -> float | None:
        if value is None or not self.low <= value <= self.high:
            return None
        return round(100 * (value - self.low) / (self.high - self.low), 2)


@dataclass(frozen=True)
class MeasuredDifference:
    """A difference in accuracy, as fractions.

    Attributes:
        difference: The difference.
        interval: Its 95% interval, if known.
        detectable: Minimum detectable effect, if known.
        is_significant: True if the corrected p-value is at most 0.05.
        equivalence_interval: The interval that shows equivalence, if that was tested.
        equivalence_confidence: Its confidence.
    """

    difference: float
    interval: Interval | None
    detectable: float | None
    is_significant: bool
    equivalence_interval: Interval | None = None
    equivalence_confidence: float = 0.9

    @property
    def reach(self) -> float:
        """The largest distance from zero of the difference, its interval and the effect."""
        low, high = self.interval or (0.0, 0.0)
        return max(abs(self.difference), abs(low), abs(high), self.detectable or 0.0)


@dataclass(frozen=True)
class DifferenceMarks:
    """The marks of one difference on an axis, in percent of its width.

    Attributes:
        measured: The difference.
        point: Position of the difference.
        low: Lower end of its interval.
        high: Upper end of its interval.
        band: Ends of the band below the minimum detectable effect, if there is one.
        beyond: Side on which the difference leaves the axis, if it does.
        inner: Ends of the interval that shows equivalence, if that was tested.
    """

    measured: MeasuredDifference
    point: float
    low: float
    high: float
    band: tuple[float, float] | None
    beyond: Side | None
    inner: tuple[float, float] | None = None


@dataclass(frozen=True)
class DifferenceAxis:
    """Differences on one axis around zero.

    Attributes:
        rows: The marks of the differences.
        ticks: Positions of the ticks in percent of the width, with their texts.
        zero: Position of zero.
        margin: Ends of the equivalence margin, if equivalence was tested.
    """

    rows: tuple[DifferenceMarks, ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float
    margin: tuple[float, float] | None = None


def difference_axis(
    differences: Sequence[MeasuredDifference],
    reach: float = np.inf,
    margin: float | None = None,
) -> DifferenceAxis:
    """Return the positions of differences on one axis.

    Args:
        differences: The differences, one row each.
        reach: End of the axis on either side of zero. What lies beyond it becomes an arrow.
        margin: Equivalence margin, if equivalence was tested. Its band replaces those of the
            minimum detectable effects.
    """
    ends = [0.0] if margin is None else [-margin, margin]
    for measured in differences:
        ends += measured.interval or (measured.difference,)
        if margin is None and measured.detectable is not None and measured.detectable < 1:
            ends += (-measured.detectable, measured.detectable)
    low, high = max(min(ends), -reach), min(max(ends), reach)
    padding = 0.05 * ((high - low) or 0.01)
    low, high = low - padding, high + padding

    def position(value: float) -> float:
        return round(100 * (min(max(value, low), high) - low) / (high - low), 2)

    def positions(interval: Interval | None) -> tuple[float, float] | None:
        return None if interval is None else (position(interval[0]), position(interval[1]))

    rows: list[DifferenceMarks] = []
    for measured in differences:
        start, end = measured.interval or (measured.difference, measured.difference)
        band = None
        if margin is None and measured.detectable is not None and measured.detectable < 1:
            band = (position(-measured.detectable), position(measured.detectable))
        beyond: Side | None = None
        if measured.difference < low:
            beyond = "left"
        elif measured.difference > high:
            beyond = "right"
        rows.append(
            DifferenceMarks(
                measured,
                position(measured.difference),
                position(start),
                position(end),
                band,
                beyond,
                positions(measured.equivalence_interval),
            )
        )
    ticks = tuple((position(tick / 100), _tick_text(tick)) for tick in _ticks(low, high))
    band_of_margin = None if margin is None else positions((-margin, margin))
    return DifferenceAxis(tuple(rows), ticks, position(0.0), band_of_margin)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers of percentage points inside the axis."""
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(100 * low, 100 * high)
    edge = _TICK_MARGIN * (high - low)  # a text at the very end of the axis would leave the page
    return [float(tick) for tick in ticks if low + edge <= tick / 100 <= high - edge]


def _tick_text(tick: float) -> str:
    return f"{tick:+.6g}".replace("-", "−") if round(tick, 9) else "0"
