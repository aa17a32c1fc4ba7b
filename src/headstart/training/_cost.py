"""The cost of a recipe: measured on a copy of its network, or counted in multiply-adds."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from headstart.classifier import (
    Classifier,
    StandardisedBackbone,
    build_untrained,
    prepare_process,
)
from headstart.data import Dataset, SplitDataset
from headstart.features import seconds_to_solve, usual_input_size
from headstart.models import BackboneOptions, reduced_shape, summarise_layers
from headstart.models.recipes import Recipe
from headstart.training import _distributed
from headstart.training._inputs import TrainingInputs, prepare_training
from headstart.training._memory_errors import translate_memory_errors
from headstart.training._optimizers import NEWTON_SCHULZ_STEPS, hidden_weights, make_optimizers
from headstart.training._plan import Cost, Plan, plan_steps
from headstart.training._random import RngKey
from headstart.training._resolve import resolve_recipe
from headstart.training._step import make_loss, shard_labels, training_step

# Fraction of a time limit for timing steps, and the same for timing predictions. Without a limit
# the cost is only announced, so it gets a fixed number of seconds.
_TIMING_FRACTION = 0.04
_TIMING_SECONDS = 0.15

# A first step that took less says little: it loads what is loaded once.
_LONG_STEP_SECONDS = 1.0

_LEAST_STEPS, _MOST_STEPS, _ENOUGH_SECONDS = 3, 10, 1.0
_WARM_UP_STEPS = 2
_TIMINGS = 3  # of which the median counts
_LEAST_PREDICTIONS, _MOST_PREDICTIONS = 16, 1000

# Reserved for writing the results: seconds, or this fraction of the limit if that is less.
_WRITING_SECONDS, _WRITING_FRACTION = 0.5, 0.05

# Multiply-adds per step and per weight. They come from a dense net on two cores, where a step of
# Adam with 670,000 weights took 2.2 ms, in addition to 19 microseconds per image of 2 million
# multiply-adds.
_WORK_PER_STEP, _WORK_PER_WEIGHT = 1e8, 200


def measure_cost(
    plan: Plan, classifier: Classifier, inputs: TrainingInputs, data: SplitDataset
) -> Cost:
    """Time a few steps and predictions on a copy of the classifier."""
    limit = plan.recipe.time_limit
    seconds = _TIMING_SECONDS if limit is None else _TIMING_FRACTION * limit
    writing = _WRITING_SECONDS
    if limit is not None:
        writing = min(writing, _WRITING_FRACTION * limit)

    trial = copy.deepcopy(classifier).train()
    step = _seconds_per_step(plan, trial, inputs, data, seconds)
    split = data.split
    rows = np.concatenate([split.validation, split.test])
    prediction = 0.0
    if len(rows):
        if plan.recipe.optimizer == "lbfgs":
            prediction = _seconds_per_prediction(trial.eval(), inputs, rows, seconds)
        else:
            # Predicting a batch takes less time than the step that was timed on it, whatever one
            # timing says. So there is time for a whole batch. On a busy machine, an image of 16
            # takes 2.8 ms and one of 1,000 takes 0.7 ms (`cnn`, 28 x 28 pixels).
            first = min(plan.batch, _MOST_PREDICTIONS)
            prediction = _seconds_per_prediction(trial.eval(), inputs, rows, seconds, first)
            prediction = min(prediction, step / plan.batch)
    per_image = prediction / _distributed.world_size()
    cost = Cost(
        step=step,
        validation=per_image * len(split.validation),
        end=per_image * len(split.test) + writing,
        end_images=len(split.test),
    )
    return _distributed.broadcast(cost)


@dataclass(frozen=True)
class RunCost:
    """The cost of a recipe on this machine, for any number of epochs.

    Attributes:
        fixed: Seconds of a run besides its epochs: preparation, final evaluation, writing.
        step: Seconds per step; 0 for a head that is solved at once.
        validation: Seconds per evaluation on the validation images.
        steps_per_epoch: Steps per pass over the training images.
    """

    fixed: float
    step: float = 0.0
    validation: float = 0.0
    steps_per_epoch: int = 1

    @property
    def epoch(self) -> float:
        """Seconds per epoch, with its validation; 0 for a head that is solved at once."""
        if not self.step:
            return 0.0
        return self.steps_per_epoch * self.step + self.validation

    def seconds(self, epochs: float) -> float:
        """Return the seconds of a run with so many epochs."""
        return self.fixed + self.epoch * epochs

    def epochs(self, seconds: float) -> float:
        """Return the epochs that fit into so many seconds; infinite for a head that is solved."""
        if not self.epoch:
            return math.inf
        return max(0.0, seconds - self.fixed) / self.epoch

    def scaled(self, factor: float) -> RunCost:
        """Return the cost on a machine that takes so many times as long for each step."""
        return replace(self, step=self.step * factor, validation=self.validation * factor)


class RunTimer:
    """Times the steps of a recipe, as often as wanted, without training it.

    Raises TooLittleMemory where a run would.

    Attributes:
        recipe: The recipe with its open values decided.
    """

    def __init__(self, recipe: Recipe, data: SplitDataset) -> None:
        prepare_process()
        started = time.perf_counter()
        self.recipe = resolve_recipe(recipe, data)
        self._data = data
        with translate_memory_errors():
            self._classifier, self._inputs = prepare_training(self.recipe, data, 0)
        self._plan = plan_steps(self.recipe, len(data.split.train))
        self._setup = time.perf_counter() - started
        self._costs: list[Cost] = []

    def restart(self) -> None:
        """Forget all timings: the machine has changed its pace."""
        self._costs = []

    def measure(self) -> None:
        """Time a few steps and predictions."""
        with translate_memory_errors():
            cost = measure_cost(self._plan, self._classifier, self._inputs, self._data)
        self._costs.append(cost)

    @property
    def cost(self) -> RunCost:
        """The median of all timings, so that one slow moment does not decide."""
        step = float(np.median([cost.step for cost in self._costs]))
        validation = float(np.median([cost.validation for cost in self._costs]))
        end = float(np.median([cost.end for cost in self._costs]))
        if self.recipe.optimizer == "lbfgs":
            return RunCost(self._setup + step + validation + end)
        # A last, incomplete epoch is evaluated like a complete one: half an evaluation more.
        fixed = self._setup + 0.5 * validation + end
        return RunCost(fixed, step, validation, self._plan.steps_per_epoch)


def expected_seconds(recipe: Recipe, data: SplitDataset, timings: int = _TIMINGS) -> float:
    """Estimate the seconds of one run on this machine from a few timed steps and predictions.

    Features of a backbone are computed, and stay in the cache.

    Args:
        recipe: The recipe.
        data: The images.
        timings: How often steps and predictions are timed. The median counts.

    Returns:
        The seconds of the whole run, without computing features.
    """
    timer = RunTimer(recipe, data)
    for _ in range(timings):
        timer.measure()
    assert timer.recipe.epochs is not None, "the timer resolves the recipe"
    return timer.cost.seconds(timer.recipe.epochs)


def _seconds_per_step(
    plan: Plan, trial: Classifier, inputs: TrainingInputs, data: SplitDataset, seconds: float
) -> float:
    """Time a few steps on the same batch for about `seconds`; return the median of the last."""
    recipe = plan.recipe
    if recipe.optimizer == "lbfgs":
        assert isinstance(trial.front, StandardisedBackbone)
        features = trial.front.backbone.num_features
        return seconds_to_solve(len(data.split.train), features, len(data.class_names), recipe)

    optimizers = make_optimizers(trial.net, recipe)
    loss_function = make_loss(recipe, data)
    rows = data.split.train[: plan.batch]
    times: list[float] = []
    while len(times) < _LEAST_STEPS or (len(times) < _MOST_STEPS and sum(times) < _ENOUGH_SECONDS):
        start = time.perf_counter()
        batch = inputs.batch(rows, recipe, RngKey(seed=0, step=0, epoch=0))
        labels = shard_labels(data.dataset, rows)
        training_step(trial.logits, batch, labels, loss_function, optimizers)
        times.append(time.perf_counter() - start)

        is_warm = len(times) >= _WARM_UP_STEPS or times[0] > _LONG_STEP_SECONDS
        if _distributed.broadcast(sum(times) > seconds and is_warm):
            break
    return float(np.median(times[min(_WARM_UP_STEPS, len(times) - 1) :]))


def _seconds_per_prediction(
    trial: Classifier,
    inputs: TrainingInputs,
    rows: NDArray[np.int64],
    seconds: float,
    first: int = _LEAST_PREDICTIONS,
) -> float:
    """Time predictions of `first` images, and then of as many as fit into `seconds`, up to 1,000.

    A few images take longer each than many do.
    """
    count = max(first, _LEAST_PREDICTIONS)
    inputs.probabilities(trial, rows[:_LEAST_PREDICTIONS])  # warms up
    while True:
        start = time.perf_counter()
        inputs.probabilities(trial, rows[:count])
        per_image = (time.perf_counter() - start) / min(count, len(rows))
        affordable = min(_MOST_PREDICTIONS, int(seconds / per_image / 2))
        if affordable < 4 * count or count >= len(rows):
            return per_image
        count = affordable


@dataclass(frozen=True)
class Work:
    """The work of a recipe in multiply-adds: equal on all machines, roughly proportional to time.

    Attributes:
        image: Multiply-adds per image, forward through the trainable part of the network.
        step: Multiply-adds per update, whatever the batch size.
    """

    image: float
    step: float


def count_work(recipe: Recipe, dataset: Dataset) -> Work:
    """Count the work of a recipe from shapes; nothing is computed.

    An update costs moving the weights. Muon adds products of matrices: for each Newton-Schulz step
    on an (m, n) matrix, two of m x m x n and one of m x m x m.

    Raises:
        InputError: The images are too small for this network.
    """
    if recipe.on_features:  # a linear head costs nothing compared with the step itself
        return Work(0.0, _WORK_PER_STEP)

    height, width, channels = reduced_shape(recipe.model, dataset.image_shape)
    input_px = None
    input_shape = (channels, height, width)
    if isinstance(recipe.net, BackboneOptions):
        input_px = recipe.net.input_px or usual_input_size(recipe, dataset.image_shape)
        input_shape = (3, input_px, input_px)

    with torch.device("meta"):
        net = build_untrained(recipe, dataset.class_names, dataset.image_shape, input_px).net
        layers = summarise_layers(net, torch.empty(1, *input_shape))

    step = _WORK_PER_STEP + _WORK_PER_WEIGHT * sum(layer.parameters for layer in layers)
    if recipe.optimizer == "muon":
        for weight in hidden_weights(net):
            short, long = sorted((len(weight), weight[0].numel()))
            step += NEWTON_SCHULZ_STEPS * (2 * short**2 * long + short**3)
    return Work(sum(layer.multiply_adds for layer in layers), step)
