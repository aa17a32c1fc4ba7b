"""Checks of a recipe against its data, before anything is written or computed."""

from __future__ import annotations

import numpy as np
import torch

from headstart.classifier import outputs_for
from headstart.data import SplitDataset
from headstart.errors import InputError
from headstart.evaluation import selection_metric
from headstart.models import BackboneOptions, build_network, weights_digest
from headstart.models.recipes import Recipe, cost_matrix, resolve

_LEAST_CLASSES = 2
_LEAST_BATCH = 2  # batch norm needs two images


def check_recipe(recipe: Recipe, data: SplitDataset) -> None:
    """Check that a recipe can be trained on these data. Nothing is written, no feature computed.

    Raises:
        InputError: The metric is unknown or fails, the costs are of other classes, there are too
            few classes or images, the images are too small, or `patience` or `target`
            is given without validation images.
    """
    _check_validation(recipe, data)
    selection_metric(recipe.metric).try_out(data.validation_labels, len(data.class_names))
    if recipe.costs is not None:
        cost_matrix(recipe.costs, data.class_names)
    _check_classes(data)
    _check_batch(recipe, data)
    _check_optimizer(recipe)
    if isinstance(recipe.net, BackboneOptions):
        weights_digest(recipe.model, recipe.net)
        return

    # On the meta device a network has shapes only: no memory, no random numbers.
    with torch.device("meta"):
        outputs = outputs_for(len(data.class_names))
        build_network(recipe.model, recipe.net, data.image_shape, outputs, 0)


def _check_validation(recipe: Recipe, data: SplitDataset) -> None:
    for key in ("patience", "target"):
        if getattr(recipe, key) is not None and not len(data.split.validation):
            raise InputError(
                f"--{key} needs validation images, but the split has none.",
                "Pass --validation FRACTION, a number above 0, such as 0.15.",
            )


def _check_classes(data: SplitDataset) -> None:
    present = len(np.unique(data.train_labels))
    if present < _LEAST_CLASSES:
        classes = "class" if present == 1 else "classes"
        raise InputError(
            f"the training images of {data.dataset.name} belong to {present} {classes}: expected "
            f"at least {_LEAST_CLASSES}.",
            "Pass a dataset with at least two classes, or a larger --train-images.",
        )


def _check_batch(recipe: Recipe, data: SplitDataset) -> None:
    images = len(data.split.train)
    batch = resolve(recipe, images).batch or 1
    if recipe.model == "cnn" and min(batch, images) < _LEAST_BATCH:
        raise InputError(
            "model cnn normalises over a batch, which needs at least two images.",
            "Pass --batch 2 or more.",
        )


def _check_optimizer(recipe: Recipe) -> None:
    options = recipe.net
    if recipe.optimizer == "lbfgs":
        if not isinstance(options, BackboneOptions):
            raise InputError(
                f"optimizer lbfgs solves a linear head, which model {recipe.model} does not have.",
                "Choose another --optimizer.",
            )
        if not (recipe.on_features and options.head == "linear"):
            raise InputError(
                "optimizer lbfgs solves a linear head on frozen features only.",
                "Choose another --optimizer, such as adamw.",
            )
    is_fine_tuned = isinstance(options, BackboneOptions) and options.transfer == "finetune"
    if recipe.optimizer == "muon" and is_fine_tuned:
        raise InputError(
            "optimizer muon rescales the weights, which destroys pretrained ones.",
            "Choose --optimizer adamw.",
        )
