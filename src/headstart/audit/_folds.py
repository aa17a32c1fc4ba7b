"""Folds of cross-validation in which images that are not independent stay together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Indices = NDArray[np.int64]


def join_clusters(*clusterings: Indices) -> Indices:
    """Join clusters that share an image, through any chain of them.

    Args:
        *clusterings: Int64 arrays of shape (N,) with the cluster of each image, at least one.

    Returns:
        Int64 array of shape (N,). Images have the same number if a chain of shared clusters
        connects them.
    """
    images = np.arange(len(clusterings[0]))
    nodes = len(images)
    rows, columns = [], []
    for clustering in clusterings:
        _, cluster = np.unique(clustering, return_inverse=True)
        rows.append(images)
        columns.append(nodes + cluster)
        nodes += int(cluster.max(initial=-1)) + 1

    ends = (np.concatenate(rows), np.concatenate(columns))
    links = coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(nodes, nodes))
    _, component = connected_components(links, directed=False)
    joined: Indices = component[: len(images)].astype(np.int64)
    return joined


def assign_folds(labels: Indices, units: Indices, folds: int, seed: int) -> Indices:
    """Assign images to folds, stratified by class, with units undivided.

    Args:
        labels: Int64 array of shape (N,).
        units: Int64 array of shape (N,): images with the same number stay together.
        folds: Number of folds.
        seed: Seed of the assignment.

    Returns:
        Int64 array of shape (N,), from 0. There are no more folds than units.
    """
    _, first, unit = np.unique(units, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(first))
    order = order[np.argsort(labels[first][order], kind="stable")]
    fold_of_unit = np.empty(len(first), np.int64)
    fold_of_unit[order] = np.arange(len(first)) % min(folds, len(first))
    fold_of: Indices = fold_of_unit[unit]
    return fold_of
