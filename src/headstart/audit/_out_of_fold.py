"""Out-of-fold scores of a ridge classifier, from factors that are computed once.

The scores are linear in the labels. So other labels of the same images, such as those of a copy
with planted errors, cost two matrix products instead of a fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits

from headstart import machine

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

_ROWS_PER_BLOCK = 4096
_SMALLEST_STD = 1e-3


class Source(Protocol):
    """A source of evidence that is linear in the labels."""

    def set_penalty(self, penalty: float) -> None:
        """Choose the L2 penalty of the scores."""

    def scores(self, targets: Floats) -> Floats:
        """Return the out-of-fold predictions of targets, float32 of the same shape (N, T)."""
        ...


class OutOfFoldRidge:
    """Ridge regression of class indicators on features, evaluated out of fold.

    Attributes:
        penalty: The penalty in use, relative to the mean eigenvalue of the features' covariance.
    """

    penalty: float

    def __init__(self, features: NDArray[np.float16], fold_of: Indices) -> None:
        """Compute what does not depend on the labels.

        Args:
            features: Float16 array of shape (N, D). Standardised here, without labels.
            fold_of: Int64 array of shape (N,), the fold of each image, from 0.
        """
        self._order = np.argsort(fold_of, kind="stable")
        counts = np.bincount(fold_of)
        self._ends = np.cumsum(counts)
        self._starts = self._ends - counts
        self._features = _standardise(features[self._order])
        with threadpool_limits(1), ThreadPoolExecutor(machine.usable_cores()) as pool:
            self._grams = list(pool.map(self._gram, range(len(counts))))
        self._gram_of_all = np.sum(self._grams, axis=0)
        self._factors: list[tuple[Floats, bool]] = []

    def set_penalty(self, penalty: float) -> None:
        """Factorise the normal equations of every fold for a penalty."""
        self.penalty = penalty
        scale = np.trace(self._gram_of_all) / len(self._gram_of_all)
        ridge = np.float32(penalty * scale) * np.eye(len(self._gram_of_all), dtype=np.float32)

        def factorise(gram: Floats) -> tuple[Floats, bool]:
            factor: tuple[Floats, bool] = cho_factor(self._gram_of_all - gram + ridge, lower=True)
            return factor

        with threadpool_limits(1), ThreadPoolExecutor(machine.usable_cores()) as pool:
            self._factors = list(pool.map(factorise, self._grams))

    def scores(self, targets: Floats) -> Floats:
        """Return the out-of-fold predictions of targets, float32 of the same shape.

        Args:
            targets: Float32 array of shape (N, T), such as class indicators.
        """
        centre = targets.mean(0)
        sorted_targets = targets[self._order] - centre
        folds = range(len(self._grams))
        scores = np.empty_like(targets)

        with threadpool_limits(1), ThreadPoolExecutor(machine.usable_cores()) as pool:
            products = list(pool.map(lambda fold: self._product(sorted_targets, fold), folds))
            product_of_all = np.sum(products, axis=0)

            def predict(fold: int) -> Floats:
                weights = cho_solve(self._factors[fold], product_of_all - products[fold])
                parts = [block @ weights for _, block in self._blocks(fold)]
                return np.concatenate(parts)

            for fold, predicted in enumerate(pool.map(predict, folds)):
                rows = self._order[self._starts[fold] : self._ends[fold]]
                scores[rows] = predicted + centre
        return scores

    def _blocks(self, fold: int) -> Iterator[tuple[slice, Floats]]:
        """Yield the features of a fold in blocks, with their places in the sorted order."""
        for start in range(self._starts[fold], self._ends[fold], _ROWS_PER_BLOCK):
            rows = slice(start, min(start + _ROWS_PER_BLOCK, int(self._ends[fold])))
            yield rows, self._features[rows].astype(np.float32)

    def _gram(self, fold: int) -> Floats:
        features = self._features.shape[1]
        gram = np.zeros((features, features), np.float32)
        for _, block in self._blocks(fold):
            gram += block.T @ block
        return gram

    def _product(self, sorted_targets: Floats, fold: int) -> Floats:
        product = np.zeros((self._features.shape[1], sorted_targets.shape[1]), np.float32)
        for rows, block in self._blocks(fold):
            product += block.T @ sorted_targets[rows]
        return product


def _standardise(features: NDArray[np.float16]) -> NDArray[np.float16]:
    """Return features with mean 0 and standard deviation 1, float16. Constant ones become 0."""
    blocks = range(0, len(features), _ROWS_PER_BLOCK)
    total = np.zeros(features.shape[1])
    squares = np.zeros(features.shape[1])
    for start in blocks:
        block = features[start : start + _ROWS_PER_BLOCK].astype(np.float64)
        total += block.sum(0)
        squares += np.square(block).sum(0)

    mean = total / len(features)
    std = np.sqrt(np.maximum(squares / len(features) - mean**2, 0)) + _SMALLEST_STD
    values = np.empty_like(features)
    for start in blocks:
        rows = slice(start, start + _ROWS_PER_BLOCK)
        values[rows] = np.clip((features[rows] - mean) / std, -60, 60)
    return values
