"""The accuracy of a finished run on its training images, without dropout and augmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.classifier import StandardisedBackbone, load_network
from headstart.data import SplitDataset, stratified_subset
from headstart.features import compute_features
from headstart.training._inputs import FeatureInputs


def training_correct(run: Path, data: SplitDataset, seed: int, images: int) -> NDArray[np.bool_]:
    """Classify training images with the final weights of a run, as in an evaluation.

    The accuracy in the curves is measured during training: with dropout and augmentation, while the
    weights change. It may be far below that of the trained model.

    Args:
        run: Folder of a finished run.
        data: The data of the run.
        seed: Seed of the run. Each seed draws other images.
        images: The largest number of images, which are drawn from all classes.

    Returns:
        Boolean array of shape (n,). True where the classifier is correct.
    """
    classifier = load_network(run)
    rows = data.split.train
    if images < len(rows):
        rng = np.random.default_rng(seed)
        rows = stratified_subset(data.dataset.labels, rows, images, rng)

    classifier.eval()
    front = classifier.front
    if isinstance(front, StandardisedBackbone):
        features = compute_features(classifier.recipe, data, seed, front.backbone.input_px)
        probabilities = FeatureInputs(features, front, None).probabilities(classifier, rows)
    else:
        probabilities = classifier.probabilities(data.dataset.images, rows)
    return np.asarray(probabilities.argmax(axis=1) == data.dataset.labels[rows])
