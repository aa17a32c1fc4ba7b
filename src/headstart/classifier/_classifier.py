"""One network as a classifier: input transform, network and recipe in one torch module."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headstart.classifier._base_classifier import BaseClassifier
from headstart.classifier._input_transforms import (
    InputTransform,
    Standardise,
    StandardisedBackbone,
)
from headstart.classifier._logits import energy_score, sum_tensors, to_probabilities
from headstart.classifier._precision import use_bfloat16
from headstart.models.recipes import Recipe, cost_matrix


class Classifier(BaseClassifier):
    """An input transform, the trained network, and what both need for predictions.

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
    mirror: bool = False

    def __init__(
        self,
        front: InputTransform,
        net: nn.Module,
        recipe: Recipe,
        class_names: tuple[str, ...],
        image_shape: tuple[int, int, int],
    ) -> None:
        super().__init__(class_names, image_shape)
        self.front, self.net, self.recipe = front, net, recipe
        self.mirror = bool(recipe.flip)

    @property
    def model_name(self) -> str:
        """The name of the model, such as cnn."""
        return self.recipe.model

    @property
    def costs(self) -> NDArray[np.float64] | None:
        """The costs of the recipe."""
        text = self.recipe.costs
        return None if text is None else cost_matrix(text, self.class_names)

    @property
    def device(self) -> torch.device:
        """The device of the trained weights."""
        return next(self.net.parameters()).device

    @property
    def input_px(self) -> int | None:
        """The image size in pixels to which a backbone resizes; None for the other networks."""
        return None if isinstance(self.front, Standardise) else self.front.backbone.input_px

    @property
    def _largest_input_px(self) -> int:
        return self.input_px or 0

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

    def outputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities `(N, K)`, not calibrated, and energy scores `(N,)`."""
        views = [x, x.flip(3)] if self.mirror else [x]
        with self.autocast():
            return self.outputs_of([self.shared_inputs(view) for view in views])

    def autocast(self) -> torch.autocast:
        """Return the context in which this classifier predicts: bfloat16 or float32."""
        is_rounded = use_bfloat16(self.recipe.precision)
        return torch.autocast(self.device.type, torch.bfloat16, enabled=is_rounded)

    def shared_inputs(self, x: Tensor) -> Tensor:
        """Return what classifiers on the same frozen backbone have in common for images.

        It is the features of the backbone before they are standardised. For all other networks, it
        is the output of `front`, which no other classifier shares.
        """
        if isinstance(self.front, StandardisedBackbone):
            return self.front.rounded_features(x)
        inputs: Tensor = self.front(x)
        return inputs

    def outputs_of(self, views: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return probabilities and energy scores, averaged over views of the same images.

        Args:
            views: `shared_inputs` of the images, and of their mirror images if `mirror`.
        """
        probabilities, energy_scores = [], []
        for inputs in views:
            if isinstance(self.front, StandardisedBackbone):
                inputs = self.front.standardise(inputs)
            logits = self.logits(inputs)
            probabilities.append(to_probabilities(logits))
            energy_scores.append(energy_score(logits))
        count = len(views)
        return sum_tensors(probabilities) / count, sum_tensors(energy_scores) / count
