"""The details of one run or study, for when it is opened on the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart import store
from headstart.errors import HeadstartError
from headstart.formatting import flat_settings
from headstart.report.watch._entry import Entry
from headstart.report.watch._watcher import Watcher
from headstart.results import JsonObject
from headstart.training import read_curves

_MOST_COLUMNS = 8  # of settings in the table of a study
_OTHER_COLUMNS = ("model", "epochs", "time_limit")  # which say little about a recipe
_MOST_POINTS = 2000  # of a curve


def describe_entry(watcher: Watcher, identifier: str) -> JsonObject:
    """Return the details of an entry of the last snapshot, as JSON.

    Args:
        watcher: The watcher.
        identifier: The id of the entry.

    Returns:
        Of a run its `curves` and its `settings`. Of a study the `settings` in which its runs
        differ, by the id of the run. Of both the `environment`.

    Raises:
        InputError: There is no such entry.
    """
    folder = watcher.path(identifier)
    snapshot = watcher.snapshot()
    entry = snapshot.entries.get(identifier)
    if entry is None or entry.kind == "run":
        settings = watcher.settings([identifier]).get(identifier, {})
        return {
            "id": identifier,
            "curves": _curves(folder),
            "settings": dict(settings),
            "environment": _environment(folder),
        }
    runs = [other for other in snapshot.entries.values() if other.parent == identifier]
    return {"id": identifier, "settings": _differing_settings(watcher, runs)}


def _curves(folder: Path) -> JsonObject:
    """Return the columns of `curves.csv`, with None where nothing was measured."""
    if not (folder / "curves.csv").exists():
        return {}
    try:
        columns = read_curves(folder)
    except (HeadstartError, OSError):  # It is damaged, which the list of files of doctor tells.
        return {}
    curves: JsonObject = {}
    for name, values in columns.items():
        step = -(-len(values) // _MOST_POINTS) or 1
        # The last epoch is always among those that are kept.
        kept = values[::-1][::step][::-1].tolist()
        curves[name] = [None if value != value else value for value in kept]
    return curves


def _environment(folder: Path) -> JsonObject:
    content: Any = store.read_json_or(folder / "environment.json", {})
    return dict(flat_settings(content))


def _differing_settings(watcher: Watcher, runs: list[Entry]) -> JsonObject:
    """Return the settings in which runs differ, at most eight, by the id of the run."""
    settings = watcher.settings([run.id for run in runs])
    values: dict[str, set[str]] = {}
    for recipe in settings.values():
        for key, value in recipe.items():
            values.setdefault(key, set()).add(value)
    differing = [key for key, different in values.items() if len(different) > 1]
    differing = [key for key in differing if key not in _OTHER_COLUMNS][:_MOST_COLUMNS]
    return {identifier: _select(recipe, differing) for identifier, recipe in settings.items()}


def _select(recipe: Mapping[str, str], keys: list[str]) -> JsonObject:
    return {key: recipe.get(key, "–") for key in keys}
