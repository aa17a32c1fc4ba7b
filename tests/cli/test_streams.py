"""Readers that go away: only a closed standard output ends a command, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from headstart import api

Command = Callable[..., tuple[int, str, str]]
PROGRAM = [sys.executable, "-m", "headstart"]


def _closed_pipe() -> int:
    """Return the end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def test_a_closed_output_ends_a_command_quietly() -> None:
    output = _closed_pipe()
    ended = subprocess.run([*PROGRAM, "--help"], stdout=output, stderr=subprocess.PIPE, check=False)
    os.close(output)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_closed_messages_end_no_work() -> None:
    messages = _closed_pipe()
    code = (
        "import sys; from headstart.cli._streams import prepare_streams; prepare_streams();"
        "[print('message', file=sys.stderr, flush=True) for _ in range(3)]; print('done')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=messages, check=False
    )
    os.close(messages)
    assert (ended.returncode, ended.stdout) == (0, b"done\n")


def test_a_connection_closed_by_a_tracker_is_reported(
    headstart: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_connection(*_: object, **__: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(api, "runs", lose_connection)
    status, out, err = headstart("runs", ".")
    assert (status, out) == (3, "")
    assert "a connection was closed by the other side" in err
