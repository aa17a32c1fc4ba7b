"""The learning-rate range test: raise the rate at every step of a short training on a copy, and watch the loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from headstart.classifier import prepare_process
from headstart.data import SplitDataset
from headstart.models.recipes import Recipe, resolve
from headstart.training._augment import Draws
from headstart.training._inputs import prepare
from headstart.training._loss import labels_of, loss_function, update
from headstart.training._optimizers import make_optimizers
from headstart.training._plan import plan_steps
from headstart.training._random import generator, seed_of

_MEMORY = 0.95  # of the running mean of the loss: about the last 20 steps, a fifth of the test
_EXPLODED = 4.0  # times the lowest loss so far, where the test ends; as in fastai


@dataclass(frozen=True)
class RangeTest:
    """One range test.

    Attributes:
        rates, losses: learning rate of each step, rising evenly on a log scale, and the smoothed training loss after it.
        steepest: the rate at which the loss fell fastest; minimum: a tenth of the rate with the lowest loss. Both are usual
            suggestions (fastai's `steep` and `minimum`).
    """

    rates: list[float]
    losses: list[float]
    steepest: float
    minimum: float


def range_test(
    recipe: Recipe,
    data: SplitDataset,
    seed: int,
    *,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
) -> RangeTest:
    """Train `steps` batches from new weights while the learning rate rises from `lowest` to `highest`; nothing is kept.

    It ends early when the loss explodes. Weights, order and dropout have random numbers of their own, from `seed`; the
    caller's are left as they were.

    Source: Smith (2017), "Cyclical learning rates for training neural networks"; exponential rise and smoothing as in fastai.
    """
    prepare_process()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        recipe = resolve(recipe, len(data.split.train), data.class_names)
        plan = plan_steps(recipe, len(data.split.train))
        classifier, source = prepare(recipe, data, seed)
        classifier.train()
        optimizers = make_optimizers(classifier.net, recipe)
        loss_of = loss_function(recipe, data.train_labels, len(data.class_names))
        rates, losses, mean = [], [], 0.0
        order = np.empty(0, np.int64)
        for step, rate in enumerate(np.geomspace(lowest, highest, steps).tolist()):
            epoch, within = divmod(step, plan.steps_per_epoch)
            if within == 0:
                order = torch.randperm(
                    len(data.split.train), generator=generator(seed, "order", epoch)
                ).numpy()
            rows = data.split.train[order[within * plan.batch : (within + 1) * plan.batch]]
            for group in (group for optimizer in optimizers for group in optimizer.param_groups):
                group["lr"] = rate / recipe.lr * group["peak_lr"]
            torch.manual_seed(seed_of(seed, "dropout", step))
            seen = update(
                classifier.logits,
                source.batch(rows, recipe, Draws(seed, step, epoch)),
                labels_of(data.dataset, rows),
                loss_of,
                optimizers,
            )
            if not seen.is_finite:
                break
            mean = _MEMORY * mean + (1 - _MEMORY) * seen.loss / seen.count
            rates.append(rate)
            losses.append(mean / (1 - _MEMORY ** (step + 1)))
            if losses[-1] > _EXPLODED * min(losses):
                break
    lowest_at = int(np.argmin(losses))
    falls = (
        np.gradient(losses[: lowest_at + 1], np.log(rates[: lowest_at + 1]))
        if lowest_at
        else np.zeros(1)
    )
    return RangeTest(rates, losses, rates[int(np.argmin(falls))], rates[lowest_at] / 10)
