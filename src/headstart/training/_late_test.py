"""The evaluation of a finished run on test images that it was not allowed to read before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data import SplitDataset, count_unreadable, describe, write_split
from headstart.evaluation import compute_metrics, score_or_none
from headstart.models.recipes import SELECTS_BY_LOSS
from headstart.results import MetricScore, PartMetrics, RunMetrics
from headstart.training._run_files import (
    RUN_FILES,
    PartPredictions,
    write_gallery,
    write_predictions,
)


def part_metrics(
    data: SplitDataset, part: str, probabilities: NDArray[np.float32], metric: str
) -> PartMetrics:
    """Return the metrics of predictions of one part of a split.

    Args:
        data: The images.
        part: "validation" or "test".
        probabilities: Class probabilities of shape (n, K), in the order of the split.
        metric: Metric of the recipe, whose score is added unless the loss or the accuracy is it.
    """
    rows = getattr(data.split, part)
    labels, groups = data.dataset.labels[rows], data.groups_of(part)
    by_metric = None
    if metric not in (SELECTS_BY_LOSS, "accuracy"):
        score = score_or_none(metric, labels, probabilities)
        by_metric = None if score is None else MetricScore(name=metric, score=score)
    return PartMetrics(
        **compute_metrics(labels, probabilities, groups).as_json(),
        class_names=data.class_names,
        unreadable=count_unreadable(data.dataset, part),
        metric=by_metric,
    )


def write_late_results(
    folder: Path, data: SplitDataset, metrics: RunMetrics, predictions: dict[str, PartPredictions]
) -> RunMetrics:
    """Write the results of a run that was selected without its test images.

    The folder is then like that of a run on the whole split: identity, data, predictions and
    metrics. `metrics.json` comes last.

    Args:
        folder: The folder of the classifier.
        data: The data with their test images.
        metrics: The metrics of the run without a test part.
        predictions: Dataset indices and probabilities of "validation" and "test", as far as there
            are images.

    Returns:
        The metrics with all parts.
    """
    metric = str(metrics.recipe.get("metric", SELECTS_BY_LOSS))
    parts = {
        part: part_metrics(data, part, probabilities, metric)
        for part, (_, probabilities) in predictions.items()
    }
    store.unseal(folder)
    identity = store.read_json(folder / "recipe.json")
    store.write_json(folder / "recipe.json", {**identity, "split": data.split.fingerprint})
    store.write_json(folder / "data.json", describe(data))
    write_split(data, folder)
    write_predictions(folder, data.dataset, predictions)
    last_part = list(predictions.values())[-1]
    write_gallery(folder, data.dataset, last_part, metrics.seed)

    complete = metrics.model_copy(update=parts)
    store.seal(folder, RUN_FILES, final=("metrics.json", store.json_bytes(complete.as_json())))
    return complete
