"""The short form of `make faults`: a sample of the faults, which must find no problem."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("run_faults.py")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the paths of open files are read from /proc")
def test_a_sample_of_the_faults_loses_nothing() -> None:
    ended = run(
        *("--workloads", "train", "download"),
        *("--modes", "kill", "term-twice", "eio", "enospc-forever", "short-write", "file-size"),
        *("--every", "50", "--states", "2000", "--most", "5"),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "train: short-write" in ended.stdout
    assert "download: power loss, distinct and resumed" in ended.stdout
