"""Why a classifier says what it says of one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from headstart.classifier import Standardise, as_floats
from headstart.errors import InputError, suggest_name
from headstart.evaluation import Heatmap, grad_cam, occlusion

if TYPE_CHECKING:
    from headstart.classifier import Classifier
    from headstart.deploy._model import RunModel


@dataclass(frozen=True)
class Explanation:
    """What speaks for `label` in an image, as this classifier sees it.

    Attributes:
        label, probability: the class explained, and how probable the model finds it, calibrated.
        predicted: the class that the model finds most probable.
        grad_cam: None where the net has no feature map whose places are places of the image, as a dense net.
        occlusion: log-odds lost where the image is covered with the mean colour of the training images.
    """

    label: str
    probability: float
    predicted: str
    grad_cam: Heatmap | None
    occlusion: Heatmap

    def as_json(self) -> dict[str, Any]:
        """The same as plain values; numbers with four digits after the point."""
        found = {
            "label": self.label,
            "probability": round(self.probability, 6),
            "predicted": self.predicted,
        }
        return {
            **found,
            "grad_cam": self.grad_cam and _as_json(self.grad_cam),
            "occlusion": _as_json(self.occlusion),
        }


def _as_json(heat: Heatmap) -> dict[str, Any]:
    layer = {"layer": heat.layer} if heat.layer else {}
    return {
        **layer,
        "unit": heat.unit,
        "values": [[round(float(value), 4) for value in row] for row in heat.values],
    }


def explain(model: RunModel, image: NDArray[np.uint8], label: str | None = None) -> Explanation:
    """Explain the prediction of one image, or what speaks for `label`.

    Args:
        image: `(H, W, C)` uint8, of the shape that the model takes.
        label: a class's name; by default the most probable one.

    Raises:
        InputError: no class of that name, or an image of another shape.
        ResourceError: Captum is not installed.
    """
    names = model.class_names
    probabilities = model.predict(image[None]).probabilities[0]
    if label is not None and label not in names:
        raise InputError(
            f"there is no class '{label}': {suggest_name(label, names)}",
            "Give the name of one of the classes.",
        )
    place = int(probabilities.argmax()) if label is None else names.index(label)
    predicted = names[int(probabilities.argmax())]
    inside, outside = (
        _from_inside(model.classifier, image, place),
        _from_outside(model.classifier, image, place),
    )
    return Explanation(names[place], float(probabilities[place]), predicted, inside, outside)


@dataclass(frozen=True)
class Evidence:
    """The class that an image gets, its probability as in `predictions.csv`, not calibrated, and what spoke for it."""

    label: str
    probability: float
    heat: Heatmap


def evidence(classifier: Classifier, image: NDArray[np.uint8]) -> Evidence:
    """A quick explanation of what is said of an image `(H, W, C)`: by Grad-CAM, by occlusion for a net without maps."""
    probabilities = classifier.probabilities(image[None])[0]
    place = int(probabilities.argmax())
    heat = _from_inside(classifier, image, place) or _from_outside(classifier, image, place)
    return Evidence(classifier.class_names[place], float(probabilities[place]), heat)


def _from_inside(classifier: Classifier, image: NDArray[np.uint8], place: int) -> Heatmap | None:
    return grad_cam(classifier, _pixels(classifier, image), place, mirror=classifier.mirror)


def _from_outside(classifier: Classifier, image: NDArray[np.uint8], place: int) -> Heatmap:
    pixels = _pixels(classifier, image)
    return occlusion(
        classifier, pixels, place, _mean_colour(classifier).to(pixels), mirror=classifier.mirror
    )


def _pixels(classifier: Classifier, image: NDArray[np.uint8]) -> torch.Tensor:
    return as_floats(np.array(image[None]), next(classifier.net.parameters()).device)


def _mean_colour(classifier: Classifier) -> torch.Tensor:
    """`(1, C, 1, 1)`, 0 to 255: that of the training images; for a backbone, of the images that it was pretrained on."""
    front = classifier.front
    if isinstance(front, Standardise):
        return front.mean
    mean = front.backbone.mean
    return mean if classifier.image_shape[2] == 3 else mean.mean(1, keepdim=True)
