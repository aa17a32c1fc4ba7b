"""The time limit of a search: from less than one full run of the default recipe to many."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest

from headstart import progress
from headstart.data import Dataset, Split, SplitDataset
from headstart.execution import Job, Outcome, run_all
from headstart.models.recipes import make_iterative_recipe
from headstart.studies import TuningConfig, TuningStudy, run_study
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies._grid import grid_jobs
from headstart.studies.tune import (
    _budget,
    _finding_sentences,
    _more_epochs,
    _search_plan,
    _storage,
    _study,
    _successive_halving,
)
from headstart.studies.tune._more_epochs import MoreEpochs
from headstart.studies.tune._storage import open_storage
from headstart.studies.tune._successive_halving import Search
from headstart.studies.tune._time_plan import RESERVED, divide_time, least_limit

FULL_RUN = 10.0  # seconds
EPOCHS = 6.0
VALUES = {"epochs": EPOCHS, "batch": 32}
SPACE = {"lr": {"low": 1e-3, "high": 0.5, "log": True}}
# In full runs of the default recipe. 2.7 is the first limit with a search.
LIMITS = (0.5, 1.5, 2.6, 2.7, 3.0, 4.0, 6.0, 9.0, 11.0, 20.0)


class SimulatedRuns:
    """An executor whose runs take time by a clock of their own, and train nothing.

    Args:
        slots: Runs side by side.
        pace: Seconds of a run, as a multiple of the planned ones.
        gain: How much lower the loss of the other recipes is than that of the defaults.
    """

    def __init__(self, slots: int = 1, pace: float = 1.0, gain: float = 0.05) -> None:
        self.slots, self.pace, self.gain = slots, pace, gain
        self.seconds = 0.0
        self.jobs: list[Job] = []
        self._summaries: dict[Path, Any] = {}
        self._running: list[tuple[float, Job]] = []

    def submit(self, job: Job) -> None:
        seconds = 0.0 if job.folder in self._summaries else self.duration(job)
        self._running.append((self.seconds + seconds, job))

    def duration(self, job: Job) -> float:
        assert job.recipe.epochs is not None
        seconds = self.pace * FULL_RUN * job.recipe.epochs / EPOCHS
        return min(seconds, job.recipe.time_limit or seconds)

    def next_done(self) -> Outcome:
        ends, job = min(self._running, key=lambda pair: pair[0])
        self._running.remove((ends, job))
        self.seconds = max(self.seconds, ends)
        if job.folder in self._summaries:  # a finished run is reused
            return Outcome(job, self._summaries[job.folder], None)
        job.folder.mkdir(parents=True)
        self.jobs.append(job)
        is_default = job.recipe.lr == make_iterative_recipe("mlp", VALUES).lr
        share = self.duration(job) / FULL_RUN
        scores = SimpleNamespace(
            loss=0.3 - 0.1 * share - (0.0 if is_default else self.gain), accuracy=0.9, n=100
        )
        summary: Any = SimpleNamespace(
            validation=scores,
            seconds=SimpleNamespace(train=self.duration(job)),
            epochs=job.recipe.epochs,
        )
        self._summaries[job.folder] = summary
        return Outcome(job, summary, None)


@pytest.fixture
def data(digits: Dataset, small: Split) -> SplitDataset:
    return SplitDataset(digits, small)


class MemoryStorage(optuna.storages.InMemoryStorage):
    """Trials without a database, which would take most of the time of these tests."""

    engine = SimpleNamespace(dispose=lambda: None)

    def remove_session(self) -> None:
        pass


@pytest.fixture(autouse=True)
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = FULL_RUN / EPOCHS
    monkeypatch.setattr(_storage, "_sqlite_storage", lambda *_: MemoryStorage())
    monkeypatch.setattr(_storage, "_SeededSampler", optuna.samplers.RandomSampler)
    monkeypatch.setattr(
        _search_plan, "expected_seconds", lambda recipe, *_: seconds * recipe.epochs
    )
    work = SimpleNamespace(image=1e5, step=0.0)
    monkeypatch.setattr(_budget, "count_work", lambda *_: work)  # it builds each network


def simulate(
    limit: float,
    runs: SimulatedRuns,
    data: SplitDataset,
    folder: Path,
    started: float = 0.0,
    **changes: Any,
) -> Search:
    """Search and retrain with simulated runs, for a limit in full runs of the default recipe."""
    given: dict[str, Any] = {"space": SPACE, "time_limit": limit * FULL_RUN}
    config = TuningConfig("mlp", values=VALUES, **{**given, **changes})
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        clock = SimpleNamespace(perf_counter=lambda: runs.seconds)
        patch.setattr(_successive_halving, "time", clock)
        patch.setattr(_successive_halving, "keep_only_results", lambda folder: None)
        with open_storage(None, "simulated", folder) as storage:
            search = Search(config, data, folder, storage, runs, started)
            search.run()
            if not search.plan["retrains"]:
                search.promote_best()
            jobs = grid_jobs(search.final_grid(search.final_seeds()), folder).values()
            list(run_all(runs, [job for _, _, job in jobs]))
    return search


def final_jobs(runs: SimulatedRuns) -> dict[str, Job]:
    """Return the runs that are evaluated on test images, by name of their folder."""
    return {job.folder.name: job for job in runs.jobs if job.reads_test}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_search_never_ends_below_the_default_recipe_and_keeps_the_time_limit(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: float
) -> None:
    monkeypatch.setattr(Search, "_has_converged", lambda _: False)
    runs = SimulatedRuns()
    search = simulate(limit, runs, data, tmp_path / "study")
    final = final_jobs(runs)

    # The defaults have a full run, as far as it fits, and so has every other recipe.
    assert "defaults-seed1" in final
    full_runs = [job for job in runs.jobs if job.recipe.epochs == EPOCHS]
    assert set(final.values()) <= set(full_runs)
    assert runs.seconds <= limit * FULL_RUN
    short_runs = len(runs.jobs) - len(full_runs)
    if limit < 2.7:
        assert len(runs.jobs) == 1 and not search.plan["searches"]
        assert runs.seconds == pytest.approx(FULL_RUN * min(1.0, (1 - RESERVED) * limit))
        return

    # The rest of the time is used, and for short runs of several recipes.
    assert short_runs >= 3
    assert runs.seconds >= 0.9 * (limit - 0.5) * FULL_RUN
    assert {name.split("-")[0] for name in final} == {"defaults", "tuned"}
    selecting = [job for job in full_runs if not job.reads_test]
    if not search.plan["retrains"]:
        assert len(final) == 2 and not selecting
        return
    # Other seeds than those that selected, and more than one recipe to select from.
    assert len(selecting) >= 3
    assert {job.seed for job in selecting}.isdisjoint(job.seed for job in final.values())
    assert len(final) == 2 * search.plan["seeds"]


@pytest.mark.parametrize("pace", [0.7, 1.0, 1.3, 1.5, 2.0])
@pytest.mark.parametrize("limit", [1.0, 2.0, 2.7, *range(3, 21)])
def test_a_machine_of_another_pace_than_planned_searches_and_keeps_the_limit(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: float, pace: float
) -> None:
    monkeypatch.setattr(Search, "_has_converged", lambda _: False)
    runs = SimulatedRuns(pace=pace)
    search = simulate(limit, runs, data, tmp_path / "study")
    used = runs.seconds / FULL_RUN
    assert used <= limit
    final = final_jobs(runs)
    expected = min(pace, (1 - RESERVED) * limit) * FULL_RUN
    assert runs.duration(final["defaults-seed1"]) == pytest.approx(expected)

    others = [job for job in runs.jobs if job.recipe.lr != search.defaults.lr]
    if limit * FULL_RUN < max(1.0, pace) * least_limit(FULL_RUN):
        return
    assert len(others) >= 3  # at least two short runs and a full one
    assert used >= 0.8 * limit
    assert len(final) == 2 * search.plan["seeds"]
    assert runs.duration(final["tuned-seed1"]) == pytest.approx(pace * FULL_RUN)


def test_a_slower_machine_costs_seeds_first_and_a_faster_one_gains_them(
    data: SplitDataset, tmp_path: Path
) -> None:
    seeds = []
    for pace in (0.7, 1.0, 1.3, 2.0):
        search = simulate(12.0, SimulatedRuns(pace=pace), data, tmp_path / f"{pace:g}")
        seeds.append((search.plan["seeds"], search.plan["retrains"]))
    assert seeds == [(3, True), (2, True), (1, True), (1, False)]


def test_a_search_that_is_stopped_in_the_final_run_of_the_defaults_resumes_it(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedRuns(SimulatedRuns):
        def submit(self, job: Job) -> None:
            if job.folder.name == "defaults-seed1" and not stopped:
                stopped.append(job)
                raise KeyboardInterrupt
            super().submit(job)

    def names(runs: SimulatedRuns) -> list[str]:
        return [job.folder.name for job in runs.jobs]

    stopped: list[Job] = []
    storage = MemoryStorage()
    monkeypatch.setattr(_storage, "_sqlite_storage", lambda *_: storage)
    runs = StoppedRuns(pace=2.0)  # retraining was planned, but the time is too short
    with pytest.raises(KeyboardInterrupt):
        simulate(12.0, runs, data, tmp_path / "study")
    simulate(12.0, runs, data, tmp_path / "study", started=runs.seconds)

    storage = MemoryStorage()
    in_one_go = SimulatedRuns(pace=2.0)
    simulate(12.0, in_one_go, data, tmp_path / "in one go")
    assert names(runs) == names(in_one_go)
    assert names(runs)[2] == "defaults-seed1"


def test_several_workers_share_the_time(data: SplitDataset, tmp_path: Path) -> None:
    one, three = SimulatedRuns(), SimulatedRuns(slots=3)
    for runs in (one, three):
        simulate(4.0, runs, data, tmp_path / str(runs.slots))
    assert len(three.jobs) > len(one.jobs)
    assert three.seconds <= 4.0 * FULL_RUN


@pytest.mark.parametrize("limit", [3.0, 5.0])
def test_a_search_without_a_better_recipe_stops_and_leaves_the_rest_of_the_time(
    data: SplitDataset, tmp_path: Path, limit: float
) -> None:
    runs = SimulatedRuns(gain=-0.05)
    search = simulate(limit, runs, data, tmp_path / "study")
    assert set(final_jobs(runs)) == {"defaults-seed1"}
    assert runs.seconds <= (limit - 1) * FULL_RUN
    assert search.is_default(search.best())


@pytest.mark.parametrize("pace", [1.0, 1.6, 2.0])
def test_a_space_without_the_defaults_is_compared_with_them(
    data: SplitDataset, tmp_path: Path, pace: float
) -> None:
    runs = SimulatedRuns(pace=pace)
    space = {"nodes": [8, 16]}
    simulate(3.0, runs, data, tmp_path / "study", space=space)
    final = final_jobs(runs)
    assert final["defaults-seed1"].recipe.flat()["nodes"] not in space["nodes"]
    assert final["tuned-seed1"].recipe.flat()["nodes"] in space["nodes"]
    assert runs.seconds <= 3.0 * FULL_RUN


_TWO = "The search tried 2 recipes in short runs. "


@pytest.mark.parametrize(
    ("others", "best_short_run", "limit", "expected"),
    [
        (["other"], "defaults", 9.0, f"{_TWO}None had a lower validation loss than the defaults."),
        (
            ["other"],
            "other",
            9.0,
            f"{_TWO}The full run of the best one did not finish, so the defaults are kept.",
        ),
        (
            [],
            "defaults",
            9.0,
            "Only the defaults were tried: the time limit left no time for another recipe.",
        ),
        ([], "defaults", None, "Only the defaults were tried."),
    ],
)
def test_the_verdict_says_why_only_the_defaults_had_a_full_run(
    others: list[str], best_short_run: str, limit: float | None, expected: str
) -> None:
    search: Any = SimpleNamespace(
        plan={"searches": True, "retrains": False},
        config=SimpleNamespace(time_limit=limit, trials=None),
        trials=SimpleNamespace(all=lambda: ["defaults", *others], recall=lambda _: None),
        is_default=lambda trial: trial == "defaults",
        best_short_run=lambda: best_short_run,
        metric=None,
    )
    best: Any = "defaults"
    sentence = _finding_sentences.kept_defaults_sentence(search, best, [], {}, 1)
    assert sentence == expected


def test_the_machine_with_the_final_runs_writes_the_finding_of_a_shared_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(waited), sleep=waited.append)
    monkeypatch.setattr(_study, "time", clock)
    queue = SimpleNamespace(
        add=lambda values: None,
        all=lambda: ["taken"] if sum(waited) >= 3 else [],
        generation=lambda size, limit: ["mine"],
    )
    storage: Any = SimpleNamespace(is_shared=True, trials=lambda *_: queue)
    search: Any = SimpleNamespace(
        config=SimpleNamespace(seed=0), folder=tmp_path, plan={"retrains": False}, defaults=None
    )
    assert _study._wait_for_another_machine(storage, search) is None
    assert waited == [1.0, 1.0, 1.0]

    waited.clear()
    (tmp_path / "runs" / "defaults-seed1").mkdir(parents=True)
    assert _study._wait_for_another_machine(storage, search) is None
    assert not waited


def test_a_machine_trains_no_full_run_of_a_short_search_that_another_one_finishes(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = MemoryStorage()
    monkeypatch.setattr(_storage, "_sqlite_storage", lambda *_: storage)
    runs = SimulatedRuns()
    clock = SimpleNamespace(perf_counter=lambda: runs.seconds)
    monkeypatch.setattr(_successive_halving, "time", clock)
    monkeypatch.setattr(_successive_halving, "keep_only_results", lambda folder: None)
    config = TuningConfig("mlp", values=VALUES, space=SPACE, time_limit=4 * FULL_RUN)
    searches = []
    for machine in ("first", "second"):
        folder = tmp_path / machine
        with open_storage(None, "simulated", folder) as trials:
            searches.append(Search(config, data, folder, trials, runs, 0.0))
            searches[-1].run()
    # The first machine has the defaults.
    assert [job.folder.name for job in runs.jobs if job.reads_test] == ["defaults-seed1"]
    searches[0].promote_best()
    finals = {job.folder.parents[1].name for job in runs.jobs if job.reads_test}
    assert runs.jobs[-1].folder.name == "tuned-seed1" and finals == {"first"}
    searches[1].promote_best()
    assert runs.jobs[-1].folder.name == "tuned-seed1" and len(final_jobs(runs)) == 2


def test_the_limit_that_a_search_needs_is_named(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(progress, "say", said.append)
    runs = SimulatedRuns()
    runs.seconds = 4.0  # so long it took to open the data
    simulate(2.0, runs, data, tmp_path / "study")
    needed = math.ceil(4 + least_limit(FULL_RUN))
    assert f"A search needs about --time-limit {needed}s." in said[0]

    said.clear()
    runs = SimulatedRuns()
    runs.seconds = 4.0
    simulate(needed / FULL_RUN, runs, data, tmp_path / "longer")
    assert "then the best and the defaults x 6 epochs; at most" in said[0]


def test_more_time_never_means_less_of_a_search() -> None:
    limits = np.arange(0.5, 30, 0.1)
    usable = (1 - RESERVED) * limits * FULL_RUN
    plans = [divide_time(seconds, FULL_RUN, seeds=3) for seconds in usable]
    sizes = [(plan.searches, plan.retrains, plan.seeds) for plan in plans]
    assert sizes == sorted(sizes)
    assert sizes[0] == (False, False, 1) and sizes[-1] == (True, True, 3)
    least = limits[[plan.searches for plan in plans].index(True)]
    assert least == pytest.approx(least_limit(FULL_RUN) / FULL_RUN, abs=0.1)


@pytest.mark.parametrize(
    ("losses", "left", "stages", "trained", "expected"),
    [
        ([0.9, 0.5, 0.4, 0.3], 5.0, None, 4.0, MoreEpochs(4.0, 6.0, 5.0, 4)),
        ([0.9, 0.5, 0.3, 0.4], 5.0, None, 4.0, MoreEpochs(4.0, 6.0, 5.0, 3)),  # by chance
        ([0.9, 0.3, 0.4, 0.4], 5.0, None, 4.0, MoreEpochs(4.0, None, 0.0, 2)),  # overfitted
        ([0.9, *[0.4] * 12, 0.3, 0.4, 0.4], 5.0, None, 4.0, MoreEpochs(4.0, 6.0, 5.0, 14)),
        ([0.9, 0.5, 0.4, 0.3], 1.0, None, 4.0, None),  # too little time
        ([0.9, 0.5, 0.4, 0.3], 5.0, 2, 4.0, None),  # only the top of a backbone has learned
        ([0.9, 0.5], 5.0, None, 2.0, None),  # the run was shortened itself
    ],
)
def test_the_defaults_are_continued_while_their_validation_loss_falls(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    losses: list[float],
    left: float,
    stages: int | None,
    trained: float,
    expected: MoreEpochs | None,
) -> None:
    (tmp_path / "plan.json").write_text(json.dumps({"stages": stages}))
    curves = {"validation_loss": np.array(losses)}
    monkeypatch.setattr(_more_epochs, "read_curves", lambda _: curves)
    monkeypatch.setattr(_more_epochs, "read_metrics", lambda _: SimpleNamespace(epochs=trained))
    search: Any = SimpleNamespace(
        plan={"ends": 20.0, "epochs": 4.0},
        clock=lambda: 20.0 - left,
        defaults=SimpleNamespace(epochs=4.0),
        rungs=[{0: SimpleNamespace(facts={"epochs": 4.0, "seconds": 10.0})}],
    )
    decision = _more_epochs._decide(search, tmp_path)
    assert decision == expected
    if decision is None:
        return
    search.trials = SimpleNamespace(recall={"more epochs": vars(decision)}.get)
    words = _finding_sentences._more_epochs_words(search)
    is_continued = decision.epochs is not None
    assert ("Continuing to 6 epochs" in words) == is_continued
    assert ("lowest in epoch 2 of 4" in words) != is_continued


def test_a_continuation_that_fails_is_reported_as_a_failure(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: dict[str, Any] = {"more epochs": vars(MoreEpochs(4.0, 6.0, 5.0, 4))}
    jobs: list[Job] = []

    def attempt(job: Job, _: SplitDataset) -> Outcome:
        jobs.append(job)
        return Outcome(job, None, "not finite", "the loss is not finite\nin step 9.")

    recipe = make_iterative_recipe("mlp")
    run = tmp_path / "defaults-seed1"
    monkeypatch.setattr("headstart.execution._executors.attempt", attempt)
    monkeypatch.setattr(_more_epochs, "read_run", lambda _: SimpleNamespace(recipe=recipe, seed=1))
    search: Any = SimpleNamespace(
        plan={"searches": True, "retrains": False},
        config=SimpleNamespace(time_limit=9.0, trials=None),
        trials=SimpleNamespace(
            all=lambda: ["defaults"], recall=stored.get, remember=stored.setdefault
        ),
        is_default=lambda trial: trial == "defaults",
        part=None,
    )
    defaults = ComparisonEntry("defaults", "contender", recipe, (1,), runs={1: run})
    for _ in range(2):  # the same command again
        assert _more_epochs.continue_defaults(search, defaults, data) is None
    assert [job.after for job in jobs] == [run]

    best: Any = "defaults"
    sentence = _finding_sentences.kept_defaults_sentence(search, best, [defaults], {}, 1)
    assert sentence == (
        "Only the defaults were tried: the time limit left no time for another recipe. The run "
        "could not be continued to 6 epochs: the loss is not finite in step 9."
    )


def test_a_short_limit_evaluates_one_full_run_or_the_defaults_alone(
    digits: Dataset, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headstart.execution._job import attempt as real

    clock, an_epoch = [0.0], 0.7  # seconds
    stopped: list[Job] = []
    storages: dict[str, MemoryStorage] = {}

    def storage(*place: object) -> MemoryStorage:
        return storages.setdefault(str(place), MemoryStorage())

    monkeypatch.setattr(_storage, "_sqlite_storage", storage)

    def attempt(job: Job, data: SplitDataset) -> Outcome:
        if job.after is not None and not stopped:
            stopped.append(job)
            raise KeyboardInterrupt
        outcome = real(job, data)
        assert outcome.summary is not None
        if outcome.summary.reused:
            return outcome
        seconds = an_epoch * outcome.summary.epochs
        clock[0] += seconds
        times = outcome.summary.seconds.model_copy(update={"train": seconds})
        return replace(outcome, summary=outcome.summary.model_copy(update={"seconds": times}))

    monkeypatch.setattr(_successive_halving, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(
        _search_plan, "expected_seconds", lambda recipe, *_: an_epoch * recipe.epochs
    )
    monkeypatch.setattr("headstart.execution._executors.attempt", attempt)
    data = SplitDataset(digits, small)

    def tune(limit: float) -> dict[str, Any]:
        clock[0] = 0.0
        config = TuningConfig(
            "mlp", values={"epochs": 4.0, "batch": 32}, space=SPACE, time_limit=limit
        )
        folder = tmp_path / f"{limit:g}"
        return dict(run_study(TuningStudy(config), data, folder, started=0.0).as_json())

    finding = tune(9.0)
    names = [contender["name"] for contender in finding["contenders"]]
    assert names in (["tuned", "defaults"], ["defaults"])
    assert [contender["seeds"] for contender in finding["contenders"]] == [[1]] * len(names)
    assert finding["test_reads"] == len(names)
    assert finding["rungs"][1] == {"epochs": 4.0, "trials": len(names)}
    assert finding["seconds"]["total"] <= 9.0
    validation = finding["validation"]["accuracy"]
    assert validation == max(row["validation"]["accuracy"] for row in finding["contenders"])
    assert finding["optimism"]["best_validation"] == validation
    marked = next(trial for trial in finding["trials"] if trial["is_best"])
    assert marked["is_default"] == (finding["best"] == finding["defaults"])
    assert marked["rungs"][1]["accuracy"] == validation
    assert "The time limit left time for one full run" in " ".join(finding["sentences"])

    # More than one full run, but too little for a search: the defaults are continued, also by the
    # same command after an interruption.
    with pytest.raises(KeyboardInterrupt):
        tune(5.5)
    finding = tune(5.5)
    tuned, defaults = finding["contenders"]
    assert [tuned["name"], defaults["name"], defaults["epochs"]] == ["tuned", "defaults", [4]]
    assert 4 < tuned["epochs"][0] <= 7.5 and finding["defaults"]["epochs"] == 4
    scores = [row["validation"]["accuracy"] for row in (tuned, defaults)]
    assert finding["validation"]["accuracy"] == max(scores)
    is_better = scores[0] > scores[1]
    assert finding["best"]["epochs"] == (tuned if is_better else defaults)["epochs"][0]
    assert Path(finding["run"]).name == ("tuned-seed1" if is_better else "defaults-seed1")
    words = " ".join([*finding["sentences"], finding["verdict"]["sentence"]])
    assert (
        "continued after 4 epochs" if is_better else "did not improve the validation score"
    ) in words

    finding = tune(2.8)
    assert [contender["name"] for contender in finding["contenders"]] == ["defaults"]
    assert finding["best"] == finding["defaults"] and len(finding["trials"]) == 1
    assert "too short for a search" in finding["verdict"]["sentence"]
    assert Path(finding["run"]).name == "defaults-seed1"
