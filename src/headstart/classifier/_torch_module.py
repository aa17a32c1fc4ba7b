"""A classifier as a plain torch module, for code that does not use Headstart."""

from __future__ import annotations

from torch import Tensor, nn

from headstart.classifier._base_classifier import BaseClassifier
from headstart.classifier._logits import (
    average_over_mirror,
    expand_binary_logit,
    to_probabilities,
)
from headstart.errors import InputError
from headstart.evaluation import MIN_PROBABILITY


class ImageModule(nn.Module):
    """A module that maps images to K logits.

    Their softmax equals `Classifier.probabilities`, so it is not calibrated.

    Preprocessing is inside, and so is the average over each image and its mirror image if the
    recipe has one. Gradients reach the pixels and all weights, also those of a frozen backbone. The
    parameters of the part that was trained are `module.classifier.net.parameters()`. An ensemble
    has `module.classifier.members` instead of `net`.

    Attributes:
        classifier: The classifier with its weights.
        class_names: K names in the order of the logits.
        image_shape: (height, width, channels).
    """

    def __init__(self, classifier: BaseClassifier) -> None:
        super().__init__()
        self.classifier = classifier
        self.class_names: tuple[str, ...] = classifier.class_names
        self.image_shape: tuple[int, int, int] = classifier.image_shape

    def forward(self, images: Tensor) -> Tensor:
        """Return logits `(N, K)` float32.

        Args:
            images: uint8 from 0 to 255, or floats from 0 to 1. The shape is `(N, C, H, W)`. The
                shape `(N, H, W, C)` is also accepted if the two differ.

        Raises:
            InputError: The images have another shape.
        """
        height, width, channels = self.image_shape
        if images.shape[1:] == (height, width, channels) != (channels, height, width):
            images = images.permute(0, 3, 1, 2)
        if images.shape[1:] != (channels, height, width):
            raise InputError(
                "invalid shape of an image: expected (channels, height, width) = "
                f"{(channels, height, width)}, got {tuple(images.shape[1:])}.",
                "Resize the images as in training.",
            )
        x = images * 255 if images.is_floating_point() else images.float()
        if not self.classifier.mirror:
            return expand_binary_logit(self.classifier(x))

        (probabilities,) = average_over_mirror(self._probabilities, x, mirror=True)
        return probabilities.clamp_min(MIN_PROBABILITY).log()

    def _probabilities(self, x: Tensor) -> tuple[Tensor]:
        return (to_probabilities(self.classifier(x)),)
