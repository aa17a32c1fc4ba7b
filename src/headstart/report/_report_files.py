"""The files of a study or run that its page is written from, without pixels."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from headstart import store
from headstart.results import read_predictions_file
from headstart.studies import GATE_FILE

_TEXT_FILES = ("metrics.json", "curves.csv", "environment.json")
_STUDY_FILES = ("finding.json", "data.json", GATE_FILE, *_TEXT_FILES)
_GALLERY, _ERRORS, _PREDICTIONS = "gallery.npz", "errors.npz", "predictions.csv"
FILE_NAMES = {*_STUDY_FILES, _GALLERY, _ERRORS, _PREDICTIONS}


class CollectedFiles(TypedDict):
    """The files of a study or run, as in `EmbeddedData`."""

    files: dict[str, str]
    arrays: dict[str, str]
    predictions: dict[str, object]


def collect_files(
    folder: Path, pooled: Mapping[Path, frozenset[int]] | None = None
) -> CollectedFiles:
    """Return the files of a study or run folder.

    Args:
        folder: The folder, with `finding.json` or `metrics.json`.
        pooled: Dataset indices of the images behind the confusion matrices, by run folder.

    Returns:
        `files`, `arrays` and `predictions`, as in `EmbeddedData`.
    """
    files = {name: _read(folder / name) for name in _STUDY_FILES if (folder / name).is_file()}
    arrays: dict[str, str] = {}
    predictions: dict[str, object] = {}
    if (folder / _ERRORS).is_file():
        arrays[_ERRORS] = _without_pixels(folder / _ERRORS)

    finding = json.loads(files.get("finding.json", "{}"))
    description = finding.get("dataset") or json.loads(files.get("data.json", "{}"))
    class_names = description.get("class_names", [])
    names = [*_run_names(finding), *_member_runs(finding)] if finding else [""]
    for name in dict.fromkeys(names):
        run, prefix = folder / name, f"{name}/" if name else ""
        for file_name in _TEXT_FILES:
            if (run / file_name).is_file():
                files[prefix + file_name] = _read(run / file_name)
        if not (run / _PREDICTIONS).is_file():
            continue

        shown: set[int] = set()
        behind_cells = set((pooled or {}).get(run, ()))
        if (run / _GALLERY).is_file():
            arrays[prefix + _GALLERY] = _without_pixels(run / _GALLERY)
            with store.open_npz(run / _GALLERY) as gallery:
                shown = {int(index) for index in [*gallery["right"], *gallery["wrong"]]}
        files[prefix + _PREDICTIONS], parts = _read_predictions(
            run / _PREDICTIONS, shown, behind_cells, class_names
        )
        predictions[name] = parts
    return {"files": files, "arrays": arrays, "predictions": predictions}


def _read(path: Path) -> str:
    # Bytes, because newlines in names must stay as they are.
    with store.name_damage(path):
        return store.read_file(path).decode("utf-8")


def _run_names(content: object) -> Iterator[str]:
    """Yield the paths of runs that a finding names, relative to its folder."""
    if isinstance(content, list):
        for item in content:
            yield from _run_names(item)
    elif isinstance(content, dict):
        for key, value in content.items():
            if key == "runs" and isinstance(value, list):
                yield from (name for name in value if isinstance(name, str))
            else:
                yield from _run_names(value)


def _member_runs(finding: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of the runs that the classifier of a fit is an average of."""
    if finding["study"] != "fit":
        return
    runs = {rung["name"]: rung["run"] for rung in finding["tried"]}
    for member in finding["chosen"]["members"]:
        name = runs.get(member["name"])
        if name is not None:
            yield name


def _without_pixels(path: Path) -> str:
    """Return a NumPy file with black images and empty maps, as base64."""
    with store.open_npz(path) as file:
        arrays = {name: file[name] for name in file.names}
    for name, values in arrays.items():
        if name == "images" or name.startswith("heat-"):
            arrays[name] = np.zeros_like(values)
        elif name == "sheet":
            arrays[name] = np.zeros(0, np.uint8)
    return base64.b64encode(store.npz_bytes(arrays)).decode()


def _read_predictions(
    path: Path, shown: set[int], behind_cells: set[int], class_names: list[str]
) -> tuple[str, dict[str, dict[str, str]]]:
    """Read `predictions.csv`.

    Args:
        path: The file.
        shown: Indices of the images that the page shows with the most probable classes.
        behind_cells: Indices of the images that the page shows with two probabilities, those of the
            true and of the predicted class.
        class_names: Names of the K classes.

    Returns:
        The file with the rows of these images only, other probabilities left empty, and for each
        part the labels, predicted classes and groups of all images.
    """
    places = {name: place for place, name in enumerate(class_names)}
    columns: dict[str, dict[str, list[int]]] = {}
    kept = io.StringIO()
    writer = csv.writer(kept, lineterminator="\n")
    file = read_predictions_file(path)
    writer.writerow(file.header)
    first_class = len(file.header) - len(file.class_names)
    for row in file.rows:
        if row.index in shown:
            writer.writerow(row.cells)
        if row.label not in places or row.predicted not in places:
            continue
        if row.index in behind_cells and row.index not in shown:
            kept_places = {first_class + places[row.label], first_class + places[row.predicted]}
            writer.writerow(
                [
                    text if place < first_class or place in kept_places else ""
                    for place, text in enumerate(row.cells)
                ]
            )
        values = {"labels": places[row.label], "predicted": places[row.predicted]}
        if row.group is not None:
            values["groups"] = row.group
        for name, value in values.items():
            columns.setdefault(row.part, {}).setdefault(name, []).append(value)
    packed = {}
    for part, arrays in columns.items():
        packed[part] = {name: _pack(values) for name, values in arrays.items()}
    return kept.getvalue(), packed


def _pack(values: list[int]) -> str:
    return base64.b64encode(np.array(values, "<i4").tobytes()).decode()
