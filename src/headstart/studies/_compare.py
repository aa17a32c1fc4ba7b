"""Compare: every contender on the same splits and seeds, with the same seconds; then the verdict."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.data import SplitDataset
from headstart.errors import InputError, RunFailed
from headstart.evaluation import BaselineResult, majority_class, nearest_neighbour
from headstart.features import prepare_features, warm_up
from headstart.models.recipes import Recipe, make_recipe, with_net
from headstart.studies._compare_finding import CONTROL, Entry, make_finding
from headstart.studies._contenders import contenders, folder_name
from headstart.studies._study_folder import answer, part_that_judges, plain
from headstart.training import TrainingJob, check, train

REPORT_SECONDS = 8.0  # kept back from the time limit for drawing the report; it took 2 to 4 s for two contenders on 2 cores
LEAST_SECONDS_A_RUN = 1.0
_FLOOR_SHARE = 0.04  # of the time limit, for the nearest neighbour
_MULTIPLY_ADDS_A_SECOND = 5e10  # of the nearest neighbour on 2 cores
_MOST_MULTIPLY_ADDS = 1.2e12


@dataclass(frozen=True)
class Comparison:
    """What to compare.

    Attributes:
        models: the contenders: a model, `model:preset`, a `recipe.json`, or the folder of a finished run, which enters as it is.
        seeds: each contender runs once with each.
        time_limit: seconds for everything, the report included; None for the recipes' own epochs.
        values: recipe keys for all models; a key that only some have goes to those.
    """

    models: tuple[str, ...]
    seeds: tuple[int, ...]
    time_limit: float | None
    values: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Whether this can be asked, before any data are opened.

        Raises:
            InputError: unknown or repeated models, no seeds, unknown keys or bad values.
        """
        _entries(self)

    def as_json(self) -> dict[str, Any]:
        found = {
            "models": self.models,
            "seeds": self.seeds,
            "time_limit": self.time_limit,
            "values": dict(self.values),
        }
        return plain(found)


def compare(
    asked: Comparison,
    data: SplitDataset,
    folder: Path,
    *,
    command: str = "",
    started: float | None = None,
) -> dict[str, Any]:
    """Run a comparison and write its `finding.json`.

    Args:
        asked: what to compare.
        data: shared by all contenders.
        folder: of the study; runs are under `runs/`. Finished runs there are reused; a finished study answers at once.
        command: what reproduces it, for the record.
        started: `time.perf_counter()` from which the time limit counts; now, if None.

    Returns:
        The finding.

    Raises:
        InputError: bad models or options, too short a time, another study in the folder.
        RunFailed: no contender finished.
    """
    started = time.perf_counter() if started is None else started
    entries = _entries(asked)
    part = part_that_judges(data.split)
    for entry in entries:
        check(entry.recipe, data)
        for run in entry.runs.values():
            _check_same_images(run, data)

    def work() -> dict[str, Any]:
        floors = _floors(asked, data, data.split.test if part == "test" else data.split.validation)
        if waiting := [entry for entry in entries if not entry.runs]:
            _share_time(asked, waiting, data, folder, started)
            _run_all(waiting, data, folder)
        finding = make_finding(entries, floors, asked.time_limit, part, folder)
        finding["budget"]["seconds_spent"] = round(time.perf_counter() - started, 1)
        return finding

    digests = [
        entry.recipe.digest for entry in entries
    ]  # a file of that name may hold another recipe by now
    return answer("compare", {**asked.as_json(), "recipes": digests}, data, folder, command, work)


def _entries(asked: Comparison) -> list[Entry]:
    """The contenders, then for each backbone its control: the same network from random weights, one seed."""
    if not asked.seeds:
        raise InputError(
            "--seeds is 0, but a comparison needs one seed or more.",
            "Three show how much chance matters.",
        )
    found = []
    for one in contenders(asked.models, asked.values):
        seeds, runs = (
            (asked.seeds, {}) if one.run is None else ((one.run[1],), {one.run[1]: one.run[0]})
        )
        found.append(Entry(one.name, "contender", one.recipe, seeds, runs=runs))
    learning = {entry.recipe.model for entry in found if entry.recipe.net.is_scratch_control}
    for entry in list(found):
        control = None if entry.runs else _control(entry.recipe)
        if control is not None and (control.on_features or control.model not in learning):
            found.append(Entry(f"{entry.name}{CONTROL}", "control", control, asked.seeds[:1]))
    return found


def _control(recipe: Recipe) -> Recipe | None:
    """The same backbone from random weights, used in the same way; None where there are no pretrained ones to judge."""
    options = recipe.net
    if not options.is_pretrained:
        return None
    if not options.learns_end_to_end:
        return with_net(recipe, pretrained=False, weights=None)
    kept = options.model_dump(include={"cut", "pool", "head", "input_px"})
    return make_recipe(
        recipe.model, {**kept, "epochs": recipe.epochs, "effort": recipe.effort}, "scratch"
    )


def _check_same_images(run: Path, data: SplitDataset) -> None:
    """A finished run enters a comparison on the images that it was trained and judged on."""
    asked = store.read_json(run / "recipe.json")
    for key, of in (("dataset", data.dataset), ("split", data.split)):
        if asked.get(key) != of.fingerprint:
            raise InputError(
                f"{run} was trained on another {key} than this comparison has.",
                f"Give the options of its data again (data.json has them), or enter its recipe: {run / 'recipe.json'}",
            )


def _floors(
    asked: Comparison, data: SplitDataset, judged: NDArray[np.int64]
) -> list[BaselineResult]:
    most = _MOST_MULTIPLY_ADDS
    if asked.time_limit is not None:
        most = min(most, _FLOOR_SHARE * asked.time_limit * _MULTIPLY_ADDS_A_SECOND)
    return [
        majority_class(data.dataset.labels, data.split.train, judged, data.class_names),
        nearest_neighbour(
            data.dataset.images, data.dataset.labels, data.split.train, judged, limit=most
        ),
    ]


def _share_time(
    asked: Comparison,
    entries: list[Entry],
    data: SplitDataset,
    folder: Path,
    started: float,
) -> None:
    """Give every entry the same seconds, features counted, and every seed its share; kept in `budget.json` for a later start."""
    for recipe in {
        entry.recipe.model: entry.recipe for entry in entries if entry.recipe.net.is_backbone
    }.values():
        warm_up(recipe)
    share = None
    if asked.time_limit is not None:
        share = (asked.time_limit - (time.perf_counter() - started) - REPORT_SECONDS) / len(entries)
        if share < LEAST_SECONDS_A_RUN * len(asked.seeds):
            least = (
                LEAST_SECONDS_A_RUN * len(asked.seeds) * len(entries)
                + asked.time_limit
                - share * len(entries)
            )
            raise InputError(
                f"a time limit of {asked.time_limit:g} s leaves less than {LEAST_SECONDS_A_RUN:g} s for each of the runs.",
                f"Give --time-limit {math.ceil(least)}s or more, or fewer --seeds.",
            )
    kept = store.read_json_or(folder / "budget.json", {"entries": {}})["entries"]
    sides: dict[str, Any] = {}  # a control sees images of the same size as its backbone
    for entry in entries:
        of = entry.name.removesuffix(CONTROL)
        if entry.name in kept:
            entry.prepare_seconds, entry.run_seconds = (
                kept[entry.name]["prepare"],
                kept[entry.name]["run"],
            )
            entry.recipe = with_net(entry.recipe, **kept[entry.name]["net"])
        else:
            if entry.recipe.net.is_backbone:
                progress.say(f"{entry.name}: features, once for all seeds")
                recipe = with_net(entry.recipe, **sides.get(of, {}))
                entry.recipe, entry.prepare_seconds = prepare_features(
                    recipe, data, entry.seeds[0], share
                )
            left = None if share is None else (share - entry.prepare_seconds) / len(entry.seeds)
            entry.run_seconds = None if left is None else max(LEAST_SECONDS_A_RUN, left)
        sides[of] = entry.recipe.net.model_dump(include={"input_px"})
        kept = {
            **kept,
            entry.name: {
                "prepare": entry.prepare_seconds,
                "run": entry.run_seconds,
                "net": sides[of],
            },
        }
    store.write_json(folder / "budget.json", {"entries": kept})


def _run_all(entries: list[Entry], data: SplitDataset, folder: Path) -> None:
    """Seed by seed, so that a machine that slows down slows all contenders alike."""
    seeds = dict.fromkeys(seed for entry in entries for seed in entry.seeds)
    jobs = [(seed, entry) for seed in seeds for entry in entries if seed in entry.seeds]
    with progress.task("compare", len(jobs), "runs") as task:
        for seed, entry in jobs:
            path = folder / "runs" / f"{folder_name(entry.name)}-seed{seed}"
            recipe = entry.recipe.model_copy(update={"time_limit": entry.run_seconds})
            try:
                with progress.muted():
                    train(TrainingJob(recipe, data, seed, path))
                entry.runs[seed] = path
            except RunFailed as error:
                entry.failures.append(f"seed {seed} failed: {error.message}")
                progress.say(f"{entry.name}, seed {seed}: {error}")
            task.advance()
