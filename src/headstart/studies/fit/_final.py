"""The final evaluation: the chosen classifier reads the test images, once."""

from __future__ import annotations

from pathlib import Path

from headstart import progress, store
from headstart.classifier import load_classifier
from headstart.data import SplitDataset
from headstart.results import RunMetrics
from headstart.studies.fit._choice import Choice, replaced_classifier
from headstart.training import PartPredictions, build_ensemble, write_late_results


def evaluate_choice(choice: Choice, study: Path, data: SplitDataset, command: str) -> RunMetrics:
    """Evaluate the chosen classifier on the test images, and write its folder.

    Args:
        choice: The choice.
        study: The study folder, whose classifier is replaced.
        data: The data with their test images.
        command: The command line of the study.

    Returns:
        The metrics of the classifier.
    """
    with (
        progress.waiting("evaluating the classifier"),
        progress.muted(),
        replaced_classifier(study) as folder,
    ):
        if choice.is_single:
            return _evaluate_run(choice, folder, data, command)
        runs = [member.folder for member in choice.members]
        return build_ensemble(folder, runs, choice.weights, data, command)


def _evaluate_run(choice: Choice, folder: Path, data: SplitDataset, command: str) -> RunMetrics:
    """Copy the chosen run, and add its results on the test images."""
    run, split = choice.members[0], data.split
    store.copy_folder(run.folder, folder)
    predictions: dict[str, PartPredictions] = {"validation": (split.validation, run.raw)}
    if len(split.test):
        test = load_classifier(folder).probabilities(data.dataset.images, split.test)
        predictions["test"] = (split.test, test)
    metrics = run.metrics.model_copy(update={"command": command})
    return write_late_results(folder, data, metrics, predictions)
