"""Machines at their limits: a message and status 3, before work is lost."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from headstart.training import _run

Command = Callable[..., tuple[int, str, str]]
TRAIN = ("train", "digits", "--model", "mlp", "--nodes", "32", "--train-images", "100")
# What Python itself needs, and far less than torch does.
MEMORY_BYTES = 400 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not limit address space")
def test_a_process_that_may_not_load_torch_ends_with_status_3(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

    ended = subprocess.run(
        [sys.executable, "-m", "headstart", *TRAIN, "--out", str(tmp_path / "run")],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3, ended.stderr
    assert "headstart: not enough memory." in ended.stderr and "Traceback" not in ended.stderr


def test_a_disk_without_space_for_checkpoints_is_reported_before_the_first_step(
    headstart: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*_: object) -> None:
        pytest.fail("the run has begun")

    def plan_and_fill(*arguments: object) -> object:
        planned = plan(*arguments)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=64 << 20))
        return planned

    plan = vars(_run)["plan_run"]
    monkeypatch.setattr(_run, "fit", fit)
    monkeypatch.setattr(_run, "plan_run", plan_and_fill)
    status, _, err = headstart(*TRAIN, "--out", "run")
    assert status == 3 and "run needs" in err


def test_control_codes_in_names_do_not_reach_the_terminal(headstart: Command) -> None:
    status, _, err = headstart("train", "nowhere\x1b]0;owned\x07", "--model", "mlp")
    assert status == 2
    assert "nowhere\\x1b]0;owned\\x07" in err and "\x1b" not in err
