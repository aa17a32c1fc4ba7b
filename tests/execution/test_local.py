"""Local processes: one that dies, hangs or needs too much memory costs only its own run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from small_runs import LONG, is_alive, job, one_thread, trainer, wait_for, weights

from headstart.data import Dataset, Split, SplitDataset
from headstart.execution import Executor, Outcome, Where, _local as local, open_executor, run_all
from headstart.execution._shared_images import share_images
from headstart.formatting import counted
from headstart.store import claim, read_json
from headstart.training import TrainingJob, train

Data = tuple[Dataset, Split]


def meanwhile(do: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    return thread


def both(executor: Executor, folder: Path) -> dict[str, Outcome]:
    """A run without end, and one run after the other beside it."""
    jobs = [job(folder, "long", **LONG), *(job(folder, f"short{seed}", seed) for seed in range(4))]
    return {outcome.job.name: outcome for outcome in run_all(executor, jobs)}


@pytest.mark.slow
def test_a_killed_worker_is_a_crashed_run_and_the_others_go_on(data: Data, tmp_path: Path) -> None:
    meanwhile(lambda: os.kill(wait_for(lambda: trainer(tmp_path / "long")), signal.SIGKILL))
    with open_executor(Where(workers=2), SplitDataset(*data)) as executor:
        found = both(executor, tmp_path)
        assert found.pop("long").reason == "crashed"
        assert [outcome.reason for outcome in found.values()] == [None] * 4
        (outcome,) = run_all(executor, [job(tmp_path, "afterwards")])
    assert outcome.reason is None


@pytest.mark.slow
def test_a_worker_that_stands_still_is_killed_and_its_run_is_hung(
    data: Data, tmp_path: Path
) -> None:
    stopped = []

    def stop() -> None:
        stopped.append(wait_for(lambda: trainer(tmp_path / "long")))
        os.kill(stopped[0], signal.SIGSTOP)

    meanwhile(stop)
    with open_executor(Where(workers=2, hung_seconds=10), SplitDataset(*data)) as executor:
        found = both(executor, tmp_path)
    outcome = found.pop("long")
    assert outcome.reason == "hung" and "no progress for 10 s" in outcome.message
    assert not is_alive(stopped[0])
    assert [outcome.reason for outcome in found.values()] == [None] * 4


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such limit")
def test_a_run_over_its_memory_fails_and_a_smaller_one_passes(data: Data, tmp_path: Path) -> None:
    jobs = [job(tmp_path, "large", model="cnn", nodes=1024, layers=3), job(tmp_path, "small")]
    with open_executor(Where(workers=2, memory_gb=1.5), SplitDataset(*data)) as executor:
        found = {outcome.job.name: outcome for outcome in run_all(executor, jobs)}
    assert found["small"].reason is None, found["small"].message
    assert found["large"].reason == "memory", found["large"].message


def test_a_worker_that_cannot_start_says_its_last_words(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_BOOT", "raise SystemExit('no such place: {path[0]}')")
    with open_executor(Where(workers=2), SplitDataset(*data)) as executor:
        (outcome,) = run_all(executor, [job(tmp_path)])
    assert outcome.reason == "crashed"
    assert "exit status 1" in outcome.message and "no such place" in outcome.message


# What a user writes: no `if __name__ == "__main__"`, and nothing may be done twice.
SCRIPT = """
import sys
from pathlib import Path
import headstart
import headstart.errors
from headstart.data import SplitDataset
from headstart.execution import Job, Where, open_executor, run_all
from headstart.models.recipes import make_recipe

print("begins")
dataset = headstart.load("digits")
split = headstart.split(dataset, train_images=100)
epochs = float(sys.argv[2])
recipe, folder = make_recipe("mlp", {"epochs": epochs, "nodes": 32}), Path(sys.argv[1])
jobs = [Job(f"r{seed}", recipe, seed, folder / f"r{seed}") for seed in (0, 1)]
try:
    with open_executor(Where(workers=2), SplitDataset(dataset, split)) as executor:
        for outcome in run_all(executor, jobs):
            print(outcome.job.name, outcome.reason, outcome.summary.resumed)
except headstart.errors.Stopped as stopped:
    sys.exit(f"{stopped.exit_code}: {stopped}")
"""


def start_script(folder: Path, cache: Path, epochs: float) -> subprocess.Popen[str]:
    """Start the script, with this many epochs per run, in the runs/ of a folder."""
    (folder / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(folder / "script.py"), str(folder / "runs"), str(epochs)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cache)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )


class StoppedStudy(NamedTuple):
    """A script that was stopped by SIGTERM and started again.

    Attributes:
        runs: The folders of its two runs.
        is_stopped: Which of them were in progress. On a busy machine, one may end before the other
            is saved for the first time.
        workers: Process ids of the stopped workers.
        stopped_stderr: What the stopped script wrote to stderr.
        stdout: What the script wrote when it was started again.
        stderr: The same for stderr.
    """

    runs: list[Path]
    is_stopped: list[bool]
    workers: list[int]
    stopped_stderr: str
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def stopped_study(tmp_path_factory: pytest.TempPathFactory, digits_cache: Path) -> StoppedStudy:
    folder = tmp_path_factory.mktemp("stopped")
    runs = [folder / "runs" / f"r{seed}" for seed in (0, 1)]
    with start_script(folder, digits_cache, 300) as study:
        workers = [
            wait_for(lambda run=run: (run / "checkpoint").exists() and trainer(run))  # type: ignore[misc]
            for run in runs
        ]
        study.send_signal(signal.SIGTERM)
        _, stopped_stderr = study.communicate(timeout=120)
    is_stopped = [not (run / "metrics.json").exists() for run in runs]
    stdout, stderr = start_script(folder, digits_cache, 300).communicate(timeout=120)
    return StoppedStudy(runs, is_stopped, workers, stopped_stderr, stdout, stderr)


@pytest.mark.slow
def test_a_script_without_a_guard_runs_once_and_its_workers_are_silent(
    stopped_study: StoppedStudy,
) -> None:
    assert stopped_study.stdout.splitlines().count("begins") == 1
    assert stopped_study.stderr == ""
    assert read_json(stopped_study.runs[0] / "environment.json")["threads"] == 1


@pytest.mark.slow
def test_workers_of_a_killed_study_end_and_free_their_folders(
    tmp_path: Path, digits_cache: Path
) -> None:
    runs = [tmp_path / "runs" / f"r{seed}" for seed in (0, 1)]
    with start_script(tmp_path, digits_cache, 10000) as study:
        workers = [wait_for(lambda run=run: trainer(run)) for run in runs]  # type: ignore[misc]
        study.kill()
    wait_for(lambda: not any(map(is_alive, workers)))
    for run in runs:
        with claim(run):
            pass


@pytest.mark.slow
def test_a_stopped_study_saves_its_runs_and_resumes_them(stopped_study: StoppedStudy) -> None:
    is_stopped = stopped_study.is_stopped
    assert any(is_stopped)
    in_progress = counted(sum(is_stopped), "run")
    assert stopped_study.stopped_stderr.startswith(f"143: stopped with {in_progress} in progress")
    assert not any(map(is_alive, stopped_study.workers))
    expected = [f"r{number} None {is_resumed}" for number, is_resumed in enumerate(is_stopped)]
    assert sorted(stopped_study.stdout.splitlines()[1:]) == expected


def test_images_in_memory_are_shared_without_a_name(data: Data, tmp_path: Path) -> None:
    dataset, split = data
    in_memory = replace(dataset, images=np.array(dataset.images))
    with one_thread(), open_executor(Where(workers=2), SplitDataset(in_memory, split)) as executor:
        (outcome,) = run_all(executor, [job(tmp_path)])
        assert outcome.reason is None
        train(TrainingJob(outcome.job.recipe, SplitDataset(dataset, split), 0, tmp_path / "direct"))
    assert weights(tmp_path / "run") == weights(tmp_path / "direct")


def test_a_map_is_found_by_its_file_and_a_part_of_one_is_copied(data: Data) -> None:
    images = data[0].images
    for wanted, is_copied in (
        (images, False),
        (images[5:], True),
        (images[:, ::-1], True),
        (np.asarray(images), True),
    ):
        shared, file = share_images(wanted)
        assert (file is not None) == is_copied
        assert np.array_equal(shared.map(), wanted) and not shared.map().flags.writeable
        if file is not None:
            file.close()


def test_workers_share_the_cores_unless_the_user_gave_fewer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for said, cores, wanted in (
        ("", 4, "4"),
        ("2", 4, "2"),
        ("8", 4, "4"),
        ("many", 4, "4"),
        ("0", 4, "4"),
    ):
        monkeypatch.setenv("OMP_NUM_THREADS", said)
        assert local._threads(cores) == wanted
