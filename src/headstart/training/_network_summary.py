"""What a classifier consists of, layer by layer."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from headstart.classifier import Classifier, as_floats, build_untrained
from headstart.data import Dataset, SplitDataset, take
from headstart.features import choose_side_px
from headstart.models import Layer, summarise_layers
from headstart.models.recipes import Recipe, resolve

_OWN_NAME = re.compile(r"^(net\.backbone\.net\.|net\.|front\.backbone\.net\.)")


def describe_network(classifier: Classifier, dataset: Dataset) -> list[Layer]:
    """The layers of a classifier on one image of the dataset, named as in their own network."""
    example = as_floats(
        take(dataset.images, np.zeros(1, np.int64)), next(classifier.net.parameters()).device
    )
    layers = summarise_layers(classifier, example)
    return [
        replace(
            layer, name=_OWN_NAME.sub("", layer.name).replace("front", "standardise") or layer.kind
        )
        for layer in layers
    ]


def network_layers(recipe: Recipe, data: SplitDataset) -> list[dict[str, Any]]:
    """The layers that a recipe trains on this dataset, as in `metrics.json`; nothing is trained."""
    return [layer.as_json() for layer in describe_network(_untrained(recipe, data), data.dataset)]


def _untrained(recipe: Recipe, data: SplitDataset) -> Classifier:
    recipe = resolve(recipe, len(data.split.train), data.class_names)
    side_px = choose_side_px(recipe, data, None) if recipe.net.is_backbone else None
    return build_untrained(recipe, data.class_names, data.image_shape, side_px)
