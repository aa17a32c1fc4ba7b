"""Inputs of a network in training: images, or the cached features of a frozen backbone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

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
    to_device,
    to_probabilities,
)
from headstart.data import Dataset, SplitDataset, take, without_test
from headstart.features import (
    Features,
    choose_input_size,
    compute_features,
    describe_backbone_use,
    solve_head,
)
from headstart.models import (
    BackboneOptions,
    BackboneWithHead,
    Cnn,
    build_head,
    build_network,
    input_reduction,
    load_backbone,
    reduced_shape,
)
from headstart.models.recipes import Recipe
from headstart.results import BackboneUse
from headstart.training import _distributed
from headstart.training._augment import augment
from headstart.training._random import RngKey
from headstart.training._starting_point import StartingPoint
from headstart.training._step import make_loss

# Enough images to fix mean and standard deviation to three digits; fewer of large images.
_STATISTICS_IMAGES = 20_000
_STATISTICS_BYTES = 1 << 27
_LEAST_STATISTICS_IMAGES = 64
_WHITENING_IMAGES = 5_000

# Least standard deviation of a feature, relative to the mean over all features. One that hardly
# varied would be blown up as soon as the backbone learns to use it.
_LEAST_RELATIVE_STD = 0.5

_ROWS_PER_PREDICTION = 4096

# Of the free memory of a GPU: the largest part that images may take for a whole run.
_FRACTION_OF_GPU_MEMORY = 0.25


class TrainingInputs(Protocol):
    """The inputs of a network in training and evaluation."""

    @property
    def seconds(self) -> float:
        """Seconds of computing features; 0 for images."""

    @property
    def reused_seconds(self) -> float:
        """The part of `seconds` that an earlier run spent."""

    @property
    def backbone_use(self) -> BackboneUse | None:
        """The backbone's weights and image size; None without a backbone."""

    @property
    def start(self) -> StartingPoint | None:
        """The head that was fitted before training; None if none was."""

    def batch(self, rows: NDArray[np.int64], recipe: Recipe, rng_key: RngKey) -> Tensor:
        """Return this process's shard of a batch, augmented.

        Args:
            rows: int64 dataset indices of the whole batch, shape (N,).
            recipe: The bounds of the augmentation.
            rng_key: Key of its random numbers.

        Returns:
            Float tensor of shape (n, C, H, W), or (n, features).
        """

    def probabilities(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the class probabilities of these dataset indices, shape (n, K)."""

    def energy_scores(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the energy scores of these dataset indices, shape (n,)."""

    def ms_per_image(self, seconds: float, images: int) -> float:
        """Return the milliseconds per prediction, given the seconds of `probabilities`."""


@dataclass
class ImageInputs:
    """The images themselves, prepared by the classifier's input transform."""

    dataset: Dataset
    transform: Standardise | BackboneInput
    seconds: float = 0.0
    reused_seconds: float = 0.0
    backbone_use: BackboneUse | None = None
    start: StartingPoint | None = None

    def batch(self, rows: NDArray[np.int64], recipe: Recipe, rng_key: RngKey) -> Tensor:
        """See `TrainingInputs`."""
        images = self._take(_distributed.shard(rows)).permute(0, 3, 1, 2)
        shard = _distributed.shard_slice(len(rows))
        standardise: Callable[[Tensor], Tensor] = self.transform
        if isinstance(self.transform, Standardise) and self.transform.reduction > 1:
            images, standardise = self.transform.reduce(images), self.transform.scale
        inputs = augment(images, standardise, recipe, rows, shard, rng_key)
        return inputs.contiguous(memory_format=torch.channels_last)

    def probabilities(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `TrainingInputs`."""
        return classifier.probabilities(self.dataset.images, rows)

    def energy_scores(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `TrainingInputs`."""
        return classifier.predict(self.dataset.images, rows).energy_scores

    def ms_per_image(self, seconds: float, images: int) -> float:
        """See `TrainingInputs`."""
        return 1000 * seconds / images

    def _take(self, rows: NDArray[np.int64]) -> Tensor:
        """Return images, uint8 of shape (n, H, W, C), on the device."""
        if self._images_on_gpu is not None:
            return self._images_on_gpu[to_device(torch.from_numpy(rows))]
        return to_device(torch.from_numpy(take(self.dataset.images, rows)))

    @cached_property
    def _images_on_gpu(self) -> Tensor | None:
        """All images, if the device is a GPU and has room for them; else None.

        Copying a batch to the GPU takes longer than a small network takes to train on it.
        """
        images = self.dataset.images
        if best_device().type != "cuda":
            return None
        free_bytes, _ = torch.cuda.mem_get_info()
        if images.nbytes > _FRACTION_OF_GPU_MEMORY * free_bytes:
            return None
        return to_device(torch.from_numpy(take(images, np.arange(len(images)))))


@dataclass
class FeatureInputs:
    """Features of a frozen backbone. They are computed once, so there is no augmentation."""

    features: Features
    transform: StandardisedBackbone
    backbone_use: BackboneUse | None
    start: None = None

    @property
    def seconds(self) -> float:
        """See `TrainingInputs`."""
        return self.features.seconds

    @property
    def reused_seconds(self) -> float:
        """See `TrainingInputs`."""
        return self.features.reused_seconds

    def standardised(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the standardised features of these dataset indices, shape (n, features)."""
        values = to_device(torch.from_numpy(self.features.select(rows)))
        return self.transform.standardise(values.float())

    def batch(self, rows: NDArray[np.int64], recipe: Recipe, rng_key: RngKey) -> Tensor:
        """See `TrainingInputs`."""
        return self.standardised(_distributed.shard(rows))

    @torch.inference_mode()
    def probabilities(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `TrainingInputs`."""
        parts = []
        for part in np.array_split(rows, max(1, len(rows) // _ROWS_PER_PREDICTION)):
            logits = classifier.logits(self.standardised(part))
            parts.append(to_probabilities(logits).cpu().numpy())
        return np.concatenate(parts)

    @torch.inference_mode()
    def energy_scores(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `TrainingInputs`."""
        logits = classifier.logits(self.standardised(rows))
        scores: NDArray[np.float32] = energy_score(logits).cpu().numpy()
        return scores

    def ms_per_image(self, seconds: float, images: int) -> float:
        """See `TrainingInputs`; the time of the backbone is included."""
        return 1000 * (seconds / images + self.features.seconds / len(self.features.rows))


def prepare_training(
    recipe: Recipe, data: SplitDataset, seed: int
) -> tuple[Classifier, TrainingInputs]:
    """Build a classifier before its training, and its inputs.

    Everything that is measured on images is measured on training images.

    Args:
        recipe: A resolved recipe.
        data: The images.
        seed: Seed of the initial weights.
    """
    classifier: Classifier
    inputs: TrainingInputs
    if recipe.on_features:
        classifier, inputs = _prepare_features(recipe, data, seed)
    elif isinstance(recipe.net, BackboneOptions):
        classifier, inputs = _prepare_backbone(recipe, recipe.net, data, seed)
    else:
        classifier, inputs = _prepare_images(recipe, data, seed)

    if inputs.backbone_use is not None:
        progress.say(inputs.backbone_use.input_note)
    return classifier.to(best_device()).to(memory_format=torch.channels_last), inputs


def _prepare_features(
    recipe: Recipe, data: SplitDataset, seed: int
) -> tuple[Classifier, FeatureInputs]:
    """Build a head on the features of a frozen backbone."""
    assert isinstance(recipe.net, BackboneOptions)
    input_px = _distributed.broadcast(choose_input_size(recipe, data, recipe.time_limit))
    with _distributed.main_process_first():
        features = compute_features(recipe, data, seed, input_px)
    backbone = features.backbone

    transform = StandardisedBackbone(backbone)
    transform.fit(features.select(data.split.train))
    outputs = outputs_for(len(data.class_names))
    head = build_head(backbone.num_features, outputs, recipe.net, seed)

    classifier = Classifier(transform, head, recipe, data.class_names, data.image_shape)
    use = describe_backbone_use(recipe, backbone, data.image_shape)
    return classifier, FeatureInputs(features, transform, use)


def _prepare_backbone(
    recipe: Recipe, options: BackboneOptions, data: SplitDataset, seed: int
) -> tuple[Classifier, ImageInputs]:
    """Build a trainable backbone; a pretrained one starts with a head that fits its features.

    From a random head, the first gradients would spoil the features before the head is of any use.

    References:
        LP-FT: Kumar et al. (2022), arXiv:2202.10054.
    """
    input_px = choose_input_size(recipe, data, None)
    backbone = load_backbone(recipe.model, options, input_px, seed)
    outputs = outputs_for(len(data.class_names))
    head = build_head(backbone.num_features, outputs, options, seed)
    net = BackboneWithHead(backbone, head, trains_batch_norm=not options.pretrained)

    seconds, reused_seconds = 0.0, 0.0
    start: StartingPoint | None = None
    if options.pretrained:
        # At the same image size: features of another one differ, and a time limit would choose its
        # own.
        frozen = options.model_copy(update={"transfer": "frozen", "input_px": input_px})
        probe = recipe.model_copy(update={"net": frozen, "l2": None})
        fitted, inputs = _prepare_features(probe, without_test(data), seed)
        start = _start_from_probe(net, fitted.to(best_device()), inputs, data, probe)
        seconds, reused_seconds = inputs.seconds, inputs.reused_seconds

    transform = BackboneInput(net)
    classifier = Classifier(transform, net, recipe, data.class_names, data.image_shape)
    use = describe_backbone_use(recipe, backbone, data.image_shape)
    return classifier, ImageInputs(data.dataset, transform, seconds, reused_seconds, use, start)


def _start_from_probe(
    net: BackboneWithHead,
    probe: Classifier,
    inputs: FeatureInputs,
    data: SplitDataset,
    recipe: Recipe,
) -> StartingPoint | None:
    """Copy feature statistics, and the solved weights of a linear head, into `net`.

    Returns:
        The frozen backbone's own head, which is kept if training does not improve on it; None for a
        head with hidden layers, which is not solved.
    """
    transform = inputs.transform
    assert isinstance(recipe.net, BackboneOptions)
    start = None
    if recipe.net.head == "linear":
        _solve_into(net, probe, inputs, data, recipe)
        weights = {
            name: tensor.clone()
            for name, tensor in net.state_dict().items()
            if not name.startswith("backbone.")
        }
        probe.eval()
        start = StartingPoint(weights, inputs.probabilities(probe, data.split.validation))

    # Training starts from larger scales; see `_LEAST_RELATIVE_STD`.
    transform.std.clamp_(min=_LEAST_RELATIVE_STD * transform.std.mean().item())
    if start is not None:
        _solve_into(net, probe, inputs, data, recipe)
    else:
        net.mean.copy_(transform.mean)
        net.std.copy_(transform.std)
    return start


def _solve_into(
    net: BackboneWithHead,
    probe: Classifier,
    inputs: FeatureInputs,
    data: SplitDataset,
    recipe: Recipe,
) -> None:
    """Solve the head of the probe, and copy it and the statistics of its features into `net`."""
    features = inputs.standardised(data.split.train)
    weights = make_loss(recipe, data).class_weights
    solve_head(probe, features, data.train_labels, recipe, weights)
    net.mean.copy_(inputs.transform.mean)
    net.std.copy_(inputs.transform.std)
    net.head.load_state_dict(probe.net.state_dict())


def _prepare_images(
    recipe: Recipe, data: SplitDataset, seed: int
) -> tuple[Classifier, ImageInputs]:
    """Build a network on standardised images."""
    affordable = _STATISTICS_BYTES // int(np.prod(data.image_shape))
    count = max(_LEAST_STATISTICS_IMAGES, min(_STATISTICS_IMAGES, affordable))
    drawn = np.random.default_rng(seed).permutation(data.split.train)[:count]
    reduction = input_reduction(recipe.model, data.image_shape)
    transform = Standardise(data.image_shape[2], reduction)
    transform.fit(take(data.dataset.images, np.sort(drawn)))

    outputs = outputs_for(len(data.class_names))
    net = build_network(recipe.model, recipe.net, data.image_shape, outputs, seed)
    if isinstance(net, Cnn):
        affordable = max(_LEAST_STATISTICS_IMAGES, count // 4)
        height, width, _ = reduced_shape(recipe.model, data.image_shape)
        enough = net.whitening.enough_images(height, width)
        rows = np.sort(drawn[: min(_WHITENING_IMAGES, affordable, enough)])
        images = as_floats(take(data.dataset.images, rows), torch.device("cpu"))
        net.whitening.fit(to_device(transform(images)))

    classifier = Classifier(transform, net, recipe, data.class_names, data.image_shape)
    return classifier, ImageInputs(data.dataset, transform)
