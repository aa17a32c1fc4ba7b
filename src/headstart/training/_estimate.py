"""What a recipe costs before anybody pays for it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from headstart.classifier import build_untrained, prepare_process
from headstart.data import Dataset, SplitDataset
from headstart.features import usual_side_px
from headstart.models import BackboneOptions, summarise_layers
from headstart.models.recipes import Recipe, resolve
from headstart.training._inputs import prepare
from headstart.training._optimizers import NEWTON_SCHULZ_STEPS, hidden_weights
from headstart.training._plan import plan_steps
from headstart.training._timing import measure

_OF_A_STEP, _OF_A_WEIGHT = 1e8, 200


def expected_seconds(recipe: Recipe, data: SplitDataset) -> float:
    """What one run will take on this machine, from a few timed steps and predictions; features of a backbone are computed."""
    prepare_process()
    recipe = resolve(recipe, len(data.split.train), data.class_names)
    classifier, source = prepare(recipe, data, 0)
    plan = plan_steps(recipe, len(data.split.train))
    return measure(plan, classifier, source, data).of(plan)


@dataclass(frozen=True)
class Work:
    """What a recipe asks of a machine, in multiply-adds: the same number everywhere, and roughly in step with time.

    Attributes:
        image: of one image forward through the part of the network that learns.
        step: of one update, whatever the size of its batch.
    """

    image: float
    step: float


def work_of(recipe: Recipe, dataset: Dataset) -> Work:
    """Count the work of a recipe from shapes; nothing is computed.

    An update costs what moving its weights costs, and Muon's products of matrices, two m x m x n and one m x m x m for each of
    its Newton-Schulz steps on an m x n matrix. The first two numbers below come from a dense net on two cores, where a step of
    Adam with 670,000 weights took 2.2 ms beside the images' 19 microseconds each for 2 million multiply-adds.

    Raises:
        InputError: the images are too small for this network.
    """
    if recipe.on_features:
        return Work(
            0.0, _OF_A_STEP
        )  # of its linear head, beside which a step itself is all that counts
    height, width, channels = dataset.image_shape
    side_px = None
    if isinstance(recipe.net, BackboneOptions):
        side_px = recipe.net.input_px or usual_side_px(recipe, dataset.image_shape)
    with torch.device("meta"):
        net = build_untrained(recipe, dataset.class_names, dataset.image_shape, side_px).net
        shown = (channels, height, width) if side_px is None else (3, side_px, side_px)
        layers = summarise_layers(net, torch.empty(1, *shown))
    step = _OF_A_STEP + _OF_A_WEIGHT * sum(layer.parameters for layer in layers)
    if recipe.optimizer == "muon":
        for weight in hidden_weights(net):
            short, long = sorted((len(weight), weight[0].numel()))
            step += NEWTON_SCHULZ_STEPS * (2 * short**2 * long + short**3)
    return Work(sum(layer.multiply_adds for layer in layers), step)
