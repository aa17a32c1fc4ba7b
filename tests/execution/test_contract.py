"""The contract of all executors: equal runs, equal messages of failures, one outcome per job."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from small_runs import job, one_thread, weights

from headstart.data import Dataset, Split, SplitDataset
from headstart.errors import InputError, ResourceError
from headstart.execution import Executor, Job, Where, open_executor, run_all
from headstart.store import claim
from headstart.training import TrainingJob, list_runs, train

WHERES = {"this process": Where(), "local processes": Where(workers=2), "ray": Where(ray="auto")}


@pytest.fixture(
    scope="module",
    params=["this process", "local processes", pytest.param("ray", marks=pytest.mark.slow)],
)
def executor(request: pytest.FixtureRequest, data: tuple[Dataset, Split]) -> Iterator[Executor]:
    if request.param == "ray" and find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    with one_thread(), open_executor(WHERES[request.param], SplitDataset(*data)) as opened:
        yield opened


def test_all_jobs_come_back_once_with_what_train_returns(
    executor: Executor, tmp_path: Path
) -> None:
    jobs = [job(tmp_path, f"r{seed}", seed) for seed in range(5)]
    found = {outcome.job.name: outcome for outcome in run_all(executor, jobs)}
    assert sorted(found) == [job.name for job in jobs]
    for one in jobs:
        outcome = found[one.name]
        assert outcome.job is one and outcome.reason is None and outcome.summary is not None
        assert outcome.summary.run == str(one.folder)
        assert not outcome.summary.reused and outcome.summary.seed == one.seed
        assert outcome.summary.test is not None and outcome.summary.test.n == 270
    assert [run["state"] for run in list_runs(tmp_path)] == ["finished"] * 5
    again = list(run_all(executor, jobs))
    assert all(outcome.summary and outcome.summary.reused for outcome in again)


def test_the_weights_are_those_of_train_whatever_the_order(
    executor: Executor, data: tuple[Dataset, Split], tmp_path: Path
) -> None:
    values: dict[str, Any] = {"model": "cnn", "rotation": 10, "dropout": 0.2}
    jobs = [job(tmp_path, f"r{seed}", seed, **values) for seed in (0, 1)]
    other = [job(tmp_path / "other", f"r{seed}", seed, **values) for seed in (1, 0)]
    assert all(outcome.reason is None for outcome in run_all(executor, [*jobs, *other]))
    for one in jobs:
        train(
            TrainingJob(one.recipe, SplitDataset(*data), one.seed, tmp_path / "direct" / one.name)
        )
        assert (
            weights(one.folder)
            == weights(tmp_path / "direct" / one.name)
            == weights(tmp_path / "other" / one.name)
        )
        files = [
            {path.name for path in run.rglob("*")}
            for run in (one.folder, tmp_path / "direct" / one.name)
        ]
        assert files[0] == files[1]


def test_a_run_that_fails_says_why_and_the_others_go_on(executor: Executor, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "love.txt").write_text("not a run")
    jobs = [
        job(tmp_path, "good"),
        job(tmp_path, "diverging", optimizer="sgd", lr=100.0, momentum=0.99, epochs=3),
        job(tmp_path, "letters"),
        job(tmp_path, "patient", patience=3, epochs=2),
    ]
    found = {outcome.job.name: outcome for outcome in run_all(executor, jobs)}
    assert {name: outcome.reason for name, outcome in found.items()} == {
        "good": None,
        "diverging": "not finite",
        "letters": "input",
        "patient": None,
    }
    assert (
        found["diverging"].summary is None
        and "Try a lower learning rate" in found["diverging"].message
    )
    assert "love.txt" in found["letters"].message
    assert (tmp_path / "letters" / "love.txt").read_text() == "not a run"


def test_a_folder_in_use_is_no_failed_run(executor: Executor, tmp_path: Path) -> None:
    with claim(tmp_path / "run"), pytest.raises(ResourceError, match="in use"):
        list(run_all(executor, [job(tmp_path)]))
    assert [outcome.reason for outcome in run_all(executor, [job(tmp_path)])] == [None]


def test_waiting_for_nothing_is_an_error(executor: Executor) -> None:
    with pytest.raises(LookupError, match="no run was submitted"):
        executor.next_done()


def test_the_next_job_is_asked_for_only_when_there_is_a_slot(
    executor: Executor, tmp_path: Path
) -> None:
    asked = 0

    def jobs() -> Iterator[Job]:
        nonlocal asked
        for asked in range(1, 5):
            yield job(tmp_path, f"r{asked}", asked)

    for done, _ in enumerate(run_all(executor, jobs())):
        assert asked <= done + executor.slots
    assert asked == 4


@pytest.mark.parametrize(
    "wrong",
    [{"workers": 0}, {"workers": 2, "ray": "auto"}, {"memory_gb": 0.0}, {"hung_seconds": -1.0}],
)
def test_a_where_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Where(**wrong)  # type: ignore[arg-type]


def test_a_bug_in_a_run_is_an_outcome_with_its_place(
    data: tuple[Dataset, Split], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("colour")

    for error, reason, words in (
        (broken, "error", "KeyError: 'colour' ("),
        (_no_memory, "memory", "not enough memory"),
    ):
        monkeypatch.setattr("headstart.training.train", error)
        with open_executor(Where(), SplitDataset(*data)) as executor:
            (outcome,) = run_all(executor, [job(tmp_path)])
        assert outcome.reason == reason and words in outcome.message


def _no_memory(*_: object) -> None:
    raise MemoryError


def test_importing_the_room_imports_nothing_heavy() -> None:
    code = (
        "import sys, headstart.execution\n"
        "print(sorted({'torch', 'ray', 'optuna'} & set(sys.modules)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )
