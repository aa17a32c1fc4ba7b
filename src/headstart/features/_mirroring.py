"""Decide whether mirror images keep their labels, measured on the training images.

A quick probe is cross-validated on descriptors of shape and colour. Training images are mirrored if
that keeps what distinguishes the classes.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solve
from scipy.special import bdtrc, chdtrc
from threadpoolctl import threadpool_limits
from torch import Tensor

from headstart import store
from headstart.data import SplitDataset, content_key
from headstart.errors import ResourceError
from headstart.features._linear_probe import assign_folds, stratified_folds
from headstart.features._shape_descriptors import describe_shapes, shrink
from headstart.formatting import counted, percent
from headstart.results import AugmentationCheck

Outcome = Literal["on", "off", "unknown"]

# Raise this when decisions would be others. Old ones are then not reused.
_VERSION = "5"

_FOLDS = 3
_MOST_IMAGES, _IMAGES_PER_CLASS, _MOST_OF_ALL = 600, 20, 1200
# With fewer images per class, a pair of classes that are mirror images of each other is not found.
_LEAST_PER_CLASS = 15

# Half of what separates the classes must survive. Measured on seven real data sets: 0.15 to 0.41
# where mirror images are not wanted, 0.68 or more where they are (benchmarks/augmentation.md).
_LEAST_SKILL_KEPT = 0.5
# A probe with less accuracy above chance says too little about what separates the classes.
_LEAST_SKILL = 0.15
_Z_KEPT, _Z_LOSS = 1.64, 2.0  # one-sided levels of 5 and 2.3%
_LEVEL = 0.05
_RIDGE = 0.05


@dataclass(frozen=True)
class _Scores:
    """Out-of-fold scores of the probe, each float64 of shape (n, K).

    Attributes:
        original: Scores of the images.
        mirrored: Scores of their mirror images, by the same probes.
        with_copies: Scores of the images by probes that also learned mirrored copies.
    """

    original: NDArray[np.float64]
    mirrored: NDArray[np.float64]
    with_copies: NDArray[np.float64]


def decide_mirroring(data: SplitDataset) -> AugmentationCheck:
    """Decide whether mirrored training images keep their labels.

    At most 1,200 training images are used. Neither validation nor test images are. The decision is
    kept in the cache. If the evidence is not sufficient, images are not mirrored.

    Args:
        data: The images.

    Returns:
        The decision, its reason, and the measurements behind it.
    """
    key = content_key(
        f"augmentation {_VERSION} mirror",
        data.dataset.fingerprint,
        data.groups_digest,
        np.sort(data.split.train).tobytes(),
    )
    path = store.cache_folder() / "augmentation" / f"{key}.json"
    known = store.read_json_or(path, None)
    if isinstance(known, dict):
        return AugmentationCheck.model_validate(known)

    check = measure_mirroring(data)
    with suppress(ResourceError):  # A cache that cannot be written ends no training.
        store.write_json(path, check.model_dump(mode="json"))
    return check


def measure_mirroring(data: SplitDataset) -> AugmentationCheck:
    """Measure what `decide_mirroring` decides, without its cache."""
    rows = _sample(data.split.train, data.train_labels)
    present, labels = np.unique(data.dataset.labels[rows], return_inverse=True)
    counts = np.bincount(labels)
    if len(counts) < 2 or np.median(counts) < _LEAST_PER_CLASS:
        reason = f"at least {_LEAST_PER_CLASS} images per class are needed to tell"
        return _check("unknown", reason, len(rows))

    groups = data.dataset.groups
    units = np.arange(len(rows))
    if groups is not None:
        _, units = np.unique(groups[rows], return_inverse=True)
    images = shrink(data.dataset.images, rows)
    folds = assign_folds(labels, None if groups is None else units, _FOLDS, seed=0)
    with threadpool_limits(1):
        scores = _cross_validate(images, labels, folds)
    names = [data.class_names[label] for label in present]
    return _decide(scores, labels, units, names)


def _sample(rows: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a stratified sample of the training rows, ascending."""
    most = min(_MOST_OF_ALL, max(_MOST_IMAGES, _IMAGES_PER_CLASS * len(np.unique(labels))))
    parts = -(-len(rows) // most)
    return np.sort(rows[stratified_folds(labels, parts, 0) == 0])


def _cross_validate(images: Tensor, labels: NDArray[np.int64], folds: NDArray[np.int64]) -> _Scores:
    """Return the out-of-fold scores of kernel ridge regressions with a Gaussian kernel."""
    n, classes = len(labels), int(labels.max()) + 1
    descriptors = describe_shapes(torch.cat([images, images.flip(3)]))
    kernel = _gaussian_kernel(descriptors)
    targets = np.eye(classes)[labels] - 1 / classes

    original, mirrored, with_copies = (np.zeros((n, classes)) for _ in range(3))
    for fold in range(int(folds.max()) + 1):
        held_out = np.flatnonzero(folds == fold)
        known = np.flatnonzero(folds != fold)
        weights = _ridge(kernel, known, targets[known])
        original[held_out] = kernel[np.ix_(held_out, known)] @ weights
        mirrored[held_out] = kernel[np.ix_(held_out + n, known)] @ weights

        both = np.concatenate([known, known + n])
        weights = _ridge(kernel, both, np.concatenate([targets[known]] * 2))
        with_copies[held_out] = kernel[np.ix_(held_out, both)] @ weights
    return _Scores(original, mirrored, with_copies)


def _gaussian_kernel(descriptors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the kernel of all pairs; its width is the median distance."""
    squares = (descriptors**2).sum(1)
    distances = np.maximum(squares[:, None] + squares - 2 * descriptors @ descriptors.T, 0)
    width = float(np.median(distances[distances > 0])) if distances.any() else 1.0
    kernel: NDArray[np.float64] = np.exp(-distances / width)
    return kernel


def _ridge(
    kernel: NDArray[np.float64], rows: NDArray[np.int64], targets: NDArray[np.float64]
) -> NDArray[np.float64]:
    system = kernel[np.ix_(rows, rows)] + _RIDGE * np.eye(len(rows))
    weights: NDArray[np.float64] = solve(system, targets, assume_a="pos")
    return weights


def _decide(
    scores: _Scores, labels: NDArray[np.int64], units: NDArray[np.int64], names: list[str]
) -> AugmentationCheck:
    """Compare the probes, and decide."""
    correct = scores.original.argmax(1) == labels
    correct_mirrored = scores.mirrored.argmax(1) == labels
    correct_copies = scores.with_copies.argmax(1) == labels
    chance = _agreement_by_chance(scores.original, labels)
    skill = correct - chance
    skill_mirrored = correct_mirrored - _agreement_by_chance(scores.mirrored, labels)
    kept = float(skill_mirrored.mean() / skill.mean()) if skill.mean() > 0 else 0.0

    is_skilled = _z(skill, units) > _Z_LOSS and skill.mean() > _LEAST_SKILL * (1 - chance)
    z_kept = _z(skill_mirrored - _LEAST_SKILL_KEPT * skill, units)
    z_loss = _z(correct.astype(float) - correct_copies, units)
    accuracy, accuracy_mirrored, accuracy_with_copies = (
        percent(rows.mean(), len(labels)) for rows in (correct, correct_mirrored, correct_copies)
    )
    accuracies = f"{accuracy} of the original and {accuracy_mirrored} of the changed images"
    measured = f"a probe classifies {accuracies} correctly"
    exchanged = _exchanged_classes(scores, labels)

    outcome: Outcome
    if exchanged is not None:
        first, second = names[exchanged[0]], names[exchanged[1]]
        outcome, reason = "off", f"mirroring turns '{first}' and '{second}' into each other"
    elif not is_skilled or abs(z_kept) < _Z_KEPT:
        images = counted(len(labels), "image")
        outcome, reason = "unknown", f"{images} are too little evidence; {measured}"
    elif z_kept < 0:
        outcome, reason = "off", f"it removes what distinguishes the classes; {measured}"
    elif z_loss > _Z_LOSS:
        accuracies = f"{accuracy_with_copies} instead of {accuracy}"
        outcome, reason = "off", f"a probe that also learns changed copies has {accuracies}"
    else:
        outcome, reason = "on", f"it keeps what distinguishes the classes; {measured}"
    return _check(outcome, reason, len(labels)).model_copy(
        update={
            "accuracy": float(correct.mean()),
            "accuracy_changed": float(correct_mirrored.mean()),
            "accuracy_with_copies": float(correct_copies.mean()),
            "skill_kept": round(kept, 4),
        }
    )


def _check(outcome: Outcome, reason: str, images: int) -> AugmentationCheck:
    return AugmentationCheck(
        change="mirror", outcome=outcome, is_used=outcome == "on", reason=reason, images=images
    )


def _agreement_by_chance(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the accuracy of the same predictions in random order, as in Cohen's kappa (1960)."""
    classes = scores.shape[1]
    predicted = np.bincount(scores.argmax(1), minlength=classes) / len(labels)
    return float(predicted @ (np.bincount(labels, minlength=classes) / len(labels)))


def _z(values: NDArray[np.float64], units: NDArray[np.int64]) -> float:
    """Return the mean of values in standard errors; images of one unit are dependent."""
    sums, sizes = np.bincount(units, values), np.bincount(units)
    error = float(np.sqrt(((sums - values.mean() * sizes) ** 2).sum()))
    if error == 0:
        return float(np.sign(values.sum()) * np.inf) if values.any() else 0.0
    return float(values.sum()) / error


def _exchanged_classes(scores: _Scores, labels: NDArray[np.int64]) -> tuple[int, int] | None:
    """Return two classes that mirroring turns into each other; None if there are none.

    Originals score higher for their own class, and most mirror images for the other one, in both
    directions. The two binomial p-values are combined (Fisher, 1925) and corrected for all pairs.
    """
    counts = np.bincount(labels)
    before, after = _preferences(scores.original, labels), _preferences(scores.mirrored, labels)
    is_exchanged = (before < 0.5) & (before.T < 0.5) & (after > 0.5) & (after.T > 0.5)
    pairs = len(counts) * (len(counts) - 1) // 2
    for first, second in np.argwhere(np.triu(is_exchanged)).tolist():
        p_values = []
        for own, other in ((first, second), (second, first)):
            exchanged = round(after[own, other] * counts[own])
            p_values.append(bdtrc(exchanged - 1, counts[own], 0.5))
        if chdtrc(4, -2 * np.log(p_values).sum()) < _LEVEL / pairs:
            return first, second
    return None


def _preferences(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the fraction of each class's images that score higher for each other class, (K, K)."""
    own = scores[np.arange(len(labels)), labels]
    is_higher = scores > own[:, None]
    return np.stack([is_higher[labels == label].mean(0) for label in range(scores.shape[1])])
