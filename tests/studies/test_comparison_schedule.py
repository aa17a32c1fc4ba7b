"""The schedule of a comparison on machines that slow down, simulated with a clock of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart.data import Dataset, Split, SplitDataset
from headstart.errors import InputError, RunFailed
from headstart.models.recipes import Recipe, make_recipe, resolve
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies._comparison_plan import ComparisonPlan
from headstart.studies._comparison_schedule import ComparisonSchedule
from headstart.studies._study import StudyContext
from headstart.studies._time_limit import TimeLimit
from headstart.studies._too_short import proposed_limit, with_time_limit
from headstart.studies._training_rounds import TrainingRounds
from headstart.training import RunCost, TrainingJob

SECONDS_PER_STEP = {"mlp": 0.002, "cnn": 0.03}
SETUP = 0.2
LEAST_CNN = 0.99 * 40 / 6  # epochs
COSTS, ROUNDS = "headstart.studies._entry_costs", "headstart.studies._training_rounds"
Pace = Callable[[float], float]


def steady(_: float) -> float:
    return 1.0


@dataclass
class Machine:
    """A machine with a clock of its own.

    Attributes:
        data: The images of its runs.
        pace: Seconds that one second of work takes at a moment.
        clock: Seconds since the study began.
        failing: Models and seeds whose runs diverge in their third step.
        epochs: Epochs of each run that has ended, by its folder.
        abandoned: Number of runs that were given up.
    """

    data: SplitDataset
    pace: Pace = steady
    clock: float = 2.0
    failing: tuple[tuple[str, int], ...] = ()
    epochs: dict[str, float] = field(default_factory=dict)
    abandoned: int = 0

    def work(self, seconds: float) -> None:
        self.clock += seconds * self.pace(self.clock)

    def steps_per_epoch(self, recipe: Recipe) -> int:
        images = len(self.data.split.train)
        return images // (resolve(recipe, images).batch or 1)

    def train(self, job: TrainingJob) -> Any:
        began = self.clock
        self.work(SETUP)
        recipe = resolve(job.recipe, len(self.data.split.train))
        steps = max(1, round((recipe.epochs or 1) * self.steps_per_epoch(recipe)))
        for done in range(1, steps + 1):
            self.work(SECONDS_PER_STEP[recipe.model])
            if done == 3 and (recipe.model, job.seed) in self.failing:
                raise RunFailed("the gradient is not finite.")
            if job.watch is not None:
                try:
                    job.watch(done, self.clock - began)
                except BaseException:
                    self.abandoned += 1
                    raise
        self.epochs[job.folder.name] = recipe.epochs or 1
        return SimpleNamespace(reused=False)

    def timer(self, recipe: Recipe, data: SplitDataset) -> Any:
        return Timer(self, resolve(recipe, len(data.split.train)))


@dataclass
class Timer:
    """A timer of steps on the simulated machine; see `RunTimer`."""

    machine: Machine
    recipe: Recipe
    times: list[float] = field(default_factory=list)

    def restart(self) -> None:
        self.times = []

    def measure(self) -> None:
        began = self.machine.clock
        for _ in range(5):
            self.machine.work(SECONDS_PER_STEP[self.recipe.model])
        self.times.append((self.machine.clock - began) / 5)

    @property
    def cost(self) -> RunCost:
        step = float(np.median(self.times))
        return RunCost(SETUP, step, 0.0, self.machine.steps_per_epoch(self.recipe))


@dataclass
class Study:
    """A simulated comparison."""

    machine: Machine
    schedule: ComparisonSchedule
    rounds: TrainingRounds

    def epochs_of(self, name: str) -> list[float]:
        entry = next(entry for entry in self.schedule.plan.entries if entry.name == name)
        return [self.machine.epochs[run.name] for run in entry.runs.values()]

    def seeds(self) -> list[tuple[int, ...]]:
        return [tuple(entry.runs) for entry in self.schedule.plan.contenders]


def proposed_seconds(error: InputError) -> float:
    """Return the time limit that a refusal proposes."""
    match = re.fullmatch(r"Pass --time-limit (\d+)([sm]) or more\.", error.hint)
    assert match is not None, error.hint
    return int(match[1]) * {"s": 1, "m": 60}[match[2]]


@pytest.fixture
def machines() -> list[Machine]:
    """The machines of the comparisons of a test, the last one last."""
    return []


@pytest.fixture
def compare(
    digits: Dataset,
    small: Split,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    machines: list[Machine],
) -> Callable[..., Study]:
    """Return a function that compares models on a simulated machine."""
    data = SplitDataset(digits, small)

    def run(
        limit: float,
        pace: Pace = steady,
        seeds: int = 3,
        when_slow: Any = "shorten",
        out: str = "",
        names: tuple[str, ...] = ("mlp", "cnn"),
        failing: tuple[tuple[str, int], ...] = (),
        trained_seeds: int | None = None,
    ) -> Study:
        machine = Machine(data, pace, failing=failing)
        machines.append(machine)
        fake_time = SimpleNamespace(perf_counter=lambda: machine.clock)
        monkeypatch.setattr("headstart.studies._study.time", fake_time)
        monkeypatch.setattr(f"{COSTS}.RunTimer", machine.timer)
        monkeypatch.setattr(f"{ROUNDS}.train", machine.train)
        monkeypatch.setattr(f"{ROUNDS}.store.remove_folder", lambda _: None)
        recipes = {name: make_recipe(name.partition(":")[0]) for name in names}
        entries = [
            ComparisonEntry(name, "contender", recipe, tuple(range(seeds)))
            for name, recipe in recipes.items()
        ]
        context = StudyContext(data, tmp_path / out, 0.0)
        plan = ComparisonPlan(entries, seeds)
        schedule = ComparisonSchedule(plan, TimeLimit(limit, when_slow), context)
        schedule.make_plan()
        rounds = TrainingRounds(schedule)
        for seed in range(seeds if trained_seeds is None else trained_seeds):
            if not rounds.train_seed(seed):
                break
        return Study(machine, schedule, rounds)

    return run


def slow_until(end: float, factor: float) -> Pace:
    return lambda clock: factor if clock < end else 1.0


def slow_from(start: float, factor: float) -> Pace:
    return lambda clock: factor if clock >= start else 1.0


def test_all_seeds_take_the_same_steps_and_the_time_is_spent(
    compare: Callable[..., Study],
) -> None:
    study = compare(60.0)
    assert study.seeds() == [(0, 1, 2), (0, 1, 2)]
    assert study.epochs_of("mlp") == [40, 40, 40]
    cnn = study.epochs_of("cnn")
    assert cnn[0] < 40
    assert len(set(cnn)) == 1
    report = 6.0  # what is reserved for it
    assert 0.9 * 60 <= study.machine.clock + report <= 60
    assert study.rounds.notes() == []


def test_a_run_that_fails_early_is_not_taken_for_a_cheap_one(
    compare: Callable[..., Study],
) -> None:
    planned = compare(60.0, trained_seeds=0, out="planned").schedule
    study = compare(60.0, failing=(("cnn", 0),), trained_seeds=1)
    for before, entry in zip(planned.plan.entries, study.schedule.plan.entries, strict=True):
        seconds = study.schedule.expected_seconds(entry)
        assert seconds == pytest.approx(planned.expected_seconds(before), rel=0.01)
    assert study.seeds() == [(0,), ()]
    assert "seed 0 failed" in study.schedule.plan.contenders[1].failures[0]

    study = compare(60.0, failing=(("cnn", 0),), out="all")
    assert study.seeds() == [(0, 1, 2), (1, 2)]
    assert study.schedule.plan.contenders[1].ended_seeds == [0, 1, 2]
    assert study.machine.clock <= 60


def test_seeds_that_are_not_needed_are_not_blamed_on_the_time_limit(
    compare: Callable[..., Study],
) -> None:
    study = compare(60.0, seeds=3, trained_seeds=2)
    assert study.seeds() == [(0, 1), (0, 1)]
    assert study.rounds.notes() == []


def test_with_enough_time_the_recipes_keep_their_epochs(compare: Callable[..., Study]) -> None:
    study = compare(600.0)
    assert study.epochs_of("cnn") == [40, 40, 40]
    assert [entry.epochs for entry in study.schedule.plan.entries] == [None, None]


def test_a_slow_moment_while_steps_are_timed_does_not_decide(
    compare: Callable[..., Study],
) -> None:
    quiet = compare(60.0, out="quiet")
    study = compare(60.0, slow_until(2.9, 10.0), out="busy")
    assert study.machine.abandoned == 0, "the median of three timings is that of the quiet machine"
    assert study.epochs_of("cnn")[0] == pytest.approx(quiet.epochs_of("cnn")[0], rel=0.15)

    study = compare(60.0, slow_until(8.0, 10.0), out="busier")
    assert study.machine.abandoned >= 1, "its first run showed that the timing was wrong"
    assert study.seeds() == [(0, 1, 2), (0, 1, 2)]
    cnn = study.epochs_of("cnn")
    assert len(set(cnn)) == 1
    assert cnn[0] == pytest.approx(quiet.epochs_of("cnn")[0], rel=0.3)


@pytest.mark.parametrize("names", [("mlp", "cnn"), ("cnn", "mlp")])
def test_a_slow_moment_that_ends_after_a_few_steps_does_not_decide(
    compare: Callable[..., Study], names: tuple[str, ...]
) -> None:
    study = compare(60.0, slow_until(20.0, 100.0), names=names)
    assert study.schedule.plan.left_out == {}, "the steps were timed again before that"
    assert study.schedule.plan.needed_seconds is None
    assert min(study.epochs_of("cnn")) >= LEAST_CNN
    assert study.seeds() == [(0, 1, 2), (0, 1, 2)]
    assert len(set(study.epochs_of("cnn"))) == 1
    assert 0.85 * 60 <= study.machine.clock <= 60
    assert study.rounds.notes() == []


def test_where_the_machine_stays_slow_the_study_is_refused_before_its_runs(
    compare: Callable[..., Study], machines: list[Machine]
) -> None:
    with pytest.raises(InputError, match="too short for a verdict") as refused:
        compare(60.0, lambda _: 15.0)
    assert machines[-1].epochs == {}, "no run was trained for nothing"
    assert machines[-1].clock < 0.3 * 60
    assert "cnn needs about " in refused.value.message
    assert "mlp" not in refused.value.message
    needed = proposed_seconds(refused.value)
    longer = compare(needed, lambda _: 15.0, out="longer")
    assert longer.schedule.plan.planned_seeds == 3
    assert longer.schedule.plan.left_out == {}
    assert needed < 1.6 * longer.machine.clock


def test_of_three_contenders_the_one_without_time_is_left_out_and_the_others_are_compared(
    compare: Callable[..., Study],
) -> None:
    study = compare(25.0, lambda _: 4.0, names=("mlp", "cnn", "mlp:fast"))
    assert list(study.schedule.plan.left_out) == ["cnn"]
    assert study.seeds() == [(0, 1), (0, 1)]
    assert [entry.name for entry in study.schedule.plan.contenders] == ["mlp", "mlp:fast"]
    assert study.schedule.plan.can_decide
    assert study.schedule.plan.needed_seconds is not None
    assert study.machine.clock <= 25.0

    resumed = compare(25.0, names=("mlp", "cnn", "mlp:fast"))
    assert resumed.schedule.plan.left_out == study.schedule.plan.left_out


def test_a_contender_is_left_out_during_its_first_run_if_the_machine_becomes_too_slow(
    compare: Callable[..., Study], machines: list[Machine]
) -> None:
    study = compare(60.0, slow_from(5.6, 40.0))
    assert list(study.schedule.plan.left_out) == ["cnn"]
    assert not study.schedule.plan.can_decide
    assert study.epochs_of("mlp") == [40], "what was trained before stays"
    assert study.rounds.seeds == []
    assert study.machine.clock <= 60

    with pytest.raises(InputError, match="cnn needs about "):
        compare(60.0, slow_from(3.5, 40.0), names=("cnn", "mlp"), out="first")
    assert machines[-1].clock <= 60


def test_a_machine_that_becomes_a_bit_slower_does_not_cost_the_verdict(
    compare: Callable[..., Study],
) -> None:
    study = compare(14.0, slow_from(5.0, 1.4))
    assert study.schedule.plan.left_out == {}
    assert study.epochs_of("cnn")[0] >= LEAST_CNN
    assert study.machine.clock <= 1.1 * 14.0


def test_a_machine_that_slows_down_shortens_all_seeds_alike(
    compare: Callable[..., Study],
) -> None:
    quiet = compare(60.0, out="quiet")
    study = compare(60.0, slow_from(2.7, 2.0), out="busy")
    assert study.seeds() == [(0, 1, 2), (0, 1, 2)]
    cnn = study.epochs_of("cnn")
    assert len(set(cnn)) == 1
    assert 0.25 < cnn[0] / quiet.epochs_of("cnn")[0] < 0.6
    report = 2 * 6.0
    assert 0.9 * 60 <= study.machine.clock + report <= 1.1 * 60


def test_a_machine_that_slows_down_later_costs_the_last_seed_of_all(
    compare: Callable[..., Study],
) -> None:
    study = compare(60.0, slow_from(38.0, 3.0))
    assert study.seeds() == [(0, 1), (0, 1)]
    assert study.machine.clock < 50, "the last run was given up as soon as its pace was known"
    assert len(set(study.epochs_of("cnn"))) == 1
    assert "The time limit left time for 2 of 3 seeds." in study.rounds.notes()


def test_the_study_is_lengthened_on_request(compare: Callable[..., Study]) -> None:
    quiet = compare(60.0, out="quiet")
    study = compare(60.0, slow_from(2.7, 2.0), when_slow="lengthen", out="busy")
    assert study.seeds() == [(0, 1, 2), (0, 1, 2)]
    assert study.epochs_of("cnn") == quiet.epochs_of("cnn")
    assert study.machine.clock > 80
    slow, late = study.rounds.notes()
    assert slow.startswith("The machine became slower: a run took 2.0 times as long")
    assert late.startswith("The study took about ")


def test_a_limit_that_is_too_short_for_all_seeds_costs_seeds_not_the_minimum_of_epochs(
    compare: Callable[..., Study],
) -> None:
    study = compare(14.5)
    cnn = next(entry for entry in study.schedule.plan.entries if entry.name == "cnn")
    assert len(cnn.runs) < 3
    assert study.epochs_of("cnn")[0] >= LEAST_CNN


def test_a_limit_without_time_for_runs_is_refused_with_one_that_has(
    compare: Callable[..., Study],
) -> None:
    with pytest.raises(InputError, match="leaves less than") as refused:
        compare(5.0)
    assert proposed_seconds(refused.value) > 10


def test_a_resumed_study_follows_its_plan(compare: Callable[..., Study]) -> None:
    first = compare(60.0)
    again = compare(60.0, slow_until(100.0, 1.2))
    assert again.epochs_of("cnn") == first.epochs_of("cnn")[: len(again.epochs_of("cnn"))]


@pytest.mark.parametrize("number", range(12))
def test_on_any_machine_all_seeds_take_the_same_steps_and_contenders_share_seeds(
    compare: Callable[..., Study], number: int
) -> None:
    rng = np.random.default_rng(number)
    factors = rng.choice([1.0, 1.0, 1.5, 3.0, 8.0], 100)
    study = compare(45.0, lambda clock: float(factors[min(99, int(clock / 2))]))
    assert study.schedule.plan.left_out == {}
    for name in ("mlp", "cnn"):
        assert len(set(study.epochs_of(name))) == 1
    assert study.epochs_of("cnn")[0] >= LEAST_CNN
    seeds = study.seeds()
    assert seeds[0] == seeds[1]


def test_the_proposed_command_has_another_limit_and_folder() -> None:
    command = "headstart compare 'my data' --time-limit 30s --out 'a b' --seeds 3"
    assert with_time_limit(command, "4m") == "headstart compare 'my data' --seeds 3 --time-limit 4m"
    assert with_time_limit("", "4m") == ""
    assert (proposed_limit(91), proposed_limit(121)) == ("100s", "3m")


def slowed_late(compare: Callable[..., Study], names: tuple[str, ...], factor: float) -> Study:
    """Compare models, the first being `cnn`, on a machine that slows down late in its first run."""
    quiet = compare(60.0, names=names, out="quiet", trained_seeds=0)
    first = quiet.schedule.plan.entries[0]
    begins = quiet.machine.clock + 0.6 * quiet.schedule.expected_seconds(first)
    return compare(60.0, slow_from(begins, factor), names=names)


def test_a_slowdown_late_in_a_first_run_shortens_the_next_contender_before_its_run(
    compare: Callable[..., Study],
) -> None:
    study = slowed_late(compare, ("cnn", "cnn:fast"), 3.5)
    assert study.machine.abandoned == 0, "no run began with a plan that was known to be wrong"
    assert study.seeds() == [(0,), (0,)]
    first, second = study.epochs_of("cnn")[0], study.epochs_of("cnn:fast")[0]
    assert LEAST_CNN < second < 0.9 * first
    assert study.machine.clock <= 60
    notes = study.rounds.notes()
    assert f"cnn:fast was shortened to {second:g} epochs from {first:g}, because the machine " in (
        " ".join(notes)
    )

    resumed = compare(60.0, names=("cnn", "cnn:fast"), trained_seeds=0)
    assert resumed.rounds.notes() == [note for note in notes if "left time for" not in note]
    assert len(resumed.rounds.notes()) == 2
    late = [entry.late_slowdown for entry in study.schedule.plan.entries]
    assert late[0] > 1.2
    assert [entry.late_slowdown for entry in resumed.schedule.plan.entries] == late


def test_a_late_slowdown_after_a_resume_counts_although_nothing_was_timed_before(
    compare: Callable[..., Study],
) -> None:
    names = ("cnn", "cnn:fast")
    planned = compare(60.0, names=names, trained_seeds=0)
    first = planned.schedule.plan.entries[0]
    begins = 2.0 + 0.6 * planned.schedule.expected_seconds(first)
    study = compare(60.0, slow_from(begins, 3.5), names=names)
    assert study.machine.abandoned == 0, "no run began with a plan that was known to be wrong"
    entries = study.schedule.plan.entries
    assert entries[0].late_slowdown > 1.2
    assert LEAST_CNN < study.epochs_of("cnn:fast")[0] < 0.9 * study.epochs_of("cnn")[0]
    assert any(note.startswith("cnn:fast was shortened to") for note in study.rounds.notes())


def test_a_slowdown_late_in_a_first_run_counts_for_its_next_seeds(
    compare: Callable[..., Study],
) -> None:
    study = slowed_late(compare, ("cnn", "mlp"), 2.0)
    assert study.machine.abandoned == 0, "a seed that would end too late is not begun"
    assert study.seeds() == [(0,), (0,)]
    cnn, mlp = study.schedule.plan.entries
    assert cnn.next_duration > 1.2 * cnn.run_durations[0]
    assert mlp.epochs is None, "it completes the epochs of its recipe"
    out_of_time, slow = study.rounds.notes()
    assert out_of_time == "The time limit left time for 1 of 3 seeds."
    assert slow == (
        "The machine became slower: the last steps of a run took 2.0 times as long as timed steps "
        "promised."
    )
