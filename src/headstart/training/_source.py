"""What a network learns from: the images themselves, or the features of a frozen backbone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headstart.data import Dataset, Split, take
from headstart.models import BackboneOptions, Cnn, build, build_head
from headstart.training import _distributed
from headstart.training._augment import Draws, augment
from headstart.training._classifier import (
    Classifier,
    Standardise,
    StandardisedBackbone,
    as_floats,
    familiarity,
    outputs_for,
    to_probabilities,
)
from headstart.training._device import best_device
from headstart.training._features import Features, choose_side_px, compute_features
from headstart.training._recipe import Recipe

_STATISTICS_IMAGES = 20_000  # enough to fix mean and standard deviation to three digits
_STATISTICS_BYTES = 1 << 27  # of pixels looked at for them: large images need fewer
_WHITENING_IMAGES = 5_000


class Source(Protocol):
    """What a network learns from."""

    @property
    def seconds(self) -> float:
        """What preparing it cost: features."""

    @property
    def reused_seconds(self) -> float:
        """The part of `seconds` that an earlier run spent."""

    def batch(self, rows: NDArray[np.int64], recipe: Recipe, draws: Draws) -> Tensor:
        """Inputs of the network for a batch of dataset indices, augmented; of these, the part that this process learns from."""

    def probabilities(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Class probabilities `(n, K)` of these dataset indices."""

    def familiarity(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The `familiarity` `(n,)` of these dataset indices."""

    def ms_per_image(self, seconds: float, images: int) -> float:
        """Milliseconds that one prediction takes, when `probabilities` took `seconds` for `images`."""


@dataclass
class Pixels:
    """The images themselves, standardised."""

    dataset: Dataset
    front: Standardise
    seconds: float = 0.0
    reused_seconds: float = 0.0

    def batch(self, rows: NDArray[np.int64], recipe: Recipe, draws: Draws) -> Tensor:
        images = torch.from_numpy(take(self.dataset.images, _distributed.own_part(rows))).to(best_device())
        inputs = augment(images.permute(0, 3, 1, 2), self.front, recipe, rows, _distributed.own_slice(len(rows)), draws)
        return inputs.contiguous(memory_format=torch.channels_last)

    def probabilities(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return classifier.probabilities(self.dataset.images, rows)

    def familiarity(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return classifier.judge(self.dataset.images, rows)[1]

    def ms_per_image(self, seconds: float, images: int) -> float:
        return 1000 * seconds / images


@dataclass
class CachedFeatures:
    """Features of a frozen backbone: computed once, so there is nothing to augment."""

    features: Features
    front: StandardisedBackbone

    @property
    def seconds(self) -> float:
        return self.features.seconds

    @property
    def reused_seconds(self) -> float:
        return self.features.seconds if self.features.was_cached else 0.0

    def batch(self, rows: NDArray[np.int64], recipe: Recipe, draws: Draws) -> Tensor:
        return self._inputs(_distributed.own_part(rows))

    def _inputs(self, rows: NDArray[np.int64]) -> Tensor:
        return self.front.standardise(torch.from_numpy(self.features.of(rows)).to(best_device()).float())

    @torch.inference_mode()
    def probabilities(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        parts = [
            to_probabilities(classifier.logits(self._inputs(part))).cpu().numpy()
            for part in np.array_split(rows, max(1, len(rows) // 4096))
        ]
        return np.concatenate(parts)

    @torch.inference_mode()
    def familiarity(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = familiarity(classifier.logits(self._inputs(rows))).cpu().numpy()
        return found

    def ms_per_image(self, seconds: float, images: int) -> float:
        return 1000 * (seconds / images + self.features.seconds / len(self.features.rows))


def prepare(recipe: Recipe, dataset: Dataset, split: Split, seed: int) -> tuple[Classifier, Source]:
    """An untrained classifier and what it learns from: statistics, whitening or features come from the training images."""
    options, device, outputs = recipe.net, best_device(), outputs_for(len(dataset.class_names))
    source: Source
    front: Standardise | StandardisedBackbone
    if isinstance(options, BackboneOptions):
        side_px = _distributed.agreed(choose_side_px(recipe, dataset, split, recipe.time_limit))
        with _distributed.first_goes_first():
            features = compute_features(recipe, dataset, split, seed, side_px)
        front = StandardisedBackbone(features.backbone)
        front.fit(features.of(split.train))
        net = build_head(features.backbone.size, outputs, options)
        source = CachedFeatures(features, front)
    else:
        count = max(64, min(_STATISTICS_IMAGES, _STATISTICS_BYTES // int(np.prod(dataset.image_shape))))
        drawn = np.random.default_rng(seed).permutation(split.train)[:count]
        front = Standardise(dataset.image_shape[2])
        front.fit(take(dataset.images, np.sort(drawn)))
        net = build(recipe.model, options, dataset.image_shape, outputs, seed)
        if isinstance(net, Cnn):
            sample = np.sort(drawn[: min(_WHITENING_IMAGES, max(64, count // 4))])
            net.whitening.fit(front(as_floats(take(dataset.images, sample), torch.device("cpu"))))
        source = Pixels(dataset, front)
    classifier = Classifier(front, net, recipe, dataset.class_names, dataset.image_shape)
    return classifier.to(device).to(memory_format=torch.channels_last), source
