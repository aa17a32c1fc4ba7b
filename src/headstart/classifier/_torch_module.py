"""A classifier as a plain torch module, for code that knows nothing of Headstart."""

from __future__ import annotations

from torch import Tensor, nn

from headstart.classifier._classifier import Classifier, to_probabilities
from headstart.classifier._logits import by_class
from headstart.errors import InputError

_LEAST = 1e-12  # of a probability under the logarithm


class ImageModule(nn.Module):
    """From images to K logits, whose softmax are what `Classifier.probabilities` says.

    Preprocessing is inside, and so is the average over each image and its mirror image where the recipe has one. Gradients flow
    through to the pixels and to the weights, those of a frozen backbone as well; `.parameters()` of the part that learnt are
    `module.classifier.net.parameters()`.

    Attributes:
        classifier: the weights. class_names: K names in the order of the logits. image_shape: (height, width, channels).
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier
        self.class_names: tuple[str, ...] = classifier.class_names
        self.image_shape: tuple[int, int, int] = classifier.image_shape

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(N, K)` float32.

        Args:
            images: uint8 from 0 to 255 or floats from 0 to 1, `(N, C, H, W)`, or `(N, H, W, C)` where that is another shape.

        Raises:
            InputError: images of another shape.
        """
        height, width, channels = self.image_shape
        if images.shape[1:] == (height, width, channels) != (channels, height, width):
            images = images.permute(0, 3, 1, 2)
        if images.shape[1:] != (channels, height, width):
            raise InputError(
                f"these images are {tuple(images.shape[1:])}, but this module takes (channels, height, width) = "
                f"{(channels, height, width)}.",
                "Resize them as in training.",
            )
        x = images * 255 if images.is_floating_point() else images.float()
        if self.classifier.mirror:
            found = (
                to_probabilities(self.classifier(x)) + to_probabilities(self.classifier(x.flip(3)))
            ) / 2
            return found.clamp_min(_LEAST).log()
        return by_class(self.classifier(x))
