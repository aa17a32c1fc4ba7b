"""How deep a backbone is fine-tuned within a time limit: all stages, the top ones, or the head."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import nn

from headstart import progress
from headstart.classifier import (
    best_device,
    outputs_for,
    prepare_process,
    use_bfloat16,
    wait_for_device,
)
from headstart.data import SplitDataset, take
from headstart.features import usual_input_size
from headstart.models import BackboneOptions, BackboneWithHead, build_head, load_backbone
from headstart.models.recipes import Recipe, make_recipe, resolve, with_net

# Stages that learn where the time does not allow all: the last blocks and the layer above them.
TOP_STAGES = 2

# Epochs below which fewer stages learn. All stages at a smaller image size must make up for it.
_LEAST_EPOCHS_OF_ALL, _LEAST_EPOCHS_OF_TOP = 2.0, 1.0

# Fraction of a time limit for preparation, writing, and a busy machine.
_RESERVED = 0.15

_IMAGES, _TIMINGS = 16, 2

# Keys of a recipe that a frozen backbone has as well.
_SHARED_KEYS = ("class_weights", "costs", "metric", "precision", "time_limit")
_SHARED_OPTIONS = ("weights", "input_px", "cut", "pool")


@dataclass(frozen=True)
class Depth:
    """Recipe and depth that a time limit allows.

    Attributes:
        recipe: The recipe to train: as given, at another image size, or with a frozen backbone.
        stages: Stages of the backbone that learn, from the top; None for all.
    """

    recipe: Recipe
    stages: int | None = None


@dataclass(frozen=True)
class Pace:
    """Seconds per image: forward only, and of a training step."""

    forward: float
    step: float


def choose_depth(recipe: Recipe, data: SplitDataset) -> Depth:
    """Choose how deep a pretrained backbone is fine-tuned in its time limit.

    All stages need two epochs, the top two stages one. Otherwise the head of the frozen backbone is
    fitted, which is what fine-tuning would have started from. Steps are timed on a few images.

    Args:
        recipe: A resolved recipe. One that does not fine-tune, has no time limit, or has a head
            with hidden layers, is returned as it is.
        data: The images.
    """
    options = recipe.net
    if not isinstance(options, BackboneOptions) or options.transfer != "finetune":
        return Depth(recipe)
    if recipe.time_limit is None or options.head != "linear":
        return Depth(recipe)

    started = time.perf_counter()
    size = options.input_px or usual_input_size(recipe, data.image_shape)
    pace = measure_pace(recipe, data, size, None)
    left = (1 - _RESERVED) * recipe.time_limit - (time.perf_counter() - started)
    if _epochs(recipe, data, pace, left) >= min(_LEAST_EPOCHS_OF_ALL, recipe.epochs or 1.0):
        return Depth(recipe)

    frozen = _frozen(recipe, data)
    frozen_size = options.input_px or usual_input_size(frozen, data.image_shape)
    pace = measure_pace(recipe, data, frozen_size, TOP_STAGES)
    left = (1 - _RESERVED) * recipe.time_limit - (time.perf_counter() - started)
    if _epochs(recipe, data, pace, left) >= _LEAST_EPOCHS_OF_TOP:
        progress.say(
            f"the time limit is too short to fine-tune all of {recipe.model}: its top {TOP_STAGES} "
            "stages learn."
        )
        return Depth(with_net(recipe, input_px=frozen_size), TOP_STAGES)
    progress.warn(
        f"WARNING: the time limit leaves less than an epoch of fine-tuning: only the head of "
        f"{recipe.model} is fitted, on frozen features. Pass a longer --time-limit."
    )
    return Depth(frozen)


def freeze_below(net: nn.Module, stages: int | None) -> None:
    """Let only the top stages of a backbone and its head learn; None lets all."""
    if stages is None or not isinstance(net, BackboneWithHead):
        return
    for group in net.groups()[: -stages - 1]:
        for weight in group:
            weight.requires_grad_(False)


def measure_pace(recipe: Recipe, data: SplitDataset, input_px: int, stages: int | None) -> Pace:
    """Time a forward pass and a training step on a few images, without the backbone's weights."""
    prepare_process()
    options, device = recipe.net, best_device()
    assert isinstance(options, BackboneOptions)
    backbone = load_backbone(recipe.model, options, input_px, 0, empty=True)
    head = build_head(backbone.num_features, outputs_for(len(data.class_names)), options, 0)
    net = BackboneWithHead(backbone, head, trains_batch_norm=False).to(device)
    net.to(memory_format=torch.channels_last)
    freeze_below(net, stages)

    rows = data.split.train[:_IMAGES]
    pixels = torch.from_numpy(take(data.dataset.images, rows)).to(device).permute(0, 3, 1, 2)
    forwards, steps = [], []
    with torch.autocast(device.type, torch.bfloat16, enabled=use_bfloat16(recipe.precision)):
        for _ in range(_TIMINGS):
            wait_for_device()
            started = time.perf_counter()
            with torch.inference_mode():
                net.eval()(backbone.standardise(pixels.float()))
            wait_for_device()
            between = time.perf_counter()
            net.train()(backbone.standardise(pixels.float())).float().logsumexp(1).sum().backward()
            wait_for_device()
            forwards.append(between - started)
            steps.append(time.perf_counter() - between)
    return Pace(min(forwards) / len(rows), min(steps) / len(rows))


def _epochs(recipe: Recipe, data: SplitDataset, pace: Pace, seconds: float) -> float:
    """Return the epochs that fit beside features, validation and the final evaluation."""
    split = data.split
    views = 2 if recipe.flip else 1
    features = pace.forward * (len(split.train) + len(split.validation))
    end = views * pace.forward * len(split.test)
    epoch = pace.step * len(split.train) + views * pace.forward * len(split.validation)
    return (seconds - features - end) / epoch


def _frozen(recipe: Recipe, data: SplitDataset) -> Recipe:
    """Return the recipe that fits a head to the features of the same backbone."""
    values = recipe.model_dump(include=set(_SHARED_KEYS))
    options = recipe.net.model_dump(include=set(_SHARED_OPTIONS))
    frozen = make_recipe(recipe.model, {**values, **options, "transfer": "frozen"})
    return resolve(frozen, len(data.split.train))
