"""Limits of the energy score and of the image statistics, measured on validation images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headstart.classifier._file_format import ImageDistribution, OodThreshold, as_line
from headstart.classifier._image_statistics import image_statistics
from headstart.classifier._predictions import mean_brightness
from headstart.data import take

# The accepted false-alarm rate: the share of in-distribution images flagged as OOD.
OOD_QUANTILE = 0.01

# With it, a new image is beyond the quantile with the probability of its level. numpy's default is
# twice that for 100 images at 1%.
_METHOD: Final = "weibull"

# So many training images fix the distribution: 8,000 do not separate better (benchmarks/use.md).
_TRAINING_IMAGES = 1_000

# Part of the range of brightness by which an image may lie beyond it.
_BRIGHTNESS_MARGIN = 0.25

# Added to the standard deviation of each statistic, and to the variance of each after scaling. A
# share of black pixels that is 0 in all training images may be 0.3% in the next one.
_LEAST_STD = 0.01
_LEAST_VARIANCE = 0.01


@dataclass(frozen=True, eq=False)
class MeasuredImages:
    """Image statistics that need no network, for the limits of any classifier of these images.

    Attributes:
        distribution: The distribution of the statistics of the training images, without limits.
        distances: Distances of the n validation images from it, float64 of shape (n,).
        brightness: Lowest and highest usual brightness, from 0 to 1.
    """

    distribution: ImageDistribution
    distances: NDArray[np.float64]
    brightness: tuple[float, float]


def measure_images(
    images: NDArray[np.uint8], validation: NDArray[np.int64], train: NDArray[np.int64]
) -> MeasuredImages:
    """Measure what `fit_ood_threshold` needs of the images.

    Args:
        images: Uint8 array of shape (N, H, W, C).
        validation: Indices of the n validation images.
        train: Indices of the training images.
    """
    distribution = _fit_distribution(images, train)
    return MeasuredImages(
        distribution=distribution,
        distances=distribution.distances(images, validation),
        brightness=_brightness_limits(images, validation),
    )


def fit_ood_threshold(energy_scores: NDArray[np.float32], measured: MeasuredImages) -> OodThreshold:
    """Return the limits of energy score, image statistics and brightness.

    1% of the validation images are beyond the limit of the energy score or of the image statistics.
    Both limits are quantiles of the same level. Their brightness is within its limits, which lie a
    quarter of their range beyond them. Of MNIST's 70,000 images, limits from 1,000 flag one, and
    all of the inverted ones: brightness is 0.03 to 0.40, inverted 0.60 to 0.97.

    Args:
        energy_scores: Energy scores of the validation images, float32 of shape (n,).
        measured: What is measured on the same n images, and on the training images.
    """
    distances = measured.distances
    level = _joint_level(-energy_scores.astype(np.float64), distances)
    distribution = measured.distribution.model_copy(
        update={
            "median": float(np.median(distances)),
            "limit": float(np.quantile(distances, 1 - level, method=_METHOD)),
        }
    )
    return OodThreshold(
        threshold=float(np.quantile(energy_scores, level, method=_METHOD)),
        quantile=OOD_QUANTILE,
        images=len(distances),
        brightness=measured.brightness,
        energy_median=float(np.median(energy_scores)),
        image_distribution=distribution,
    )


def _fit_distribution(images: NDArray[np.uint8], train: NDArray[np.int64]) -> ImageDistribution:
    """Return the normal distribution of image statistics, without limits.

    The covariance is shrunk towards a multiple of the identity, so that few images suffice.
    """
    rows = np.sort(np.random.default_rng(0).permutation(train)[:_TRAINING_IMAGES])
    statistics = image_statistics(take(images, rows)).astype(np.float64)
    mean, std = statistics.mean(0), statistics.std(0) + _LEAST_STD
    covariance = shrink_covariance((statistics - mean) / std)
    precision = np.linalg.inv(covariance + _LEAST_VARIANCE * np.eye(len(mean)))
    whitening = np.linalg.cholesky(precision) / std[:, None]
    return ImageDistribution(
        mean=as_line(mean),
        whitening=tuple(as_line(line[: row + 1]) for row, line in enumerate(whitening)),
        images=len(rows),
        median=0.0,
        limit=0.0,
    )


def shrink_covariance(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a covariance that is shrunk towards a multiple of the identity.

    scikit-learn has the same function, but takes a second to import, and every run needs this one.

    Args:
        rows: Float64 array of shape (n, p), with n images and p statistics of mean 0.

    Returns:
        Float64 array of shape (p, p).

    References:
        Ledoit and Wolf (2004), as in scikit-learn's `LedoitWolf`.
    """
    n, p = rows.shape
    products, squares = rows.T @ rows, rows**2
    covariance = products / n
    mean_variance = np.trace(covariance) / p

    # Names as in the paper: beta is the error of the covariance, delta its distance from the
    # multiple of the identity.
    squared_norm = np.sum(products**2) / n**2
    beta = (np.sum(squares.T @ squares) / n - squared_norm) / (p * n)
    delta = (squared_norm - p * mean_variance**2) / p
    beta = min(beta, delta)
    shrinkage = 0.0 if beta == 0 else beta / delta
    shrunk: NDArray[np.float64] = (1 - shrinkage) * covariance
    shrunk[np.diag_indices(p)] += shrinkage * mean_variance
    return shrunk


def _joint_level(*oddities: NDArray[np.float64]) -> float:
    """Return the level at which 1% of images are beyond the quantile of any oddity.

    Args:
        oddities: Arrays of shape (n,), larger for odder images.
    """
    n = len(oddities[0])
    # The rank of each image, 1 for the oddest, as the share that `_METHOD` gives it.
    shares = [(n - values.argsort().argsort()) / (n + 1) for values in oddities]
    return float(np.quantile(np.min(shares, axis=0), OOD_QUANTILE, method=_METHOD))


def _brightness_limits(images: NDArray[np.uint8], rows: NDArray[np.int64]) -> tuple[float, float]:
    brightness = mean_brightness(images, rows)
    lowest, highest = float(brightness.min()), float(brightness.max())
    margin = _BRIGHTNESS_MARGIN * (highest - lowest)
    return round(max(0.0, lowest - margin), 4), round(min(1.0, highest + margin), 4)
