"""The layers of a classifier."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from headstart.classifier import Classifier, as_floats, build_untrained
from headstart.data import Dataset, SplitDataset, take
from headstart.features import choose_input_size
from headstart.models import Layer, summarise_layers
from headstart.models.recipes import Recipe, resolve
from headstart.results import JsonObject

_NETWORK_PREFIX = re.compile(r"^(net\.backbone\.net\.|net\.|front\.backbone\.net\.)")


def describe_network(classifier: Classifier, dataset: Dataset) -> list[Layer]:
    """Return the layers of a classifier for one image, named as inside their own network."""
    device = next(classifier.net.parameters()).device
    example = as_floats(take(dataset.images, np.zeros(1, np.int64)), device)
    layers = []
    for layer in summarise_layers(classifier, example):
        name = _NETWORK_PREFIX.sub("", layer.name).replace("front", "standardise")
        layers.append(replace(layer, name=name or layer.kind))
    return layers


def network_layers(recipe: Recipe, data: SplitDataset) -> list[JsonObject]:
    """Return the layers that a recipe trains on these data, as in `metrics.json`.

    Args:
        recipe: The recipe.
        data: The dataset and its split.
    """
    recipe = resolve(recipe, len(data.split.train))
    input_px = choose_input_size(recipe, data, None) if recipe.net.is_backbone else None
    classifier = build_untrained(recipe, data.class_names, data.image_shape, input_px)
    return [layer.as_json() for layer in describe_network(classifier, data.dataset)]
