"""The base of one network and of an ensemble: from uint8 images to predictions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headstart import progress
from headstart.classifier._file_format import InferenceMetadata, Preprocessing, SetScores
from headstart.classifier._input_transforms import as_floats
from headstart.classifier._predictions import Predictions, find_odd_brightness
from headstart.data import check_pixels, take
from headstart.evaluation import apply_temperature

# Pixels at the size that the network sees. They bound the memory of a prediction: 1,000 images of
# 32x32 per batch.
_PIXELS_PER_BATCH = 1 << 20
_SMALLEST_BATCH = 16


class BaseClassifier(nn.Module):
    """A torch module that predicts the classes of images: a `Classifier` or an `Ensemble`.

    `predict` and `probabilities` are the one place that turns images into predictions. Each has a
    flag for calibration.

    Attributes:
        class_names: K names in the order of the probabilities.
        image_shape: (height, width, channels) of the images that it accepts.
        metadata: Preprocessing, calibration, OOD threshold and training summary.
    """

    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    metadata: InferenceMetadata

    def __init__(self, class_names: tuple[str, ...], image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.class_names, self.image_shape = class_names, image_shape
        self.metadata = InferenceMetadata()

    @property
    @abstractmethod
    def model_name(self) -> str:
        """The name of the model, such as cnn or ensemble."""

    @property
    @abstractmethod
    def mirror(self) -> bool:
        """True if `predict` averages over mirror images, and `forward` does not."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of images.

        Args:
            x: Float tensor of shape (N, C, H, W), from 0 to 255.

        Returns:
            Float tensor of shape (N, K).
        """

    @abstractmethod
    def outputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities `(N, K)`, not calibrated, and energy scores `(N,)`.

        Args:
            x: Images `(N, C, H, W)`, floats from 0 to 255.
        """

    @property
    @abstractmethod
    def _largest_input_px(self) -> int:
        """The largest image size to which a backbone resizes; 0 without a backbone."""

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    @property
    def costs(self) -> NDArray[np.float64] | None:
        """The costs (K, K) that predictions minimise; None for the most probable class."""
        return None

    @property
    def preprocessing(self) -> Preprocessing:
        """How images of another shape become images of `image_shape`."""
        return self.metadata.preprocessing

    @property
    def set_scores(self) -> SetScores | None:
        """The scores that calibrate prediction sets; None if the file does not hold them."""
        return self.metadata.set_scores

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

        Returns:
            Class names, probabilities of shape (N, K) and energy scores of shape (N,). If the run
            has an OOD threshold, also which images are out-of-distribution.

        Raises:
            InputError: The images have another shape than the training images, or are not uint8.
        """
        probabilities, energy_scores = self.predict_in_batches(self.outputs, images, rows)
        if calibrated:
            probabilities = apply_temperature(probabilities, self.metadata.temperature)
        ood = self.metadata.ood_threshold
        if ood is None:
            return Predictions(self.class_names, probabilities, energy_scores, costs=self.costs)
        return Predictions(
            self.class_names,
            probabilities,
            energy_scores,
            ood.threshold,
            find_odd_brightness(images, ood.brightness, rows),
            ood.scores(energy_scores, images, rows),
            self.costs,
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
    def predict_in_batches(
        self,
        predict: Callable[[Tensor], tuple[Tensor, Tensor]],
        images: NDArray[np.uint8],
        rows: NDArray[np.int64] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return two outputs of a function for all images, such as those of `outputs`.

        Args:
            predict: A function from images `(N, C, H, W)`, floats from 0 to 255, to two tensors
                with one row per image.
            images: uint8 `(N, H, W, C)` of `image_shape`.
            rows: Indices of the images to predict; None for all.

        Raises:
            InputError: The images have another shape than the training images, or are not uint8.
        """
        check_pixels(images, self.image_shape)
        rows = np.arange(len(images)) if rows is None else rows
        if not len(rows):
            return np.empty((0, len(self.class_names)), np.float32), np.empty(0, np.float32)
        device = self.device
        batch_size = max(_SMALLEST_BATCH, _PIXELS_PER_BATCH // self._pixels_per_image())

        # Walking through all layers would cost a third of the time of one small image.
        was_training = self.training
        if was_training:
            self.eval()

        first: list[NDArray[np.float32]] = []
        second: list[NDArray[np.float32]] = []
        with progress.task("predicting", len(rows), "images") as task:
            for start in range(0, len(rows), batch_size):
                x = as_floats(take(images, rows[start : start + batch_size]), device)
                outputs = predict(x)
                first.append(outputs[0].float().cpu().numpy())
                second.append(outputs[1].float().cpu().numpy())
                task.advance(len(x))

        if was_training:
            self.train()
        return np.concatenate(first), np.concatenate(second)

    def _pixels_per_image(self) -> int:
        """Return the pixels of one image, before or after resizing, whichever is more."""
        height, width, _ = self.image_shape
        return max(height * width, self._largest_input_px**2)
