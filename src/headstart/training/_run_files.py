"""Writers of a run folder. `metrics.json` comes last: its presence means a finished run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.classifier import Classifier
from headstart.data import (
    Dataset,
    SplitDataset,
    describe,
    pack_sheet,
    probability_columns,
    take,
    write_split,
)
from headstart.evaluation import choose_gallery, choose_worst
from headstart.models.recipes import read_recipe, with_net
from headstart.training._environment import describe_changes, describe_environment
from headstart.training._identity import RunIdentity
from headstart.training._plan import Plan, plan_from_json

_ALL = ("reports", "comparisons", "repetitions", "continuations")

# The files of a run that its seal lists, and what needs them. The state for `--epochs +N` has a
# seal of its own. Later files, such as figures and notes of trackers, can be recreated.
RUN_FILES: Mapping[str, tuple[str, ...]] = {
    "metrics.json": _ALL,
    "recipe.json": _ALL,
    "data.json": _ALL,
    "model.safetensors": ("predictions", "continuations"),
    "classifier.json": ("predictions", "continuations"),
    "predictions.csv": ("reports", "comparisons"),
    "curves.csv": ("reports",),
    "gallery.npz": ("reports",),
    "environment.json": ("reports",),
    "plan.json": ("repetitions",),
    "split.npz": ("repetitions",),
}

# 800 thumbnails take about one megabyte. The images of all contenders share a page of five.
_MOST_THUMBNAILS, _THUMBNAIL_PX, _THUMBNAIL_QUALITY = 800, 56, 90
_IMAGES_AT_ONCE = 64

# The dataset indices of a part and their class probabilities, of shapes (n,) and (n, K).
PartPredictions = tuple[NDArray[np.int64], NDArray[np.float32]]


def start_run_folder(folder: Path, identity: RunIdentity, data: SplitDataset) -> list[str]:
    """Write what the run is, before it starts.

    Returns:
        Warnings about what has changed since the run first started. Its weights may then differ in
        the last bits.
    """
    store.clear_debris(folder)
    store.unseal(folder)  # of a process that was killed before it wrote `metrics.json`
    before, now = store.read_json_or(folder / "environment.json", {}), describe_environment()
    store.write_json(folder / "recipe.json", identity.as_json())
    store.write_json(folder / "data.json", describe(data))
    write_split(data, folder)
    store.write_json(folder / "environment.json", now)

    warning = describe_changes(before, now)
    if warning is None:
        return []
    progress.say(f"WARNING: {warning}")
    return [warning]


def write_plan(folder: Path, identity: RunIdentity, plan: Plan, classifier: Classifier) -> None:
    """Write `plan.json`: the schedule, and every value that the recipe left open.

    A resumed run and `--repeat` follow it.
    """
    recipe = plan.recipe
    if classifier.input_px is not None:
        recipe = with_net(recipe, input_px=classifier.input_px)
    content = {"run": identity.key, **plan.as_json(), "recipe": recipe.model_dump(mode="json")}
    store.write_json(folder / "plan.json", content)


def read_plan(folder: Path, identity: RunIdentity) -> Plan | None:
    """Read the plan of a run, at its beginning.

    Returns:
        The plan; None if there is no `plan.json`, or it belongs to another run.

    Raises:
        DamagedFile: The run is finished, and the file has changed since.
    """
    if store.is_sealed(folder):
        store.require_intact(folder, "repetitions")
    content: Any = store.read_json_or(folder / "plan.json", None)
    if not isinstance(content, dict) or content.get("run") != identity.key:
        return None
    values: Any = content
    return plan_from_json(read_recipe(content["recipe"]), values)


def write_predictions(folder: Path, dataset: Dataset, parts: Mapping[str, PartPredictions]) -> None:
    """Write `predictions.csv`: one row per validation and test image.

    Where images belong together, the column `group` has the number of each image's group, so that
    every interval of the run can be recomputed from this file.

    Names that a spreadsheet would evaluate have an apostrophe before them; see `store.guard_cell`.

    Args:
        folder: The run folder.
        dataset: The images.
        parts: Indices and probabilities by the name of the part.
    """
    names = dataset.class_names
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    groups = dataset.groups
    group_column = () if groups is None else ("group",)
    fixed = ("index", "image", "part", "label", "predicted", *group_column, "correct")
    columns_of_classes = probability_columns(names, fixed)
    writer.writerow([*fixed, *map(store.guard_cell, columns_of_classes)])
    for part, (rows, probabilities) in parts.items():
        labels, predicted = dataset.labels[rows], probabilities.argmax(1)
        columns = zip(
            rows.tolist(), labels.tolist(), predicted.tolist(), probabilities.tolist(), strict=True
        )
        for row, label, guess, values in columns:
            image, correct = dataset.image_names[row], int(label == guess)
            group = [] if groups is None else [int(groups[row])]
            texts = map(store.guard_cell, (image, part, names[label], names[guess]))
            cells = [row, *texts, *group, correct]
            writer.writerow([*cells, *(f"{value:.6g}" for value in values)])
    store.write_text(folder / "predictions.csv", out.getvalue())


def write_gallery(folder: Path, dataset: Dataset, part: PartPredictions, seed: int) -> None:
    """Write `gallery.npz`, the images that a report shows.

    It has nine correctly and nine incorrectly classified images, drawn at random, and thumbnails of
    the worst images behind each cell of the confusion matrix.
    """
    rows, probabilities = part
    correct, incorrect = choose_gallery(dataset.labels[rows], probabilities, seed)
    images = take(dataset.images, rows[np.concatenate([correct, incorrect])])
    arrays: dict[str, NDArray[Any]] = {
        "right": rows[correct],
        "wrong": rows[incorrect],
        "images": images,
    }
    worst = rows[choose_worst(dataset.labels[rows], probabilities, _MOST_THUMBNAILS)]
    if len(worst):
        sheet, shape = pack_sheet(_in_order(dataset, worst), _THUMBNAIL_PX, _THUMBNAIL_QUALITY)
        arrays |= {
            "worst": worst,
            "sheet": np.frombuffer(sheet, np.uint8),
            "tile_shape": np.array(shape),
        }
    store.write_bytes(folder / "gallery.npz", store.npz_bytes(arrays))


def _in_order(dataset: Dataset, rows: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
    """Yield images one by one. At most a few are in memory, because photographs are large."""
    for start in range(0, len(rows), _IMAGES_AT_ONCE):
        yield from take(dataset.images, rows[start : start + _IMAGES_AT_ONCE])
