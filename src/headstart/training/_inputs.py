"""What a network learns from: the images themselves, or the features of a frozen backbone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headstart import progress
from headstart.classifier import (
    BackboneInput,
    Classifier,
    Standardise,
    StandardisedBackbone,
    as_floats,
    best_device,
    energy_score,
    outputs_for,
    to_probabilities,
)
from headstart.data import Dataset, SplitDataset, take, without_test
from headstart.features import Features, choose_side_px, compute_features, shown_at, solve_head
from headstart.models import (
    BackboneOptions,
    BackboneWithHead,
    Cnn,
    build_head,
    build_network,
    load_backbone,
)
from headstart.models.recipes import Recipe
from headstart.training import _distributed
from headstart.training._augment import Draws, augment

_STATISTICS_IMAGES = 20_000  # enough to fix mean and standard deviation to three digits
_STATISTICS_BYTES = 1 << 27  # of pixels looked at for them: large images need fewer
_WHITENING_IMAGES = 5_000
# Of the mean deviation of features: one that hardly varied would be blown up as soon as the backbone learns to use it.
_LEAST_SPREAD = 0.5


class Source(Protocol):
    """What a network learns from."""

    @property
    def seconds(self) -> float:
        """What preparing it cost: features."""

    @property
    def reused_seconds(self) -> float:
        """The part of `seconds` that an earlier run spent."""

    @property
    def shown(self) -> dict[str, Any] | None:
        """How images are shown to a backbone, and which weights it has; None without one."""

    def batch(self, rows: NDArray[np.int64], recipe: Recipe, draws: Draws) -> Tensor:
        """Inputs of the network for a batch of dataset indices, augmented; of these, the part that this process learns from."""

    def inputs(self, rows: NDArray[np.int64]) -> Tensor:
        """Standardised features `(n, size)` of these dataset indices, all of them in every process."""

    def probabilities(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Class probabilities `(n, K)` of these dataset indices."""

    def energy_scores(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the energy scores `(n,)` of these dataset indices."""

    def ms_per_image(self, seconds: float, images: int) -> float:
        """Milliseconds that one prediction takes, when `probabilities` took `seconds` for `images`."""


@dataclass
class Pixels:
    """The images themselves, standardised as the network wants to see them."""

    dataset: Dataset
    front: Standardise | BackboneInput
    seconds: float = 0.0
    reused_seconds: float = 0.0
    shown: dict[str, Any] | None = None

    def batch(self, rows: NDArray[np.int64], recipe: Recipe, draws: Draws) -> Tensor:
        images = torch.from_numpy(take(self.dataset.images, _distributed.own_part(rows))).to(
            best_device()
        )
        inputs = augment(
            images.permute(0, 3, 1, 2),
            self.front,
            recipe,
            rows,
            _distributed.own_slice(len(rows)),
            draws,
        )
        return inputs.contiguous(memory_format=torch.channels_last)

    def inputs(self, rows: NDArray[np.int64]) -> Tensor:
        raise TypeError("pixels are no features")

    def probabilities(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return classifier.probabilities(self.dataset.images, rows)

    def energy_scores(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return classifier.predict(self.dataset.images, rows).energy_scores

    def ms_per_image(self, seconds: float, images: int) -> float:
        return 1000 * seconds / images


@dataclass
class CachedFeatures:
    """Features of a frozen backbone: computed once, so there is nothing to augment."""

    features: Features
    front: StandardisedBackbone
    shown: dict[str, Any] | None

    @property
    def seconds(self) -> float:
        return self.features.seconds

    @property
    def reused_seconds(self) -> float:
        return self.features.reused_seconds

    def batch(self, rows: NDArray[np.int64], recipe: Recipe, draws: Draws) -> Tensor:
        return self.inputs(_distributed.own_part(rows))

    def inputs(self, rows: NDArray[np.int64]) -> Tensor:
        return self.front.standardise(
            torch.from_numpy(self.features.of(rows)).to(best_device()).float()
        )

    @torch.inference_mode()
    def probabilities(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        parts = [
            to_probabilities(classifier.logits(self.inputs(part))).cpu().numpy()
            for part in np.array_split(rows, max(1, len(rows) // 4096))
        ]
        return np.concatenate(parts)

    @torch.inference_mode()
    def energy_scores(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = (
            energy_score(classifier.logits(self.inputs(rows))).cpu().numpy()
        )
        return found

    def ms_per_image(self, seconds: float, images: int) -> float:
        return 1000 * (seconds / images + self.features.seconds / len(self.features.rows))


def prepare(recipe: Recipe, data: SplitDataset, seed: int) -> tuple[Classifier, Source]:
    """A classifier before its training and what it learns from: what is measured on images, is measured on training images."""
    if recipe.on_features:
        classifier, source = _on_features(recipe, data, seed)
    elif isinstance(recipe.net, BackboneOptions):
        classifier, source = _on_a_backbone(recipe, recipe.net, data, seed)
    else:
        classifier, source = _on_pixels(recipe, data, seed)
    if source.shown:
        progress.say(source.shown["shown"])
    return classifier.to(best_device()).to(memory_format=torch.channels_last), source


def _on_features(recipe: Recipe, data: SplitDataset, seed: int) -> tuple[Classifier, Source]:
    assert isinstance(recipe.net, BackboneOptions)
    side_px = _distributed.agreed(choose_side_px(recipe, data, recipe.time_limit))
    with _distributed.first_goes_first():
        features = compute_features(recipe, data, seed, side_px)
    front = StandardisedBackbone(features.backbone)
    front.fit(features.of(data.split.train))
    net = build_head(
        features.backbone.num_features, outputs_for(len(data.class_names)), recipe.net, seed
    )
    classifier = Classifier(front, net, recipe, data.class_names, data.image_shape)
    return classifier, CachedFeatures(
        features, front, shown_at(recipe, features.backbone, data.image_shape)
    )


def _on_a_backbone(
    recipe: Recipe, options: BackboneOptions, data: SplitDataset, seed: int
) -> tuple[Classifier, Source]:
    """A backbone that will learn. A pretrained one begins with a head that is fitted to its features as they are.

    From a random head, the first gradients would spoil the features before the head makes sense of them: LP-FT, Kumar et al.
    (2022), arXiv:2202.10054.
    """
    side_px = choose_side_px(recipe, data, None)
    backbone = load_backbone(recipe.model, options, side_px, seed)
    head = build_head(backbone.num_features, outputs_for(len(data.class_names)), options, seed)
    net, seconds, reused = (
        BackboneWithHead(backbone, head, trains_batch_norm=not options.pretrained),
        0.0,
        0.0,
    )
    if options.pretrained:
        # At the same side: another one has other features, and a time limit would choose one of its own.
        frozen = options.model_copy(update={"transfer": "frozen", "input_px": side_px})
        probe = recipe.model_copy(update={"net": frozen, "l2": None})
        fitted, source = _on_features(probe, without_test(data), seed)
        fitted.to(best_device())
        front = fitted.front
        assert isinstance(front, StandardisedBackbone)
        front.std.clamp_(min=_LEAST_SPREAD * front.std.mean().item())
        net.mean.copy_(front.mean)
        net.std.copy_(front.std)
        if options.head == "linear":
            solve_head(
                fitted,
                source.inputs(data.split.train),
                data.train_labels,
                probe,
            )
            head.load_state_dict(fitted.net.state_dict())
        seconds, reused = source.seconds, source.reused_seconds
    classifier = Classifier(
        front := BackboneInput(net), net, recipe, data.class_names, data.image_shape
    )
    return classifier, Pixels(
        data.dataset, front, seconds, reused, shown_at(recipe, backbone, data.image_shape)
    )


def _on_pixels(recipe: Recipe, data: SplitDataset, seed: int) -> tuple[Classifier, Source]:
    count = max(64, min(_STATISTICS_IMAGES, _STATISTICS_BYTES // int(np.prod(data.image_shape))))
    drawn = np.random.default_rng(seed).permutation(data.split.train)[:count]
    front = Standardise(data.image_shape[2])
    front.fit(take(data.dataset.images, np.sort(drawn)))
    net = build_network(
        recipe.model, recipe.net, data.image_shape, outputs_for(len(data.class_names)), seed
    )
    if isinstance(net, Cnn):
        sample = np.sort(drawn[: min(_WHITENING_IMAGES, max(64, count // 4))])
        net.whitening.fit(front(as_floats(take(data.dataset.images, sample), torch.device("cpu"))))
    return Classifier(front, net, recipe, data.class_names, data.image_shape), Pixels(
        data.dataset, front
    )
