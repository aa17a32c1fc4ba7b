"""The lock of a folder follows its living owner: paused or killed, whatever the time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headstart import store
from headstart.errors import ResourceError
from headstart.store import _locks

OWNER = """
import sys, time
from pathlib import Path
from headstart import store
with store.claim(Path(sys.argv[1])):
    print("claimed", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Return a process that holds the lock of the folder `run`."""
    words = [sys.executable, "-c", OWNER, str(tmp_path / "run")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "claimed\n"
        yield process
        process.kill()


def test_a_paused_owner_keeps_its_lock_and_a_killed_one_leaves_none(
    owner: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_locks, "_RELEASE_SECONDS", 0.2)
    owner.send_signal(signal.SIGSTOP)
    lock = tmp_path / "run" / _locks.LOCK_FILE
    os.utime(lock, (0, 0))  # as old as it can be
    with pytest.raises(ResourceError, match=f'"pid": {owner.pid}'), store.claim(tmp_path / "run"):
        pass

    owner.kill()
    owner.wait()
    with store.claim(tmp_path / "run"):  # although the file names the dead owner
        assert str(os.getpid()) in lock.read_text()
    assert store.lock_owner(tmp_path / "run") is None
