"""Explanations of predictions: which regions of an image are evidence for a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue

from headstart.classifier import BaseClassifier, Classifier, Ensemble, Standardise, as_floats
from headstart.deploy._attributions import Heatmap, grad_cam, occlusion
from headstart.errors import InputError, suggest_name
from headstart.results import JsonObject


@dataclass(frozen=True)
class Explanation:
    """Evidence for one class in one image.

    Attributes:
        label: The class that is explained.
        probability: Its calibrated probability.
        predicted: The predicted class: the most probable one, or with costs the cheapest one.
        grad_cam: None if the network has no feature map with a spatial resolution, such as an mlp,
            and for an ensemble: its members have different feature maps.
        occlusion: Log-odds lost where the image is covered with the mean colour of the training
            images.
    """

    label: str
    probability: float
    predicted: str
    grad_cam: Heatmap | None
    occlusion: Heatmap

    def as_json(self) -> JsonObject:
        """Return the explanation as plain values, with four decimals in the maps."""
        return {
            "label": self.label,
            "probability": round(self.probability, 6),
            "predicted": self.predicted,
            "grad_cam": None if self.grad_cam is None else _heatmap_as_json(self.grad_cam),
            "occlusion": _heatmap_as_json(self.occlusion),
        }


def _heatmap_as_json(attribution: Heatmap) -> JsonObject:
    layer = {"layer": attribution.layer} if attribution.layer else {}
    values: list[JsonValue] = [
        [round(float(value), 4) for value in row] for row in attribution.values
    ]
    return {**layer, "unit": attribution.unit, "values": values}


def explain(
    classifier: BaseClassifier, image: NDArray[np.uint8], label: str | None = None
) -> Explanation:
    """Explain the prediction for one image, or the evidence for another class.

    Args:
        classifier: The classifier that predicts.
        image: `(H, W, C)` uint8, of the shape that the classifier accepts.
        label: Name of the class to explain; by default the predicted one.

    Returns:
        The probability of the class, with its maps from Grad-CAM and occlusion.

    Raises:
        InputError: The class is unknown, or the image has another shape.
        ResourceError: Captum is not installed.
    """
    names = classifier.class_names
    predictions = classifier.predict(image[None])
    if label is not None and label not in names:
        raise InputError(
            f"unknown class '{label}': {suggest_name(label, names)}",
            "Pass the name of one of the classes.",
        )

    predicted = predictions.labels[0]
    target = names.index(predicted if label is None else label)
    return Explanation(
        label=names[target],
        probability=float(predictions.probabilities[0, target]),
        predicted=predicted,
        grad_cam=_grad_cam(classifier, image, target),
        occlusion=_occlusion(classifier, image, target),
    )


@dataclass(frozen=True)
class Evidence:
    """The predicted class of an image, and the evidence for it.

    Attributes:
        label: The most probable class.
        probability: Its probability as in `predictions.csv`, not calibrated.
        attribution: Grad-CAM, or occlusion for an ensemble and a network without feature maps.
    """

    label: str
    probability: float
    attribution: Heatmap


def evidence(classifier: BaseClassifier, image: NDArray[np.uint8]) -> Evidence:
    """Explain the prediction for an image `(H, W, C)` quickly, with one map."""
    probabilities = classifier.probabilities(image[None], calibrated=False)[0]
    best = int(probabilities.argmax())
    attribution = _grad_cam(classifier, image, best) or _occlusion(classifier, image, best)
    return Evidence(classifier.class_names[best], float(probabilities[best]), attribution)


def _grad_cam(classifier: BaseClassifier, image: NDArray[np.uint8], target: int) -> Heatmap | None:
    if isinstance(classifier, Ensemble):
        return None
    return grad_cam(classifier, _as_batch(classifier, image), target, mirror=classifier.mirror)


def _occlusion(classifier: BaseClassifier, image: NDArray[np.uint8], target: int) -> Heatmap:
    batch = _as_batch(classifier, image)
    cover = _mean_colour(classifier).to(batch)
    return occlusion(classifier, batch, target, cover, mirror=classifier.mirror)


def _as_batch(classifier: BaseClassifier, image: NDArray[np.uint8]) -> torch.Tensor:
    return as_floats(np.array(image[None]), classifier.device)


def _mean_colour(classifier: BaseClassifier) -> torch.Tensor:
    """Return the mean colour `(1, C, 1, 1)`, from 0 to 255.

    It is that of the training images, or for a backbone that of the images of its pretraining. An
    ensemble has the colour of its member with the largest weight.
    """
    if isinstance(classifier, Ensemble):
        return _mean_colour(classifier.classifiers[0])
    assert isinstance(classifier, Classifier)
    front = classifier.front
    if isinstance(front, Standardise):
        return front.mean
    mean = front.backbone.mean
    return mean if classifier.image_shape[2] == 3 else mean.mean(1, keepdim=True)
