"""The learning-rate range test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from headstart.classifier import prepare_process
from headstart.data import SplitDataset
from headstart.models.recipes import Recipe
from headstart.training._inputs import prepare_training
from headstart.training._optimizers import make_optimizers, set_learning_rates
from headstart.training._plan import plan_steps
from headstart.training._random import RngKey, make_generator, seed_step
from headstart.training._resolve import resolve_recipe
from headstart.training._step import make_loss, shard_labels, training_step

_LOWEST_RATE, _HIGHEST_RATE = 1e-6, 10.0
RANGE_TEST_STEPS = 100

# Weight of the past in the running mean of the loss: about the last 20 steps, a fifth of the test.
_SMOOTHING = 0.95

# The test ends when the loss exceeds its minimum by this factor, as in fastai.
_EXPLOSION_FACTOR = 4.0


@dataclass(frozen=True)
class RangeTest:
    """The result of one range test.

    Attributes:
        rates: Learning rate of each step, rising evenly on a logarithmic scale.
        losses: Smoothed training loss after each step.
        steepest: Learning rate at which the loss fell fastest; fastai's suggestion "steep".
        minimum: A tenth of the learning rate with the lowest loss; fastai's suggestion "minimum".
    """

    rates: list[float]
    losses: list[float]
    steepest: float
    minimum: float


def range_test(recipe: Recipe, data: SplitDataset, seed: int) -> RangeTest:
    """Train a new network for 100 steps, with learning rates from 1e-6 to 10; keep nothing.

    The test ends early when the loss explodes. The caller's random numbers are not changed.

    Args:
        recipe: The recipe; its learning rate does not matter.
        data: The images. Only training images are used.
        seed: Seed of the weights, the order of images and dropout.

    Returns:
        Learning rates and losses of all steps, and the two rates that they suggest.

    References:
        Smith (2017), "Cyclical learning rates for training neural networks". Exponential rise and
        smoothing as in fastai.
    """
    prepare_process()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        rates, losses = _train_with_rising_rate(
            resolve_recipe(recipe, data),
            data,
            seed,
            np.geomspace(_LOWEST_RATE, _HIGHEST_RATE, RANGE_TEST_STEPS),
        )

    best = int(np.argmin(losses))
    slopes = np.zeros(1)
    if best:
        slopes = np.gradient(losses[: best + 1], np.log(rates[: best + 1]))
    return RangeTest(rates, losses, rates[int(np.argmin(slopes))], rates[best] / 10)


def _train_with_rising_rate(
    recipe: Recipe, data: SplitDataset, seed: int, all_rates: NDArray[np.float64]
) -> tuple[list[float], list[float]]:
    """Return the learning rates and smoothed losses of all steps until the loss explodes."""
    train_rows = data.split.train
    plan = plan_steps(recipe, len(train_rows))
    classifier, inputs = prepare_training(recipe, data, seed)
    classifier.train()
    optimizers = make_optimizers(classifier.net, recipe)
    loss_function = make_loss(recipe, data)

    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    order = np.empty(0, np.int64)
    for step, rate in enumerate(all_rates.tolist()):
        epoch, step_in_epoch = divmod(step, plan.steps_per_epoch)
        if step_in_epoch == 0:
            generator = make_generator(seed, "order", epoch)
            order = torch.randperm(len(train_rows), generator=generator).numpy()
        start = step_in_epoch * plan.batch
        rows = train_rows[order[start : start + plan.batch]]

        set_learning_rates(optimizers, rate / recipe.lr, position=1.0)
        seed_step(seed, step)
        batch = inputs.batch(rows, recipe, RngKey(seed, step, epoch))
        labels = shard_labels(data.dataset, rows)
        result = training_step(classifier.logits, batch, labels, loss_function, optimizers)
        if not result.is_finite:
            break

        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * result.loss / result.count
        rates.append(rate)
        losses.append(mean / (1 - _SMOOTHING ** (step + 1)))
        if losses[-1] > _EXPLOSION_FACTOR * min(losses):
            break
    return rates, losses
