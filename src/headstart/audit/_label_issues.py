"""Suspected wrong labels, ranked by evidence from images that did not train on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from headstart import progress
from headstart.audit._evidence import gather_evidence
from headstart.audit._folds import assign_folds, join_clusters
from headstart.audit._half_networks import HalfNetworks, suits_networks
from headstart.audit._noise_model import NoiseModel, fit_noise_model
from headstart.audit._out_of_fold import OutOfFoldRidge, Source
from headstart.audit._planted_errors import Calibration, calibrate
from headstart.audit._renamed_classes import RenamedClass, find_renamed_classes
from headstart.data import Dataset
from headstart.formatting import counted, percent

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Features = NDArray[np.float16]

FOLDS = 5
# Penalties relative to the mean eigenvalue of the features' covariance.
_PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)

# An image is a suspect if its label is wrong with at least this probability, and no more images are
# suspects than are predicted as another class. In a small set that is hard to classify, the mean
# probability exceeds the limit, so every image would be a suspect: 50 of 50 photographs of ants and
# bees, with or without planted errors (benchmarks/data.md, "Wrong labels in small sets").
LEAST_PROBABILITY = 0.1

# Classes with fewer images cannot be learnt well enough to doubt their labels.
FEW_IMAGES = 10

# Above this share of misleading images, the sentence says that a person has to decide.
_MOST_UNDECIDABLE = 0.5

# Standard errors by which the agreement must exceed that of unrelated labels.
_ERRORS_ABOVE_CHANCE = 3.5


@dataclass(frozen=True)
class WrongLabels:
    """The number of wrong labels among the first suspects.

    Attributes:
        suspects: How many suspects these are.
        number: Expected number of wrong labels among them.
        low: Lower limit of the 95% interval.
        high: Upper limit of the 95% interval.
    """

    suspects: int
    number: float
    low: int
    high: int


@dataclass(frozen=True)
class LabelIssues:
    """Images ranked by how likely their label is wrong.

    Attributes:
        ranked: All images, int64 dataset indices of shape (N,), the most suspicious first.
        count: Number of suspects: the first `count` of `ranked`.
        probabilities: Probability that the given label is wrong, float64 of shape (N,), in the
            order of the dataset. Calibrated by planted errors.
        suggested: The most likely other class of each image, int64 of shape (N,), in the order of
            the dataset.
        class_probabilities: Out-of-fold probabilities of the true class, float64 of shape (N, K).
        accuracy: Share of given labels that equal the most likely class, out of fold.
        shuffled_accuracy: The same share if labels had nothing to do with images.
        is_better_than_chance: False if the labels cannot be distinguished from shuffled ones.
            Then nothing is suspected.
        renamed: Classes that look like another class in one part only, as with a class map in
            another order.
        few: Numbers of the classes with too few images to doubt their labels.
        evidence: Names of the sources of evidence.
        calibration: What planted errors say; None where nothing was calibrated.
    """

    ranked: Indices
    count: int
    probabilities: Floats
    suggested: Indices
    class_probabilities: Floats
    accuracy: float
    shuffled_accuracy: float
    is_better_than_chance: bool
    renamed: tuple[RenamedClass, ...]
    few: tuple[int, ...]
    evidence: tuple[str, ...]
    calibration: Calibration | None

    @property
    def suspects(self) -> Indices:
        """Dataset indices of the suspects, the most suspicious first."""
        return self.ranked[: self.count]

    def expected_wrong(self, first: int | None = None) -> WrongLabels:
        """Return how many of the first suspects have a wrong label.

        Args:
            first: Number of suspects, from the top. None means all of them.
        """
        length = self.count if first is None else min(first, len(self.ranked))
        if self.calibration is None or length == 0:
            return WrongLabels(length, 0.0, 0, 0)

        number = float(self.probabilities[self.ranked[:length]].sum())
        below, above = self.calibration.deviation_interval(length)
        low = round(float(np.clip(number + below, 0, length)))
        high = round(float(np.clip(number + above, 0, length)))
        return WrongLabels(length, float(np.clip(number, low, high)), low, high)

    def describe(self, first: int | None = None) -> str:
        """Describe the suspects in one or two plain sentences.

        Args:
            first: Number of suspects, from the top. None means all of them.
        """
        if not self.is_better_than_chance:
            images = len(self.probabilities)
            return (
                f"The labels are no better than chance: {percent(self.accuracy, images)} of them "
                f"follow from the images, where shuffled labels give "
                f"{percent(self.shuffled_accuracy, images)}. No single "
                "label is suspected: check how labels and images were matched."
            )
        wrong = self.expected_wrong(first)
        if not wrong.suspects:
            return "No label is suspected to be wrong."
        if self.calibration is None:
            return f"{counted(wrong.suspects, 'suspect')}. How many are wrong was not estimated."
        sentence = (
            f"Of {counted(wrong.suspects, 'suspect')}, {wrong.low:,} to {wrong.high:,} are "
            "expected to have a wrong label."
        )
        if self.calibration.undecidable_share > _MOST_UNDECIDABLE:
            sentence += " So few labels are wrong that only a person can tell them from odd images."
        return sentence


def find_label_issues(
    dataset: Dataset,
    *,
    clusters: Indices | None = None,
    evidence: dict[str, Features] | None = None,
    networks: bool | None = None,
    calibrated: bool = True,
    seed: int = 0,
) -> LabelIssues:
    """Rank the images of a dataset by how likely their label is wrong.

    The probabilities come from images that were not trained on: the images are divided into five
    folds, and those of a fold are compared with a classifier of the others. Exact copies, groups
    and `clusters` stay in one fold, so a copy does not vouch for its twin.

    Args:
        dataset: The labelled images.
        clusters: Int64 array of shape (N,): images with the same number are near duplicates. None
            if they were not searched.
        evidence: Features of the images by the name of their source, float16 of shape (N, D). None
            computes them.
        networks: Whether to train two small networks as one more source of evidence. None does so
            for many small grey images, which ImageNet features describe badly.
        calibrated: Whether to calibrate the probabilities by planted errors, which takes most of
            the time. It does not change the ranking. Without it there is no interval.
        seed: Seed of all random choices.

    Returns:
        All images in their order of suspicion, with calibrated probabilities, and the number of
        wrong labels among the first suspects with a 95% interval.
    """
    if evidence is None:
        evidence = gather_evidence(dataset, seed)
    labels, classes = dataset.labels, len(dataset.class_names)
    units = _units(dataset, clusters)
    sources = _fit_sources(dataset, evidence, units, networks=networks, seed=seed)
    targets = _indicators(labels, classes)
    model = fit_noise_model([source.scores(targets) for source in sources.values()], labels)

    predicted = model.log_probabilities.argmax(1)
    accuracy, shuffled_accuracy, is_better = _compare_with_chance(predicted, labels, classes)
    calibration = None
    if is_better and calibrated:
        refit = partial(_refit, tuple(sources.values()), model)
        calibration = calibrate(model, labels, refit, seed)
    log_odds = model.log_odds if calibration is None else calibration.apply(model.log_odds)
    probabilities = expit(log_odds)

    few = np.flatnonzero(np.bincount(labels, minlength=classes) < FEW_IMAGES)
    doubtful = int((predicted != labels).sum())
    probable = int((probabilities >= LEAST_PROBABILITY).sum())
    return LabelIssues(
        ranked=np.argsort(-model.log_odds, kind="stable"),
        count=min(probable, doubtful) if is_better else 0,
        probabilities=probabilities,
        suggested=_likeliest_other(model.log_probabilities, labels),
        class_probabilities=np.exp(model.log_probabilities),
        accuracy=accuracy,
        shuffled_accuracy=shuffled_accuracy,
        is_better_than_chance=is_better,
        renamed=find_renamed_classes(dataset, predicted) if is_better else (),
        few=tuple(few.tolist()),
        evidence=tuple(sources),
        calibration=calibration,
    )


def _units(dataset: Dataset, clusters: Indices | None) -> Indices:
    """Return the images that stay together: exact copies, groups and clusters, int64 (N,)."""
    _, copies = np.unique(dataset.hashes, axis=0, return_inverse=True)
    clusterings = [copies.reshape(-1)]
    if dataset.groups is not None:
        clusterings.append(dataset.groups)
    if clusters is not None:
        clusterings.append(clusters)
    return join_clusters(*clusterings)


def _fit_sources(
    dataset: Dataset,
    evidence: dict[str, Features],
    units: Indices,
    *,
    networks: bool | None,
    seed: int,
) -> dict[str, Source]:
    """Return the out-of-fold scores of each source of evidence, by its name."""
    labels, classes = dataset.labels, len(dataset.class_names)
    if networks is None:
        networks = suits_networks(dataset)
    fold_of = assign_folds(labels, units, FOLDS, seed)
    sources: dict[str, Source] = {}
    with progress.task("out-of-fold evidence", len(evidence) + networks, "sources") as task:
        for name, features in evidence.items():
            sources[name] = OutOfFoldRidge(features, fold_of)
            _choose_penalty(sources[name], labels, classes)
            task.advance()
        if networks:
            sources["networks of the other half"] = HalfNetworks(dataset, units, FOLDS, seed)
            _choose_penalty(sources["networks of the other half"], labels, classes)
            task.advance()
    return sources


def _choose_penalty(source: Source, labels: Indices, classes: int) -> None:
    """Set the penalty under which the given labels are most likely."""
    targets = _indicators(labels, classes)
    losses = []
    for penalty in _PENALTIES:
        source.set_penalty(penalty)
        losses.append(fit_noise_model([source.scores(targets)], labels).loss)
    source.set_penalty(_PENALTIES[int(np.argmin(losses))])


def _refit(
    sources: Sequence[Source], model: NoiseModel, copies: Sequence[Indices]
) -> list[NoiseModel]:
    """Fit a noise model to each copy of the labels, starting from that of the given labels.

    Each source predicts all copies at once.
    """
    classes = model.log_probabilities.shape[1]
    targets = np.concatenate([_indicators(copy, classes) for copy in copies], axis=1)
    scores = [np.split(source.scores(targets), len(copies), axis=1) for source in sources]
    models = []
    for number, copy in enumerate(copies):
        of_copy = [of_source[number] for of_source in scores]
        models.append(fit_noise_model(of_copy, copy, start=model))
    return models


def _indicators(labels: Indices, classes: int) -> NDArray[np.float32]:
    return np.eye(classes, dtype=np.float32)[labels]


def _likeliest_other(log_probabilities: Floats, labels: Indices) -> Indices:
    """Return the most likely class other than the given one, int64 of shape (N,)."""
    others = log_probabilities.copy()
    others[np.arange(len(labels)), labels] = -np.inf
    likeliest: Indices = others.argmax(1)
    return likeliest


def _compare_with_chance(
    predicted: Indices, labels: Indices, classes: int
) -> tuple[float, float, bool]:
    """Compare the agreement of predictions and labels with that of unrelated ones.

    Returns:
        The share of labels that were predicted; the share expected if labels were shuffled; and
        whether the first exceeds the second by more than random order explains.
    """
    shares = np.bincount(labels, minlength=classes) / len(labels)
    predicted_shares = np.bincount(predicted, minlength=classes) / len(labels)
    accuracy = float((predicted == labels).mean())
    expected = float((shares * predicted_shares).sum())
    standard_error = np.sqrt(expected * (1 - expected) / len(labels))
    return accuracy, expected, accuracy > expected + _ERRORS_ABOVE_CHANCE * float(standard_error)
