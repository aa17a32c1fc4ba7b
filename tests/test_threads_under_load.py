"""The number of threads of a network beside other work of the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from headstart import progress
from headstart.classifier import (
    _threads,
    choose_threads_again,
    fewer_threads_under_load,
    independent_threads,
    prepare_process,
    suggest_fewer_threads_under_load,
)


@pytest.fixture(autouse=True)
def busy_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pretend that this machine has four busy cores, and that nobody has set its threads."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(_threads, "usable_cores", lambda: 4)
    monkeypatch.setattr(_threads, "best_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(os, "getloadavg", lambda: (3.0, 0.0, 0.0))
    prepare_process()  # once, before the number is set
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def measured(monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float]) -> None:
    """Let a pass take so many seconds with each number of threads."""
    monkeypatch.setattr(
        _threads, "_compare_speeds", lambda first, second: (seconds[first], seconds[second])
    )


def test_the_fastest_number_computes_networks_until_the_block_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured(monkeypatch, {4: 3.0, 2: 2.0, 1: 1.0})
    notes: list[str] = []
    monkeypatch.setattr(progress, "say", notes.append)
    with fewer_threads_under_load():
        assert torch.get_num_threads() == 1
        assert independent_threads() == 4, "batches of their own do not wait for each other"
    assert torch.get_num_threads() == 4
    assert independent_threads() == 4
    assert "networks use 1 of 4 threads, which was 3.0 times as fast" in notes[0]


@pytest.mark.parametrize(
    ("seconds", "threads"),
    [
        ({4: 1.0, 2: 1.0}, 4),
        ({4: 1.2, 2: 1.0, 1: 0.1}, 4),
        ({4: 2.0, 2: 1.0, 1: 1.0}, 2),
    ],
    ids=["equal", "a small gain is noise", "half of them"],
)
def test_threads_are_halved_as_long_as_that_is_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float], threads: int
) -> None:
    measured(monkeypatch, seconds)
    with fewer_threads_under_load():
        assert torch.get_num_threads() == threads


def test_fewer_threads_are_only_suggested_without_a_time_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured(monkeypatch, {4: 3.0, 2: 2.0, 1: 2.0})
    notes: list[str] = []
    monkeypatch.setattr(progress, "say", notes.append)
    suggest_fewer_threads_under_load()
    assert torch.get_num_threads() == 4
    assert "OMP_NUM_THREADS=2 would make training about 1.5 times as fast" in notes[0]


@pytest.mark.parametrize("reason", ["idle", "set by the user", "unknown load"])
def test_nothing_is_measured_without_a_reason(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    def unknown() -> tuple[float, float, float]:
        raise OSError

    if reason == "idle":
        monkeypatch.setattr(os, "getloadavg", lambda: (1.0, 9.0, 9.0))
    elif reason == "unknown load":
        monkeypatch.setattr(os, "getloadavg", unknown)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", "4")
    measured(monkeypatch, {})
    with fewer_threads_under_load():
        assert torch.get_num_threads() == 4


def test_a_run_inside_a_study_keeps_the_number_of_the_study(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured(monkeypatch, {4: 2.0, 2: 1.0, 1: 1.0})
    with fewer_threads_under_load():
        measured(monkeypatch, {2: 2.0, 1: 1.0})
        with fewer_threads_under_load():
            assert torch.get_num_threads() == 2
            assert independent_threads() == 4


def test_a_run_inside_a_study_on_an_idle_machine_does_not_measure_the_study(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured(monkeypatch, {})
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    with fewer_threads_under_load():
        monkeypatch.setattr(os, "getloadavg", lambda: (4.0, 0.0, 0.0))
        with fewer_threads_under_load():
            assert torch.get_num_threads() == 4


def test_the_number_is_chosen_again_when_the_machine_becomes_busy_and_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured(monkeypatch, {4: 2.0, 2: 1.0, 1: 1.0})
    assert not choose_threads_again(), "only in a block"
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    with fewer_threads_under_load():
        assert torch.get_num_threads() == 4
        with fewer_threads_under_load():
            assert choose_threads_again()
        assert torch.get_num_threads() == 2, "also after the run in which it was chosen"
        assert not choose_threads_again()
        measured(monkeypatch, {4: 1.0, 2: 1.0})
        assert choose_threads_again()
        assert torch.get_num_threads() == 4
        monkeypatch.setenv("OMP_NUM_THREADS", "4")
        measured(monkeypatch, {})
        assert not choose_threads_again()
    assert torch.get_num_threads() == 4


def test_the_number_is_restored_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, {4: 2.0, 2: 1.0, 1: 1.0})
    with pytest.raises(ValueError, match="stop"), fewer_threads_under_load():
        assert torch.get_num_threads() == 2
        raise ValueError("stop")
    assert torch.get_num_threads() == 4


def test_both_numbers_are_timed_in_turns() -> None:
    with progress.muted():
        seconds = _threads._compare_speeds(2, 1)
    assert all(0 < value < 5 for value in seconds)
