"""Readers of run folders."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.errors import InputError
from headstart.models.recipes import Recipe, read_recipe
from headstart.results import RunMetrics, RunSummary, read_metrics

# predictions.csv holds six digits: smaller probabilities are read as 0.
_LEAST_PROBABILITY = 1e-7

_ONLY_FOR_USE = ("model.safetensors", "classifier.json", "gallery.npz", "predictions.csv")


@dataclass(frozen=True)
class RunDescription:
    """The recipe, seed and data of a run, finished or not.

    Attributes:
        recipe: The recipe as requested.
        seed: Seed of the run.
        source: Where its images came from; "" for arrays.
        options: The options under which they were opened.
    """

    recipe: Recipe
    seed: int
    source: str
    options: dict[str, Any]


def read_run(folder: Path) -> RunDescription:
    """Read what the run in `folder` was asked to do, finished or not.

    Raises:
        InputError: The folder does not hold a run, or its files are damaged.
    """
    identity, data = store.read_json(folder / "recipe.json"), store.read_json(folder / "data.json")
    try:
        recipe = read_recipe(identity["recipe"])
        return RunDescription(recipe, identity["seed"], data["source"] or "", data["options"])
    except (KeyError, TypeError, ValueError) as error:
        raise _unusable(folder / "recipe.json", error) from error


def read_recipe_file(path: Path) -> Recipe:
    """Read the recipe in a file such as a run's `recipe.json`, whatever its name and place.

    Raises:
        InputError: The file does not exist, or does not hold a recipe.
    """
    try:
        return read_recipe(store.read_json(path)["recipe"])
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
    return np.array([row["correct"] == "1" for row in _read_predictions(folder, part)], bool)


def read_losses(folder: Path, part: str) -> NDArray[np.float64]:
    """Read the cross-entropy of each image, in nats.

    Args:
        folder: Folder of a finished run.
        part: "validation" or "test".

    Returns:
        Float64 array of shape (n,), in the order of the split.
    """
    rows = _read_predictions(folder, part)
    probabilities = np.array([float(row[f"={row['label']}"]) for row in rows])
    losses: NDArray[np.float64] = -np.log(np.maximum(probabilities, _LEAST_PROBABILITY))
    return losses


def _read_predictions(folder: Path, part: str) -> Iterator[dict[str, str]]:
    """Read the rows of `predictions.csv` about a part.

    Probabilities have the names of their classes behind "=", which no other column starts with.
    """
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = next(reader)
        first_class = header.index("correct") + 1
        names = header[:first_class] + [f"={name}" for name in header[first_class:]]
        for cells in reader:
            row = dict(zip(names, cells, strict=True))
            if row["part"] == part:
                yield row


def keep_only_results(folder: Path) -> None:
    """Remove everything from a finished run except scores, curves and recipe.

    A search leaves hundreds of runs behind, of which one is used.
    """
    for name in _ONLY_FOR_USE:
        store.remove_file(folder / name)
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
    return RunSummary.from_metrics(
        metrics, str(folder), reused=reused, warnings=tuple(data_warnings)
    )


def list_runs(folder: Path) -> list[dict[str, Any]]:
    """List every run below `folder` by path, finished or not.

    Returns:
        "run", "state" and "data" of each; of finished ones also the summary.

    Raises:
        InputError: There is no such folder.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder.",
            "Name a folder with runs. `headstart train` and `headstart compare` make them under "
            "runs/ or --out.",
        )

    runs: list[dict[str, Any]] = []
    for path in sorted(folder.rglob("recipe.json")):
        identity = store.read_json_or(path, {})
        if isinstance(identity, dict) and {"digest", "recipe", "seed"} <= set(identity):
            runs.append(_list_run(path.parent, identity))
    return runs


def _list_run(run: Path, identity: dict[str, Any]) -> dict[str, Any]:
    data = store.read_json_or(run / "data.json", {}).get("name")
    if (run / "metrics.json").exists():
        summary = run_summary(run, read_metrics(run), reused=True)
        return {"state": "finished", **summary.as_json(), "data": data}
    return {
        "state": "unfinished",
        "run": str(run),
        "model": identity["recipe"]["model"],
        "seed": identity["seed"],
        "data": data,
    }
