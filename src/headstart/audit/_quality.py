"""Quality: images that are dark, bright, blurred, enlarged or oddly shaped for their dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.audit._pixel_statistics import PixelStatistics, measure_pixels
from headstart.data import Dataset, FileFacts

QualityProblem = Literal["dark", "bright", "blurred", "low contrast", "tiny", "odd shape"]
FloatArray = NDArray[np.float64]

# An image is listed if it is further from the median than so many robust standard deviations
# (1.4826 times the median absolute deviation), and beyond the absolute limit.
DEVIATIONS = 4.0
DARK, BRIGHT, LOW_CONTRAST = 0.12, 0.9, 0.06
BLURRED_SHARE = 0.1  # of the median sharpness
TINY_SHARE = 0.5  # of the pixels that the dataset's images have
ODD_RATIO = 2.0  # times the usual ratio of width to height, or its inverse


@dataclass(frozen=True)
class QualityIssues:
    """Images of poor quality, by problem, the worst of each first.

    An image can be listed once per problem.

    Attributes:
        indices: Int64 array of shape (M,).
        problem: M words: "dark", "bright", "blurred", "low contrast", "tiny" (enlarged from few
            pixels) or "odd shape" (far from the usual ratio of width to height).
        value: Float64 array of shape (M,), the measured value: mean brightness and contrast in
            [0, 1], variance of the Laplacian, pixels of the shorter edge, width over height.
        threshold: Float64 array of shape (M,), the value from which on an image is listed.
    """

    indices: NDArray[np.int64]
    problem: tuple[QualityProblem, ...]
    value: FloatArray
    threshold: FloatArray

    def __len__(self) -> int:
        return len(self.indices)


class _Rule(NamedTuple):
    """One problem: images whose value is below (or above) a limit.

    Attributes:
        problem: The word for it.
        values: Float64 array of shape (N,).
        limit: The value from which on an image is listed.
        is_below: Whether small values are the problem.
    """

    problem: QualityProblem
    values: FloatArray
    limit: float
    is_below: bool


def find_quality_issues(
    dataset: Dataset, facts: FileFacts | None = None, statistics: PixelStatistics | None = None
) -> QualityIssues:
    """Find images of poor quality, measured against the other images of the dataset.

    An image is listed if its value is more than 4 robust standard deviations from the median, and
    beyond a fixed limit as well. The first condition spares datasets that are dark throughout, and
    the second one datasets without much variety.

    Args:
        dataset: The dataset.
        facts: Headers of its files. None leaves out "tiny" and "odd shape".
        statistics: Statistics of its pixels. None measures them.

    Returns:
        The images, each with its problem, its value and the limit.
    """
    if statistics is None:
        statistics = measure_pixels(dataset, facts)

    rules = [
        _below("dark", statistics.brightness, DARK),
        _above("bright", statistics.brightness, BRIGHT),
        _below("low contrast", statistics.contrast, LOW_CONTRAST),
        _blurred(statistics),
    ]
    if facts is not None:
        rules += _shape_rules(dataset, facts)

    indices: list[NDArray[np.int64]] = []
    problems: list[QualityProblem] = []
    values: list[FloatArray] = []
    limits: list[FloatArray] = []
    for rule in rules:
        signed = rule.values if rule.is_below else -rule.values
        limit = rule.limit if rule.is_below else -rule.limit
        rows = np.flatnonzero(signed < limit)
        rows = rows[np.argsort(signed[rows], kind="stable")]
        indices.append(rows)
        problems += [rule.problem] * len(rows)
        values.append(rule.values[rows])
        limits.append(np.full(len(rows), rule.limit))
    return QualityIssues(
        np.concatenate(indices), tuple(problems), np.concatenate(values), np.concatenate(limits)
    )


def _below(problem: QualityProblem, values: FloatArray, limit: float) -> _Rule:
    median, deviation = _robust(values)
    return _Rule(problem, values, min(limit, median - DEVIATIONS * deviation), True)


def _above(problem: QualityProblem, values: FloatArray, limit: float) -> _Rule:
    median, deviation = _robust(values)
    return _Rule(problem, values, max(limit, median + DEVIATIONS * deviation), False)


def _blurred(statistics: PixelStatistics) -> _Rule:
    """Return the rule of blur: logarithms, since sharpness varies by factors."""
    logarithms = np.log(np.maximum(statistics.sharpness, 1e-9))
    median, deviation = _robust(logarithms)
    limit = min(median + np.log(BLURRED_SHARE), median - DEVIATIONS * deviation)
    return _Rule("blurred", statistics.sharpness, float(np.exp(limit)), True)


def _shape_rules(dataset: Dataset, facts: FileFacts) -> list[_Rule]:
    width, height = facts.width.astype(np.float64), facts.height.astype(np.float64)
    is_open = (width > 0) & (height > 0)
    shorter = np.where(is_open, np.minimum(width, height), np.inf)
    ratio = np.ones(len(width))
    np.divide(width, height, out=ratio, where=is_open)

    usual = float(np.median(ratio))
    _, deviation = _robust(np.log(ratio))
    factor = max(ODD_RATIO, float(np.exp(DEVIATIONS * deviation)))
    median_edge = float(np.median(shorter))
    tiny = min(TINY_SHARE * min(dataset.image_shape[:2]), TINY_SHARE * median_edge)
    return [
        _Rule("tiny", shorter, tiny, True),
        _Rule("odd shape", ratio, usual * factor, False),
        _Rule("odd shape", ratio, usual / factor, True),
    ]


def _robust(values: FloatArray) -> tuple[float, float]:
    """Return the median, and the standard deviation that the median absolute deviation implies."""
    median = float(np.median(values))
    return median, 1.4826 * float(np.median(np.abs(values - median)))
