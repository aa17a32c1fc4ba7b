"""Trials that several machines share.

Another machine finishes the trials of a dead one. Those of a living one are left alone.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from headstart.models.recipes import make_recipe
from headstart.studies.tune import _storage
from headstart.studies.tune._space import make_space
from headstart.studies.tune._storage import Trials, TrialStorage


def _search(url: str, folder: Path) -> Trials:
    """The shared search, as a machine with this folder sees it."""
    space = make_space("mlp", {"nodes": [16, 32, 64]}, {})
    return TrialStorage(url, "study", folder).trials("rung0", space, make_recipe("mlp"), 0)


def test_the_trials_of_a_dead_machine_are_taken_over_and_count_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_storage, "DEAD_AFTER_SECONDS", 0.2)
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    one, two = (_search(url, tmp_path / name) for name in ("one", "two"))
    begun = one.generation(2, 4)
    assert [trial.number for trial in begun] == [0, 1]
    one.done(begun[0], 0.5, {})

    own = two.generation(2, 4)  # a first look: nobody is known to be dead
    assert 1 not in [trial.number for trial in own]
    time.sleep(0.3)
    one.send_heartbeat()
    assert two.generation(2, 4) == []  # the machine lives

    time.sleep(0.3)  # and now it is silent
    (adopted,) = two.generation(2, 4)
    assert (adopted.number, adopted.values) == (1, begun[1].values)
    two.done(adopted, 0.25, {"run": "two"})
    one.done(begun[1], 0.75, {"run": "one"})  # It was not dead. The first result stays.
    assert [trial.number for trial in two.all()] == [0, 1, 2, 3]
    assert two.all()[1].facts["loss"] == 0.25


def test_a_machine_that_comes_too_late_runs_no_trial_that_nobody_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optuna draws a trial if the last one that waited was taken at the same moment."""
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    one, two = (_search(url, tmp_path / name) for name in ("one", "two"))
    for nodes in (16, 32):
        one.add({"nodes": nodes})
    taken_by_one: list[int] = []

    look = two._is_one_waiting

    def look_before_the_other_takes_all() -> bool:
        is_one_waiting = look()
        taken_by_one.extend(trial.number for trial in one.take_added())
        return is_one_waiting

    monkeypatch.setattr(two, "_is_one_waiting", look_before_the_other_takes_all)
    assert two.take_added() == []
    assert taken_by_one == [0, 1]
    assert [trial.values["nodes"] for trial in two.all()] == [16, 32]
    assert one.take_added() == []
