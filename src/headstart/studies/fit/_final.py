"""The final evaluation: the chosen classifier reads the test images, once."""

from __future__ import annotations

from pathlib import Path

from headstart import progress, store
from headstart.classifier import load_classifier
from headstart.data import SplitDataset
from headstart.results import RunMetrics, read_metrics
from headstart.studies.fit._choice import Choice, replaced_classifier
from headstart.training import PartPredictions, Refit, build_ensemble, write_late_results


def evaluate_choice(
    choice: Choice, study: Path, data: SplitDataset, command: str, refit: Refit | None = None
) -> RunMetrics:
    """Evaluate the chosen classifier on the test images, and write its folder.

    Args:
        choice: The choice.
        study: The study folder, whose classifier is replaced.
        data: The data with their test images.
        command: The command line of the study.
        refit: The last fits of the choice, which are then handed over; None if there are none.

    Returns:
        The metrics of the classifier.
    """
    with (
        progress.waiting("evaluating the classifier"),
        progress.muted(),
        replaced_classifier(study) as folder,
    ):
        if choice.is_single:
            return _evaluate_run(choice, folder, data, command, refit)
        runs = [member.folder for member in choice.members]
        return build_ensemble(folder, runs, choice.weights, data, command, refit)


def _evaluate_run(
    choice: Choice, folder: Path, data: SplitDataset, command: str, refit: Refit | None
) -> RunMetrics:
    """Copy the chosen run, and add its results on the test images."""
    run, split = choice.members[0], data.split
    metrics, origin, validation = run.metrics, run.folder, run.raw
    if refit is not None:
        origin, validation = refit.runs[0], refit.held_out.select(split.validation)
        last = read_metrics(origin)
        metrics = last.model_copy(
            update={
                "last_fit": refit.record,
                "augmentation": metrics.augmentation,
                "predict_ms_per_image": metrics.predict_ms_per_image,
                # That no validation image monitored the last fit is its purpose.
                "warnings": metrics.warnings,
            }
        )
    store.copy_folder(origin, folder)
    if refit is not None and (folder / "state").exists():
        # More epochs would be monitored by validation images that are among the training images.
        store.remove_folder(folder / "state")
    predictions: dict[str, PartPredictions] = {"validation": (split.validation, validation)}
    if len(split.test):
        test = load_classifier(folder).probabilities(data.dataset.images, split.test)
        predictions["test"] = (split.test, test)
    metrics = metrics.model_copy(update={"command": command})
    return write_late_results(folder, data, metrics, predictions)
