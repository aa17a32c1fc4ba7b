"""What a run will cost, measured on a copy of its network before it starts."""

from __future__ import annotations

import copy
import time

import numpy as np
from numpy.typing import NDArray

from headstart.classifier import Classifier, StandardisedBackbone
from headstart.data import SplitDataset
from headstart.features import seconds_to_solve
from headstart.training import _distributed
from headstart.training._augment import Draws
from headstart.training._inputs import Source
from headstart.training._loss import labels_of, loss_function, update
from headstart.training._optimizers import make_optimizers
from headstart.training._plan import Cost, Plan

_SHARE_FOR_TIMING = 0.04  # of a time limit, for timing steps and for timing predictions, each
_SECONDS_FOR_TIMING = 0.15  # the same without a limit, where the cost is only announced
_LONG_STEP = (
    1.0  # seconds; a first step that took less says little, for it loads what is loaded once
)
_KEPT_FOR_WRITING = 0.5  # seconds, or a twentieth of the limit if that is less


def measure(plan: Plan, classifier: Classifier, source: Source, data: SplitDataset) -> Cost:
    """Time a few steps and predictions; the classifier itself stays as it is."""
    limit = plan.recipe.time_limit
    seconds = _SECONDS_FOR_TIMING if limit is None else _SHARE_FOR_TIMING * limit
    trial = copy.deepcopy(classifier).train()
    step = _seconds_per_step(plan, trial, source, data, seconds)
    judged = np.concatenate([data.split.validation, data.split.test])
    image = _seconds_per_prediction(trial.eval(), source, judged, seconds) if len(judged) else 0.0
    writing = _KEPT_FOR_WRITING if limit is None else min(_KEPT_FOR_WRITING, 0.05 * limit)
    share = 1 / _distributed.count()
    found = Cost(
        step,
        image * share * len(data.split.validation),
        image * share * len(data.split.test) + writing,
    )
    return _distributed.agreed(found)


def _seconds_per_step(
    plan: Plan, trial: Classifier, source: Source, data: SplitDataset, seconds: float
) -> float:
    if plan.recipe.optimizer == "lbfgs":
        size = (
            trial.front.backbone.num_features
            if isinstance(trial.front, StandardisedBackbone)
            else 0
        )
        return seconds_to_solve(len(data.split.train), size, len(data.class_names), plan.recipe)
    optimizers = make_optimizers(trial.net, plan.recipe)
    loss_of = loss_function(plan.recipe, data.train_labels, len(data.class_names))
    rows, times = data.split.train[: plan.batch], [0.0]
    while len(times) < 4 or (len(times) < 11 and sum(times) < 1.0):
        start = time.perf_counter()
        update(
            trial.logits,
            source.batch(rows, plan.recipe, Draws(0, 0, 0)),
            labels_of(data.dataset, rows),
            loss_of,
            optimizers,
        )
        times.append(time.perf_counter() - start)
        if _distributed.agreed(sum(times) > seconds and (len(times) > 2 or times[1] > _LONG_STEP)):
            break
    return float(np.median(times[min(3, len(times) - 1) :]))  # the first two warm up


def _seconds_per_prediction(
    trial: Classifier, source: Source, rows: NDArray[np.int64], seconds: float
) -> float:
    """Measured on as many images as fit into `seconds`, 16 to 1,000."""
    count = 16
    source.probabilities(trial, rows[:count])  # warm
    while True:
        start = time.perf_counter()
        source.probabilities(trial, rows[:count])
        found = (time.perf_counter() - start) / min(count, len(rows))
        larger = min(1000, int(seconds / found / 2))
        if larger < 4 * count or count >= len(rows):
            return found
        count = larger
