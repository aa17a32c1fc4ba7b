"""Readers of run folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data import LoadKeys
from headstart.errors import InputError
from headstart.models.recipes import Recipe, read_recipe
from headstart.results import PredictionRow, RunMetrics, RunSummary, read_predictions_file

# predictions.csv holds six digits: smaller probabilities are read as 0.
_LEAST_PROBABILITY = 1e-7

_PREDICTIONS = "predictions.csv"
_ONLY_FOR_USE = ("model.safetensors", "classifier.json", "gallery.npz", _PREDICTIONS)


@dataclass(frozen=True)
class RunDescription:
    """The recipe, seed and data of a run, finished or not.

    Attributes:
        recipe: The recipe as requested.
        seed: Seed of the run.
        source: Where its images came from; "" for arrays.
        options: The options under which they were opened.
        is_ensemble: Whether it is an ensemble. Then recipe and seed are those of its first member.
    """

    recipe: Recipe
    seed: int
    source: str
    options: LoadKeys
    is_ensemble: bool = False


@dataclass(frozen=True)
class _PartPredictions:
    """The rows about one part, and the place of each class among their probabilities."""

    places: dict[str, int]
    rows: Iterator[PredictionRow]


def read_run(folder: Path) -> RunDescription:
    """Read what the run in `folder` was asked to do, finished or not.

    Args:
        folder: A run folder.

    Returns:
        Recipe, seed, source of the data and options of `load`.

    Raises:
        InputError: The folder does not hold a run, or its files are damaged.
    """
    identity, data = store.read_json(folder / "recipe.json"), store.read_json(folder / "data.json")
    try:
        recipe = read_recipe(identity["recipe"])
        return RunDescription(
            recipe,
            identity["seed"],
            data["source"] or "",
            data["options"],
            is_ensemble="ensemble" in identity,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _unusable(folder / "recipe.json", error) from error


def read_recipe_file(path: Path) -> Recipe:
    """Read the recipe in a file such as a run's `recipe.json`, whatever its name and place.

    Args:
        path: The JSON file.

    Returns:
        The recipe.

    Raises:
        InputError: The file does not exist, or does not hold a recipe.
    """
    try:
        content = store.read_json(path)
        if "ensemble" in content:
            raise InputError(
                f"{path} cannot be used as a recipe: it describes an ensemble.",
                "Name the recipe.json of one of its members, or the folder of the ensemble.",
            )
        return read_recipe(content["recipe"])
    except (KeyError, TypeError, ValueError) as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> InputError:
    reason = str(error).splitlines()[0]
    if isinstance(error, KeyError):
        reason = f"{error} is missing"
    return InputError(
        f"{path} cannot be used as a recipe: {reason}.",
        "Check that it is a recipe of this version of Headstart, and not damaged.",
    )


def read_correct(folder: Path, part: str) -> NDArray[np.bool_]:
    """Read for each image whether a run classified it correctly.

    Args:
        folder: Folder of a finished run.
        part: "validation" or "test".

    Returns:
        Boolean array of shape (n,), in the order of the split.
    """
    return np.array([row.is_correct for row in _read_part(folder, part).rows], bool)


def read_labels(folder: Path, part: str) -> NDArray[np.int64]:
    """Read the label of each image, as a run was evaluated with it.

    Args:
        folder: Folder of a finished run.
        part: "validation" or "test".

    Returns:
        Int64 array of shape (n,) of class numbers, in the order of the split.
    """
    predictions = _read_part(folder, part)
    with store.name_damage(folder / _PREDICTIONS):
        return np.array([predictions.places[row.label] for row in predictions.rows], np.int64)


def read_predicted(folder: Path, part: str) -> NDArray[np.int64]:
    """Read the class that a run predicts for each image.

    Args:
        folder: Folder of a finished run.
        part: "validation" or "test".

    Returns:
        Int64 array of shape (n,) of class numbers, in the order of the split.
    """
    predictions = _read_part(folder, part)
    with store.name_damage(folder / _PREDICTIONS):
        predicted = [predictions.places[row.predicted] for row in predictions.rows]
    return np.array(predicted, np.int64)


def read_losses(folder: Path, part: str) -> NDArray[np.float64]:
    """Read the cross-entropy of each image, in nats.

    Args:
        folder: Folder of a finished run.
        part: "validation" or "test".

    Returns:
        Float64 array of shape (n,), in the order of the split.
    """
    predictions = _read_part(folder, part)
    with store.name_damage(folder / _PREDICTIONS):
        texts = [row.probabilities[predictions.places[row.label]] for row in predictions.rows]
        probabilities = np.array([float(text) for text in texts])
    losses: NDArray[np.float64] = -np.log(np.maximum(probabilities, _LEAST_PROBABILITY))
    return losses


def read_probabilities(
    folder: Path, part: str, class_names: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Read the labels and the probabilities of each image, which are not calibrated.

    Args:
        folder: Folder of a finished run.
        part: "validation" or "test".
        class_names: Names of the K classes of the run.

    Returns:
        Labels of shape (n,) and probabilities of shape (n, K), in the order of the split.
    """
    places = {name: place for place, name in enumerate(class_names)}
    labels, probabilities = [], []
    predictions = _read_part(folder, part)
    with store.name_damage(folder / _PREDICTIONS):
        order = [predictions.places[name] for name in class_names]
        for row in predictions.rows:
            labels.append(places[row.label])
            probabilities.append([float(row.probabilities[place]) for place in order])
    shape = (len(labels), len(class_names))
    return np.array(labels, np.int64), np.array(probabilities, np.float32).reshape(shape)


def _read_part(folder: Path, part: str) -> _PartPredictions:
    file = read_predictions_file(folder / _PREDICTIONS)
    places = {name: place for place, name in enumerate(file.class_names)}
    return _PartPredictions(places, (row for row in file.rows if row.part == part))


def keep_only_results(folder: Path) -> None:
    """Remove everything from a finished run except scores, curves and recipe.

    A search leaves hundreds of runs behind, of which one is used.
    """
    store.remove_sealed(folder, _ONLY_FOR_USE)
    for name in ("checkpoint", "state"):
        if (folder / name).exists():
            store.remove_folder(folder / name)


def run_summary(folder: Path, metrics: RunMetrics, *, reused: bool) -> RunSummary:
    """Return the summary of a finished run, with the warnings about its data.

    Args:
        folder: The run folder.
        metrics: Its metrics.
        reused: Whether the run was finished before.
    """
    data_warnings = store.read_json_or(folder / "data.json", {}).get("warnings", [])
    texts = data_warnings if isinstance(data_warnings, list) else []
    warnings = tuple(text for text in texts if isinstance(text, str))
    return RunSummary.from_metrics(metrics, str(folder), reused=reused, warnings=warnings)
