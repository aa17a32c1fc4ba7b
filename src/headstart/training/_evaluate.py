"""Evaluation of a run, and its results."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import scipy.optimize  # noqa: F401  # for calibration; imported here, it is part of starting up
from numpy.typing import NDArray

from headstart import progress, store
from headstart.classifier import Classifier, save_classifier
from headstart.data import SplitDataset
from headstart.errors import RunFailed
from headstart.evaluation import (
    apply_temperature,
    compute_metrics,
    expected_cost,
    selection_metric,
)
from headstart.models.recipes import SELECTS_BY_LOSS
from headstart.results import CostScores, LayerSummary, PartMetrics, RunMetrics, RunSeconds
from headstart.training import _distributed
from headstart.training._curve import write_curves
from headstart.training._inference_metadata import collect_inference_metadata
from headstart.training._inputs import TrainingInputs
from headstart.training._late_test import part_metrics
from headstart.training._network_summary import describe_network
from headstart.training._plan import Plan
from headstart.training._planned_run import PlannedRun
from headstart.training._run_files import (
    RUN_FILES,
    PartPredictions,
    write_gallery,
    write_predictions,
)
from headstart.training._state import TrainingState

# A run that exceeds its time limit by more than this factor gets a warning.
_LATE_FACTOR = 1.1


@dataclass
class _Evaluation:
    """The final evaluation of a run on the validation and test images.

    Attributes:
        predictions: Indices and probabilities by part; parts without images are missing.
        metrics: Metrics by part; None for parts without images.
        ms_per_image: Milliseconds per prediction on the last part; None without images.
    """

    predictions: dict[str, PartPredictions] = field(default_factory=dict)
    metrics: dict[str, PartMetrics | None] = field(
        default_factory=lambda: {"validation": None, "test": None}
    )
    ms_per_image: float | None = None


def evaluate_validation(
    state: TrainingState, inputs: TrainingInputs, data: SplitDataset
) -> tuple[float, float] | None:
    """Return loss and accuracy on the validation images; None if there are none."""
    rows = data.split.validation
    if not len(rows):
        return None
    before = time.perf_counter()
    state.validation = predict_probabilities(state.classifier, inputs, rows)
    state.predict_seconds = time.perf_counter() - before
    metrics = compute_metrics(data.validation_labels, state.validation)
    return metrics.loss, metrics.accuracy


def selection_score(state: TrainingState, data: SplitDataset) -> float | None:
    """Return the score of the recipe's metric on the validation images; higher is better.

    It is None if nothing is selected by it: without validation images, without patience, or if the
    metric is the loss, which is known.
    """
    recipe = state.plan.recipe
    is_needed = recipe.patience is not None and recipe.metric != SELECTS_BY_LOSS
    if state.validation is None or not is_needed:
        return None
    return selection_metric(recipe.metric).score(data.validation_labels, state.validation)


def predict_probabilities(
    classifier: Classifier, inputs: TrainingInputs, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the class probabilities of dataset indices, float32 of shape (n, K).

    Raises:
        RunFailed: The weights overflowed in the last update.
    """
    classifier.eval()
    own = inputs.probabilities(classifier, _distributed.shard(rows))
    probabilities = _distributed.all_gather(own, len(rows))
    if not np.isfinite(probabilities).all():
        raise RunFailed(
            "the weights are not finite: the last update was too large.",
            f"Try a lower learning rate: --lr {classifier.recipe.lr / 10:.3g}.",
        )
    return probabilities


def evaluate_and_save(run: PlannedRun, *, resumed: bool, warnings: Sequence[str]) -> RunMetrics:
    """Evaluate a trained run and write all its results; `metrics.json` comes last.

    Args:
        run: The run.
        resumed: Whether it was resumed from a checkpoint.
        warnings: Warnings about the run so far.

    Returns:
        The metrics, as in `metrics.json`.
    """
    started = time.perf_counter()
    state, data, classifier = run.state, run.job.data, run.state.classifier
    classifier.eval()
    evaluation = _evaluate_parts(state, run.inputs, data)
    if _distributed.is_main_process():
        validation = evaluation.predictions.get("validation")
        classifier.metadata = collect_inference_metadata(
            state,
            run.inputs,
            data,
            None if validation is None else validation[1],
            evaluation.metrics,
        )

        _evaluate_costs(evaluation, classifier, data)

    metrics = _collect_metrics(run, evaluation, started, resumed=resumed, warnings=warnings)
    if _distributed.is_main_process():
        _write_results(run, evaluation, metrics)
    return metrics


def _evaluate_parts(
    state: TrainingState, inputs: TrainingInputs, data: SplitDataset
) -> _Evaluation:
    """Evaluate the classifier on validation and test images; known probabilities are reused."""
    evaluation = _Evaluation()
    seconds = state.predict_seconds
    parts = {"validation": data.split.validation, "test": data.split.test}
    for part, rows in parts.items():
        if not len(rows):
            continue

        probabilities = state.validation if part == "validation" else None
        if probabilities is None:
            before = time.perf_counter()
            probabilities = predict_probabilities(state.classifier, inputs, rows)
            seconds = time.perf_counter() - before

        metric = state.plan.recipe.metric
        evaluation.metrics[part] = part_metrics(data, part, probabilities, metric)
        evaluation.predictions[part] = (rows, probabilities)
        evaluation.ms_per_image = inputs.ms_per_image(seconds, len(rows))
    return evaluation


def _evaluate_costs(evaluation: _Evaluation, classifier: Classifier, data: SplitDataset) -> None:
    """Add the cost of the decisions to the metrics of each part, and report it."""
    costs = classifier.costs
    if costs is None:
        return
    for part, (rows, probabilities) in evaluation.predictions.items():
        metrics = evaluation.metrics[part]
        assert metrics is not None, "a part with predictions has metrics"
        calibrated = apply_temperature(probabilities, classifier.metadata.temperature)
        labels, groups = data.dataset.labels[rows], data.groups_of(part)
        cost = CostScores(**asdict(expected_cost(labels, calibrated, costs, groups)))
        evaluation.metrics[part] = metrics.model_copy(update={"cost": cost})

        interval = ""
        if cost.interval is not None:
            interval = f" (95% interval {cost.interval[0]:.4g} to {cost.interval[1]:.4g})"
        progress.say(
            f"{part}: the cost per image is {cost.mean:.4g}{interval}; with the most probable "
            f"class it would be {cost.most_probable:.4g}."
        )


def _collect_metrics(
    run: PlannedRun,
    evaluation: _Evaluation,
    started: float,
    *,
    resumed: bool,
    warnings: Sequence[str],
) -> RunMetrics:
    """Return the metrics of a run.

    Args:
        run: The run.
        evaluation: Its final evaluation.
        started: `time.perf_counter()` when that evaluation began.
        resumed: Whether the run was resumed from a checkpoint.
        warnings: Warnings about the run before its evaluation.
    """
    state, plan = run.state, run.state.plan
    layers = describe_network(state.classifier, run.job.data.dataset)
    weights = list(state.classifier.parameters())
    trainable = [weight for weight in state.classifier.net.parameters() if weight.requires_grad]
    epochs: float = plan.epochs
    if epochs == int(epochs):
        epochs = int(epochs)
    ms_per_image = evaluation.ms_per_image
    train_seconds = state.seconds + state.reused_seconds
    evaluation_seconds = time.perf_counter() - started
    late_warnings = _warnings(plan, evaluation, state.seconds + evaluation_seconds)
    if run.choice is not None and run.choice.is_kept:
        late_warnings.append(f"{run.choice.reason}.")
    return RunMetrics(
        model=plan.recipe.model,
        command=run.job.command,
        seed=run.job.seed,
        epochs=epochs,
        steps=plan.done,
        recipe=plan.recipe.model_dump(mode="json"),
        parameters=sum(weight.numel() for weight in weights),
        trainable_parameters=sum(weight.numel() for weight in trainable),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
        seconds=RunSeconds(
            train=round(train_seconds, 3),
            prepare=round(run.inputs.seconds, 3),
            total=round(train_seconds + evaluation_seconds, 3),
        ),
        predict_ms_per_image=None if ms_per_image is None else round(ms_per_image, 4),
        backbone=run.inputs.backbone_use,
        augmentation=plan.augmentation,
        start=run.choice,
        stop_reason=state.stopped or "schedule done",
        resumed=resumed,
        validation=evaluation.metrics["validation"],
        test=evaluation.metrics["test"],
        architecture=tuple(LayerSummary(**layer.as_json()) for layer in layers),
        warnings=(*warnings, *late_warnings),
    )


def _warnings(plan: Plan, evaluation: _Evaluation, seconds: float) -> list[str]:
    """Return warnings about the time limit and about missing validation images."""
    warnings = []
    limit = plan.recipe.time_limit
    if limit is not None and seconds > _LATE_FACTOR * limit:
        warnings.append(
            f"the run took {seconds:.1f} s; a time limit of {limit:.3g} s is too short for this "
            "network and machine."
        )
    if limit is not None and plan.epochs < 1:
        warnings.append(
            f"only {plan.epochs:.2f} of an epoch fitted into the time limit: most training images "
            "were never used."
        )
    if plan.was_shortened:
        warnings.append(
            "the machine became slower than measured; the schedule was shortened to keep the time "
            "limit."
        )
    if evaluation.metrics["validation"] is None:
        warnings.append("the split has no validation images, so this run was not monitored.")
    return warnings


def _write_results(run: PlannedRun, evaluation: _Evaluation, metrics: RunMetrics) -> None:
    """Write all files of a finished run and its seal; `metrics.json` comes last."""
    folder, dataset, classifier = run.job.folder, run.job.data.dataset, run.state.classifier
    write_curves(folder, run.state.curve)
    write_predictions(folder, dataset, evaluation.predictions)
    if evaluation.predictions:
        last_part = list(evaluation.predictions.values())[-1]
        write_gallery(folder, dataset, last_part, run.job.seed)

    # The classifier may be used on another machine, which decides the precision itself.
    classifier.recipe = run.state.plan.recipe
    save_classifier(classifier, folder)
    store.seal(folder, RUN_FILES, final=("metrics.json", store.json_bytes(metrics.as_json())))
