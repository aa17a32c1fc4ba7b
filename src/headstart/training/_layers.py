"""What a classifier consists of, layer by layer."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from headstart.data import Dataset, Split, take
from headstart.models import BackboneOptions, Layer, build, build_head, load_backbone, summarise
from headstart.training._classifier import Classifier, Standardise, StandardisedBackbone, as_floats, outputs_for
from headstart.training._features import choose_side_px
from headstart.training._recipe import Recipe, resolve

_OWN_NAME = re.compile(r"^(net\.|front\.backbone\.net\.)")


def describe_network(classifier: Classifier, dataset: Dataset) -> list[Layer]:
    """The layers of a classifier on one image of the dataset, named as in their own network."""
    example = as_floats(take(dataset.images, np.zeros(1, np.int64)), next(classifier.net.parameters()).device)
    layers = summarise(classifier, example)
    return [replace(layer, name=_OWN_NAME.sub("", layer.name).replace("front", "standardise") or layer.kind) for layer in layers]


def network_layers(recipe: Recipe, dataset: Dataset, split: Split) -> list[dict[str, Any]]:
    """The layers that a recipe trains on this dataset, as in `metrics.json`; nothing is trained."""
    return [layer.as_json() for layer in describe_network(_untrained(recipe, dataset, split), dataset)]


def _untrained(recipe: Recipe, dataset: Dataset, split: Split) -> Classifier:
    recipe = resolve(recipe, len(split.train), dataset.class_names)
    outputs = outputs_for(len(dataset.class_names))
    if isinstance(recipe.net, BackboneOptions):
        side_px = choose_side_px(recipe, dataset, split, None)
        front = StandardisedBackbone(load_backbone(recipe.model, recipe.net, side_px, 0, empty=True).fold())
        return Classifier(
            front, build_head(front.backbone.size, outputs, recipe.net), recipe, dataset.class_names, dataset.image_shape
        )
    net = build(recipe.model, recipe.net, dataset.image_shape, outputs, 0)
    return Classifier(Standardise(dataset.image_shape[2]), net, recipe, dataset.class_names, dataset.image_shape)
