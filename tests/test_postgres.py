"""The server that tests of shared storage use."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TRIALS = """
import sys
import optuna
storage = optuna.storages.RDBStorage(sys.argv[1])
study = optuna.load_study(study_name="shared", storage=storage)
for _ in range(10):
    trial = study.ask()
    study.tell(trial, (trial.suggest_float("x", -1, 1) - 0.3) ** 2)
storage.remove_session()
storage.engine.dispose()
"""
SERVE = """
import sys, time
sys.path.insert(0, sys.argv[1])
from postgres import installed, server
with server(installed) as url:
    print(url, flush=True)
    time.sleep(60)
"""


def test_two_processes_share_a_study_and_count_every_trial_once(postgres_url: str) -> None:
    optuna = pytest.importorskip("optuna")
    storage = optuna.storages.RDBStorage(postgres_url)
    study = optuna.create_study(study_name="shared", storage=storage)
    words = [sys.executable, "-W", "error", "-c", TRIALS, postgres_url]
    workers = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for worker in workers:
        _, said = worker.communicate(timeout=120)
        assert worker.returncode == 0, said
    assert [trial.number for trial in study.trials] == list(range(20))
    assert all(trial.state.name == "COMPLETE" for trial in study.trials)
    storage.remove_session()
    storage.engine.dispose()


def test_the_server_and_its_files_go_when_the_tests_are_killed(postgres_url: str) -> None:
    """`postgres_url` is asked for so that this test skips where there is no server."""
    words = [sys.executable, "-c", SERVE, str(Path(__file__).parent)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        folder = Path(tests.stdout.readline().partition("host=")[2].partition("&")[0])
        assert (folder / "data").is_dir()
        tests.send_signal(signal.SIGKILL)
    until = time.monotonic() + 20
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not folder.exists()
