"""Grids on machines that change their pace, simulated with a clock of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headstart.data import Dataset, Split, SplitDataset
from headstart.errors import RunFailed
from headstart.models.recipes import make_recipe
from headstart.studies._grid import Grid, Variant
from headstart.studies._grid_plan import plan_grid
from headstart.studies._grid_runs import run_grid
from headstart.studies._study import StudyContext

EPOCHS = 12.0


class SlowExecutor:
    """An executor whose runs take a second per epoch, times the pace of the moment."""

    slots = 1

    def __init__(self, clock: list[float], pace: Callable[[float], float]) -> None:
        self.clock, self.pace = clock, pace
        self.waiting: list[Any] = []
        self.epochs: dict[str, float] = {}

    def submit(self, job: Any) -> None:
        self.waiting.append(job)

    def next_done(self) -> Any:
        job = self.waiting.pop(0)
        seconds = (job.recipe.epochs or 1) * self.pace(self.clock[0])
        is_reused = self.epochs.get(job.folder.name) == job.recipe.epochs
        if not is_reused:
            self.clock[0] += seconds
        self.epochs[job.folder.name] = job.recipe.epochs
        spent = SimpleNamespace(total=seconds, prepare=0.0)
        summary = SimpleNamespace(seconds=spent, reused=is_reused)
        return SimpleNamespace(job=job, summary=summary, reason=None, message="")


@pytest.fixture
def train_grid(
    digits: Dataset, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Grid, SlowExecutor]]:
    """Return a function that trains three variants with three seeds on a simulated machine."""
    data = SplitDataset(digits, small)

    def run(
        limit: float, timed: float, pace: Callable[[float], float], when_slow: Any = "shorten"
    ) -> tuple[Grid, SlowExecutor]:
        clock = [0.0]
        fake_time = SimpleNamespace(perf_counter=lambda: clock[0])
        monkeypatch.setattr("headstart.studies._study.time", fake_time)
        monkeypatch.setattr("headstart.studies._grid_plan.expected_seconds", lambda *_: timed)
        monkeypatch.setattr("headstart.studies._grid_runs.store.remove_folder", lambda _: None)
        variants = [
            Variant(f"lr-{rate:g}", make_recipe("mlp", {"epochs": EPOCHS, "lr": rate}))
            for rate in (0.01, 0.02, 0.03)
        ]
        context = StudyContext(data, tmp_path, 0.0)
        grid = Grid(variants, (0, 1, 2))
        grid = plan_grid(grid, context, limit, 1, when_slow=when_slow)
        executor = SlowExecutor(clock, pace)
        run_grid(grid, executor, tmp_path, "lr")
        return grid, executor

    return run


def test_on_a_steady_machine_the_plan_is_kept(
    train_grid: Callable[..., tuple[Grid, SlowExecutor]],
) -> None:
    grid, executor = train_grid(130.0, EPOCHS, lambda _: 1.0)
    assert (grid.seeds, grid.notes) == ((0, 1, 2), [])
    assert set(executor.epochs.values()) == {EPOCHS}
    assert executor.clock[0] == pytest.approx(108)


def test_a_slow_moment_while_recipes_are_timed_costs_one_run(
    train_grid: Callable[..., tuple[Grid, SlowExecutor]],
) -> None:
    grid, executor = train_grid(130.0, 10 * EPOCHS, lambda _: 1.0)
    assert grid.seeds == (0, 1, 2)
    assert set(executor.epochs.values()) == {EPOCHS}
    assert executor.clock[0] <= 130


def test_a_machine_that_slows_down_costs_the_last_seed_of_all_variants(
    train_grid: Callable[..., tuple[Grid, SlowExecutor]],
) -> None:
    grid, executor = train_grid(130.0, EPOCHS, lambda clock: 1.0 if clock < 50 else 2.0)
    assert grid.seeds == (0, 1)
    assert {tuple(variant.runs) for variant in grid.variants} == {(0, 1)}
    assert "The time limit left time for 2 of 3 seeds." in grid.notes
    assert executor.clock[0] <= 1.1 * 130


def test_a_grid_is_lengthened_on_request(
    train_grid: Callable[..., tuple[Grid, SlowExecutor]],
) -> None:
    grid, executor = train_grid(130.0, EPOCHS, lambda _: 2.0, "lengthen")
    assert grid.seeds == (0, 1, 2)
    assert executor.clock[0] == pytest.approx(216)
    slow, late = grid.notes
    assert slow == (
        "The machine became slower: runs took 2.0 times as long as timed steps promised."
    )
    assert late.startswith("The study took about ")


def test_where_all_runs_fail_the_study_fails(
    train_grid: Callable[..., tuple[Grid, SlowExecutor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: SlowExecutor) -> Any:
        job = self.waiting.pop(0)
        return SimpleNamespace(job=job, summary=None, reason="memory", message="too little")

    monkeypatch.setattr(SlowExecutor, "next_done", fail)
    with pytest.raises(RunFailed, match="no run of the study finished: too little"):
        train_grid(130.0, EPOCHS, lambda _: 1.0)
