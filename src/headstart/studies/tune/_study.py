"""Tune: search the recipes of a model on validation images, retrain the best over new seeds, judge it once on test images."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from headstart import progress
from headstart.data import SplitDataset
from headstart.errors import InputError
from headstart.execution import Where, open_executor
from headstart.formatting import approximate_duration
from headstart.models.recipes import make_iterative_recipe, resolve
from headstart.studies._compare_finding import Entry, make_finding
from headstart.studies._grid import Grid, Variant, run_grid, take_over
from headstart.studies._study_folder import answer, plain
from headstart.studies.tune._config import Tuning
from headstart.studies.tune._finding import what_the_search_says
from headstart.studies.tune._space import SearchSpace
from headstart.studies.tune._storage import TrialStorage, open_storage
from headstart.studies.tune._successive_halving import Search
from headstart.training import check


def tune(
    asked: Tuning,
    data: SplitDataset,
    folder: Path,
    *,
    where: Where | None = None,
    command: str = "",
    started: float | None = None,
) -> dict[str, Any]:
    """Search, retrain, judge, and write `finding.json`. Killed at any moment, the same call goes on.

    Args:
        asked: what to tune.
        data: validation images choose; test images are read by the retrained recipes only.
        folder: of the study; a finished one answers at once.
        where: the executor.
        command: what reproduces it, for the record.
        started: `time.perf_counter()` when the time limit began to run.

    Returns:
        The finding.

    Raises:
        InputError: nothing can be searched, or another study is in the folder; RunFailed: three trials in a row failed alike.
    """
    started = time.perf_counter() if started is None else started
    asked.check()
    if not len(data.split.validation):
        raise InputError(
            "there are no validation images, so no recipe can be chosen.",
            "Give --validation a fraction above 0.",
        )
    defaults = resolve(
        make_iterative_recipe(asked.model, asked.values, asked.preset),
        len(data.split.train),
        data.class_names,
    )
    check(defaults, data)

    def work() -> dict[str, Any]:
        with (
            open_storage(asked.storage, name, folder) as storage,
            open_executor(where or Where(), data) as executor,
        ):
            search = Search(asked, defaults, data, folder, storage, executor, started)
            search.run()
            if (finding := _of_another_machine(storage, search)) is not None:
                return finding
            entries = _retrain(search, data, folder)
            finding = make_finding(
                entries,
                [],
                asked.time_limit,
                "test" if len(data.split.test) else "validation",
                folder,
            )
            finding |= what_the_search_says(search, entries, finding)
            finding["budget"] |= {"seconds_spent": round(search.clock(), 1)}
            search.trials.remember("finding", plain(finding))
            return finding

    identity = {
        **asked.as_json(),
        "dataset": data.dataset.fingerprint,
        "split": data.split.fingerprint,
    }
    name = f"headstart-{hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]}"
    return answer("tune", asked.as_json(), data, folder, command, work)


def _retrain(search: Search, data: SplitDataset, folder: Path) -> list[Entry]:
    """The best recipe and the defaults, over seeds that chose nothing."""
    asked, best, epochs = search.config, search.best(), search.plan["epochs"]
    variants = [Variant("defaults", search.defaults.model_copy(update={"epochs": epochs}))]
    if not search.is_default(best):
        tuned = search.recipe(best.values, epochs)
        assert tuned is not None, "it has been trained"
        variants.insert(0, Variant("tuned", tuned))
    grid = Grid(variants, tuple(range(asked.seed + 1, asked.seed + 1 + asked.seeds)))
    seconds = search.plan["seconds"] * len(grid.seeds) * len(variants) / search.executor.slots
    progress.say(f"retraining over {asked.seeds} new seeds, about {approximate_duration(seconds)}.")
    take_over(grid, data, folder)
    run_grid(grid, search.executor, folder, "retraining")
    return [
        Entry(
            one.name,
            "contender",
            one.recipe,
            grid.seeds,
            runs=one.runs,
            failures=[f"seed {seed} failed: {text}" for seed, text in one.failures.items()],
        )
        for one in variants
    ]


def _of_another_machine(storage: TrialStorage, search: Search) -> dict[str, Any] | None:
    """Where machines share the search, one of them retrains the winner; the others wait for its finding, or take over."""
    if not storage.is_shared:
        return None
    queue = storage.trials(
        "final",
        SearchSpace(lambda draw: {"part": draw.suggest_int("part", 0, 0)}, {}),
        search.defaults,
        0,
    )
    queue.add({"part": 0})
    said = False
    while not queue.generation(1, 1):
        if (finding := search.trials.recall("finding")) is not None:
            return dict(finding)
        if not said:
            progress.say("another machine is retraining the best recipe; waiting for its finding.")
        said = True
        time.sleep(1.0)
    return None
