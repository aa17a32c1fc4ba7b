"""The classifier: from uint8 images to class probabilities, in one torch module."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headstart import progress
from headstart.classifier._file_format import InferenceMetadata, Preprocessing
from headstart.classifier._input_transforms import (
    InputTransform,
    Standardise,
    StandardisedBackbone,
    as_floats,
)
from headstart.classifier._logits import average_over_mirror, energy_score, to_probabilities
from headstart.classifier._precision import use_bfloat16
from headstart.classifier._predictions import Predictions
from headstart.data import check_pixels, take
from headstart.evaluation import apply_temperature
from headstart.models.recipes import Recipe

# Pixels at the size that the network sees. They bound the memory of a prediction: 1,000 images of
# 32x32 per batch.
_PIXELS_PER_BATCH = 1 << 20
_SMALLEST_BATCH = 16


class Classifier(nn.Module):
    """An input transform, the trained network, and what both need for predictions.

    `predict` and `probabilities` are the one place that turns images into predictions. Each has a
    flag for calibration.

    Attributes:
        front: The input transform: standardisation, or a backbone. The name is part of the weight
            file.
        net: The network that was trained.
        class_names: K names in the order of the probabilities.
        image_shape: (height, width, channels) of the images that it accepts.
        mirror: Whether predictions are averaged over each image and its mirror image.
        metadata: Preprocessing, calibration, OOD threshold and training summary.
    """

    front: InputTransform
    net: nn.Module
    recipe: Recipe
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    mirror: bool

    def __init__(
        self,
        front: InputTransform,
        net: nn.Module,
        recipe: Recipe,
        class_names: tuple[str, ...],
        image_shape: tuple[int, int, int],
    ) -> None:
        super().__init__()
        self.front, self.net = front, net
        self.recipe, self.class_names, self.image_shape = recipe, class_names, image_shape
        self.mirror = bool(recipe.flip)
        self.metadata = InferenceMetadata()

    @property
    def input_px(self) -> int | None:
        """The image size in pixels to which a backbone resizes; None for the other networks."""
        return None if isinstance(self.front, Standardise) else self.front.backbone.input_px

    @property
    def preprocessing(self) -> Preprocessing:
        """How images of another shape become images of `image_shape`."""
        return self.metadata.preprocessing

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of images `(N, C, H, W)`, floats from 0 to 255."""
        return self.logits(self.front(x))

    def logits(self, inputs: Tensor, wrapper: nn.Module | None = None) -> Tensor:
        """Return the logits of transformed inputs.

        A head on cached features computes in float32: it is small, so rounding would only blur it.

        Args:
            inputs: Outputs of `front`.
            wrapper: Called in place of `net`, such as its wrapper for distributed training.
        """
        is_on_features = isinstance(self.front, StandardisedBackbone)
        is_rounded = use_bfloat16(self.recipe.precision) and not is_on_features
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=is_rounded):
            logits: Tensor = (wrapper or self.net)(inputs)
        return logits

    def predict(
        self,
        images: NDArray[np.uint8],
        rows: NDArray[np.int64] | None = None,
        *,
        calibrated: bool = True,
    ) -> Predictions:
        """Predict the classes of images.

        Args:
            images: uint8 `(N, H, W, C)` of `image_shape`.
            rows: Indices of the images to predict; None for all.
            calibrated: Scale the probabilities by the temperature that was fitted on the validation
                images. This does not change which class is the most probable.

        Raises:
            InputError: The images have another shape than the training images, or are not uint8.
        """
        probabilities, energy_scores = self._predict_in_batches(images, rows)
        if calibrated:
            probabilities = apply_temperature(probabilities, self.metadata.temperature)
        ood = self.metadata.ood_threshold
        return Predictions(
            self.class_names, probabilities, energy_scores, None if ood is None else ood.threshold
        )

    def probabilities(
        self,
        images: NDArray[np.uint8],
        rows: NDArray[np.int64] | None = None,
        *,
        calibrated: bool = False,
    ) -> NDArray[np.float32]:
        """Return the class probabilities `(N, K)` of images.

        Unlike `predict`, the default is not calibrated. These are the probabilities of the network
        itself, as in `predictions.csv`, `metrics.json` and reports.

        Args:
            images: uint8 `(N, H, W, C)` of `image_shape`.
            rows: Indices of the images to predict; None for all.
            calibrated: As for `predict`.

        Raises:
            InputError: The images have another shape than the training images, or are not uint8.
        """
        return self.predict(images, rows, calibrated=calibrated).probabilities

    @torch.inference_mode()
    def _predict_in_batches(
        self, images: NDArray[np.uint8], rows: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return probabilities `(N, K)`, not calibrated, and energy scores `(N,)`."""
        check_pixels(images, self.image_shape)
        rows = np.arange(len(images)) if rows is None else rows
        probabilities = np.empty((len(rows), len(self.class_names)), np.float32)
        energy_scores = np.empty(len(rows), np.float32)
        device = next(self.net.parameters()).device
        batch_size = max(_SMALLEST_BATCH, _PIXELS_PER_BATCH // self._pixels_per_image())
        is_rounded = use_bfloat16(self.recipe.precision)

        # Walking through all layers would cost a third of the time of one small image.
        was_training = self.training
        if was_training:
            self.eval()

        with (
            progress.task("predicting", len(rows), "images") as task,
            torch.autocast(device.type, torch.bfloat16, enabled=is_rounded),
        ):
            for start in range(0, len(rows), batch_size):
                x = as_floats(take(images, rows[start : start + batch_size]), device)
                outputs = average_over_mirror(self._probabilities_and_energy, x, mirror=self.mirror)
                batch = slice(start, start + len(x))
                probabilities[batch], energy_scores[batch] = (
                    output.cpu().numpy() for output in outputs
                )
                task.advance(len(x))

        if was_training:
            self.train()
        return probabilities, energy_scores

    def _probabilities_and_energy(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self(x)
        return to_probabilities(logits), energy_score(logits)

    def _pixels_per_image(self) -> int:
        """Return the pixels of one image, before or after resizing, whichever is more."""
        height, width, _ = self.image_shape
        return max(height * width, (self.input_px or 0) ** 2)
