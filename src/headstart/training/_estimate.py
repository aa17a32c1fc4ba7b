"""What a recipe costs before anybody pays for it."""

from __future__ import annotations

import torch

from headstart.data import Dataset, Split
from headstart.models import BackboneOptions, build, summarise
from headstart.training._classifier import outputs_for
from headstart.training._device import prepare_process
from headstart.training._plan import plan_steps
from headstart.training._recipe import Recipe, resolve
from headstart.training._source import prepare
from headstart.training._timing import measure


def expected_seconds(recipe: Recipe, dataset: Dataset, split: Split) -> float:
    """What one run will take on this machine, from a few timed steps and predictions; features of a backbone are computed."""
    prepare_process()
    recipe = resolve(recipe, len(split.train), dataset.class_names)
    classifier, source = prepare(recipe, dataset, split, 0)
    plan = plan_steps(recipe, len(split.train))
    return measure(plan, classifier, source, dataset, split).of(plan)


def multiply_adds(recipe: Recipe, dataset: Dataset) -> int:
    """Of one image through the part of the network that learns. Nothing is computed: shapes only.

    Raises:
        InputError: the images are too small for this network.
    """
    if isinstance(recipe.net, BackboneOptions):
        return 1  # the same linear head for every recipe
    height, width, channels = dataset.image_shape
    with torch.device("meta"):
        net = build(recipe.model, recipe.net, dataset.image_shape, outputs_for(len(dataset.class_names)), 0)
        return sum(layer.multiply_adds for layer in summarise(net, torch.empty(1, channels, height, width)))
