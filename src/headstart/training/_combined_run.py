"""A run folder of several runs together: an ensemble, or a network of averaged weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.classifier import (
    BaseClassifier,
    EnergyScale,
    Ensemble,
    InferenceMetadata,
    TrainingSummary,
    average_weights,
    choose_members,
    member_manifests,
    open_ensemble,
    save_classifier,
    save_ensemble,
)
from headstart.data import SplitDataset, describe, write_split
from headstart.evaluation import apply_temperature
from headstart.models.recipes import SELECTS_BY_LOSS, read_recipe
from headstart.results import (
    JsonObject,
    LastFit,
    MemberRun,
    PartMetrics,
    RunMetrics,
    RunSeconds,
    read_metrics,
)
from headstart.training._environment import describe_environment
from headstart.training._held_out import HeldOut, measure_on_held_out
from headstart.training._inference_metadata import (
    choose_ood_images,
    collect_set_scores,
    fit_calibration,
    fit_ood_limits,
    preprocessing_of,
)
from headstart.training._late_test import part_metrics
from headstart.training._run_files import (
    RUN_FILES,
    PartPredictions,
    write_gallery,
    write_predictions,
)

# A member whose energy scores hardly vary must not dominate those of the ensemble.
_LEAST_STD = 1e-3


@dataclass(frozen=True)
class Refit:
    """The last fits of the members of an ensemble, on training and validation images together.

    Attributes:
        runs: Their folders, in the order of the members. Each is calibrated.
        held_out: The mean of calibrated probabilities of the members, for images that the models
            had not seen.
        record: The last fit as it is recorded in the metrics.
    """

    runs: Sequence[Path]
    held_out: HeldOut
    record: LastFit


def build_ensemble(
    folder: Path,
    members: Sequence[Path],
    weights: Sequence[float],
    data: SplitDataset,
    command: str = "",
    refit: Refit | None = None,
) -> RunMetrics:
    """Write an ensemble of finished runs as a run folder of its own.

    Every verb that takes a run takes the folder. Temperature, prediction sets and OOD limits are
    fitted on the validation images, which the members predict once, those on one frozen backbone in
    one pass. The test images are predicted if the split has any: leave them out (`without_test`)
    while anything is selected. The folder needs none of the members' folders later.

    Args:
        folder: The folder to write; its files are replaced.
        members: Folders of finished runs on these data.
        weights: The weight of each, such as from `evaluation.select_ensemble`. Members of weight 0
            are left out.
        data: The data with the split of the runs, with validation images.
        command: The command line that does the same, for the record.
        refit: The last fits of the members, which then form the ensemble. Validation scores,
            temperature and prediction sets come from its held-out predictions. Energy scales and
            OOD limits are those of `members`.

    Returns:
        The metrics, as in `metrics.json`, which is written last. `members` names the members.

    Raises:
        InputError: The members have other classes or images, or the weights are invalid.
        ResourceError: The disk is full.
    """
    ensemble, runs, known = open_ensemble(members, weights), members, None
    if refit is not None:
        _calibrate(ensemble, data)
        earlier, runs = ensemble, refit.runs
        ensemble = open_ensemble(runs, weights)
        ensemble.energy_scales = earlier.energy_scales
        ensemble.metadata = measure_on_held_out(earlier.metadata, data, refit.held_out)
        known = refit.held_out.select(data.split.validation)

    def save(folder: Path) -> None:
        save_ensemble(
            folder,
            runs,
            weights,
            energy_scales=ensemble.energy_scales,
            metadata=ensemble.metadata,
        )

    metrics = _collect_metrics(ensemble, choose_members(runs, weights)).model_copy(
        update={"command": command, "last_fit": None if refit is None else refit.record}
    )
    return _write_run(folder, ensemble, save, metrics, data, known)


def build_average(
    folder: Path,
    members: Sequence[Path],
    weights: Sequence[float],
    data: SplitDataset,
    command: str = "",
) -> RunMetrics:
    """Write one network of averaged weights as a run folder; see `average_weights`.

    Use it in place of an ensemble where its validation scores are as good.

    Args:
        folder: The folder to write; its files are replaced.
        members: Folders of finished runs on these data, of one architecture.
        weights: The weight of each. Members of weight 0 are left out.
        data: The data with the split of the runs, with validation images.
        command: The command line that does the same, for the record.

    Returns:
        The metrics, as in `metrics.json`, which is written last. `members` names the members.

    Raises:
        InputError: The members have other architectures, classes or images, or the weights are
            invalid.
        ResourceError: The disk is full.
    """
    network = average_weights(members, weights)
    chosen = choose_members(members, weights)
    first = read_metrics(chosen[0][0])
    metrics = _collect_metrics(network, chosen).model_copy(
        update={
            "command": command,
            "trainable_parameters": first.trainable_parameters,
            "multiply_adds": first.multiply_adds,
            "architecture": first.architecture,
        }
    )
    return _write_run(folder, network, lambda path: save_classifier(network, path), metrics, data)


def _write_run(
    folder: Path,
    classifier: BaseClassifier,
    save: Callable[[Path], None],
    metrics: RunMetrics,
    data: SplitDataset,
    known: NDArray[np.float32] | None = None,
) -> RunMetrics:
    """Calibrate and evaluate a classifier, and write its run folder; `metrics.json` comes last.

    With `known` probabilities of the validation images, the classifier is calibrated already.
    """
    started = time.perf_counter()
    validation, test = data.split.validation, data.split.test
    probabilities = _calibrate(classifier, data) if known is None else known
    predictions: dict[str, PartPredictions] = {"validation": (validation, probabilities)}
    before_test = time.perf_counter()
    ms_per_image = None  # the known probabilities took no time
    if known is None:
        ms_per_image = round(1000 * (before_test - started) / len(validation), 4)
    if len(test):
        predictions["test"] = (test, classifier.probabilities(data.dataset.images, test))
        ms_per_image = round(1000 * (time.perf_counter() - before_test) / len(test), 4)
    metric = str(metrics.recipe.get("metric", SELECTS_BY_LOSS))
    parts = {
        part: part_metrics(data, part, of_part, metric)
        for part, (_, of_part) in predictions.items()
    }

    classifier.metadata = classifier.metadata.model_copy(
        update={"training": _training_summary(data, metrics, parts)}
    )
    store.unseal(store.ensure_folder(folder))
    save(folder)
    _write_files(folder, metrics, data, predictions)
    total = round(metrics.seconds.total + time.perf_counter() - started, 3)
    complete = metrics.model_copy(
        update={
            **parts,
            "predict_ms_per_image": ms_per_image,
            "seconds": metrics.seconds.model_copy(update={"total": total}),
        }
    )
    sealed = {**RUN_FILES, **dict.fromkeys(member_manifests(folder), ("predictions",))}
    store.seal(folder, sealed, final=("metrics.json", store.json_bytes(complete.as_json())))
    return complete


def _calibrate(classifier: BaseClassifier, data: SplitDataset) -> NDArray[np.float32]:
    """Fit what a classifier measures on validation images; return its probabilities for them.

    Of an ensemble, the temperature corrects the mean of the members' calibrated probabilities,
    which is less certain than each of them.
    """
    images, rows = data.dataset.images, data.split.validation
    if isinstance(classifier, Ensemble):
        probabilities, scores = _predict_and_scale(classifier, images, rows)
    else:
        predictions = classifier.predict(images, rows, calibrated=False)
        probabilities, scores = predictions.probabilities, predictions.energy_scores

    calibration = fit_calibration(data.validation_labels, probabilities)
    calibrated = apply_temperature(probabilities, calibration.temperature)
    ood_rows, ood = choose_ood_images(data), None
    if ood_rows is not None:
        is_chosen = np.isin(rows, ood_rows)
        ood = fit_ood_limits(scores[is_chosen], rows[is_chosen], data)
    classifier.metadata = InferenceMetadata(
        preprocessing=preprocessing_of(data),
        calibration=calibration,
        ood_threshold=ood,
        set_scores=collect_set_scores(data, calibrated),
    )
    return probabilities


def _predict_and_scale(
    ensemble: Ensemble, images: NDArray[np.uint8], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Set the scale of each member's energy scores; return probabilities and energy scores."""
    stacked, energies = ensemble.predict_members(images, rows)
    weights = np.array(ensemble.weights, np.float32)
    means, stds = energies.mean(0), np.maximum(energies.std(0), _LEAST_STD)
    ensemble.energy_scales = tuple(
        EnergyScale(mean, std) for mean, std in zip(means.tolist(), stds.tolist(), strict=True)
    )
    probabilities = np.tensordot(stacked, weights, axes=(1, 0)).astype(np.float32)
    scores = (((energies - means) / stds) @ weights).astype(np.float32)
    return probabilities, scores


def _training_summary(
    data: SplitDataset, metrics: RunMetrics, parts: dict[str, PartMetrics]
) -> TrainingSummary:
    test, last_fit = parts.get("test"), metrics.last_fit
    return TrainingSummary(
        dataset=data.dataset.name,
        train_images=len(data.split.train) if last_fit is None else last_fit.images,
        epochs=metrics.epochs,
        seconds=metrics.seconds.train,
        validation_accuracy=parts["validation"].accuracy,
        test_accuracy=None if test is None else test.accuracy,
    )


def _collect_metrics(
    classifier: BaseClassifier, chosen: Sequence[tuple[Path, float]]
) -> RunMetrics:
    """Return the metrics of several runs together, without those of predictions.

    Epochs, steps and seconds are sums over the runs. A backbone that they share counts once.
    """
    runs = [read_metrics(folder) for folder, _ in chosen]
    passes = classifier.passes if isinstance(classifier, Ensemble) else ()
    members: list[MemberRun] = []
    for run, (folder, weight) in zip(runs, chosen, strict=True):
        accuracy = None if run.validation is None else run.validation.accuracy
        members.append(
            MemberRun(
                run=folder.name,
                model=run.model,
                seed=run.seed,
                weight=weight,
                validation_accuracy=accuracy,
                recipe=run.recipe,
            )
        )
    first = runs[0]
    return RunMetrics(
        model=classifier.model_name,
        command="",
        seed=first.seed,
        epochs=sum(run.epochs for run in runs),
        steps=sum(run.steps for run in runs),
        recipe=first.recipe,
        members=tuple(members),
        parameters=sum(weight.numel() for weight in classifier.parameters()),
        trainable_parameters=sum(run.trainable_parameters for run in runs),
        multiply_adds=sum(max(runs[place].multiply_adds for place in places) for places in passes),
        seconds=RunSeconds(
            train=round(sum(run.seconds.train for run in runs), 3),
            prepare=round(sum(run.seconds.prepare for run in runs), 3),
            total=round(sum(run.seconds.total for run in runs), 3),
        ),
        predict_ms_per_image=None,
        backbone=first.backbone,
        stop_reason=f"{len(runs)} runs combined",
        validation=None,
        test=None,
        architecture=(),
    )


def _write_files(
    folder: Path,
    metrics: RunMetrics,
    data: SplitDataset,
    predictions: dict[str, PartPredictions],
) -> None:
    """Write what a run folder holds besides its classifier and its metrics."""
    members: list[JsonObject] = [member.as_json() for member in metrics.members]
    identity = {
        "ensemble": members,
        "recipe": metrics.recipe,
        "digest": read_recipe(metrics.recipe).digest,
        "seed": metrics.seed,
        "dataset": data.dataset.fingerprint,
        "split": data.split.fingerprint,
    }
    store.write_json(folder / "recipe.json", identity)
    store.write_json(folder / "data.json", describe(data))
    write_split(data, folder)
    store.write_json(folder / "environment.json", describe_environment())
    write_predictions(folder, data.dataset, predictions)
    write_gallery(folder, data.dataset, list(predictions.values())[-1], metrics.seed)
