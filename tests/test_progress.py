"""Progress: silent as a library, plain lines where there is no terminal, a bar with time left where there is one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from headstart import progress


def test_a_library_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.task("reading", 10, "files") as task:
        task.advance(5)
    progress.say("hello")
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_a_line_now_and_then_says_how_much_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    progress.show_progress(True)
    with progress.task("reading", 1000, "files") as task:
        task.note("all well")
        for _ in range(10):
            clock[0] += 3
            task.advance(100)
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.splitlines() == [
        "reading: 400 of 1,000 files, 18 s left; all well",
        "reading: 800 of 1,000 files, 6 s left; all well",
    ]


def test_a_terminal_gets_a_bar_that_follows_a_changed_total() -> None:
    code = (
        "import time; from headstart import progress; progress.show_progress(True)\n"
        "with progress.task('outer', 2, 'runs') as outer:\n"
        "    with progress.task('inner', 100, 'images') as inner:\n"
        "        inner.resize(40); time.sleep(0.6); inner.advance(30); time.sleep(0.3)\n"
        "    outer.advance()\n"
    )
    main, side = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", code],
        stderr=side,
        check=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(side)
    shown = os.read(main, 65536).decode()
    os.close(main)
    assert done.returncode == 0
    assert "outer" in shown and "30/40 images" in shown.replace("\x1b[0m", "").replace(
        "\x1b[32m", ""
    )


def test_a_sign_of_life_is_given_whenever_work_advances() -> None:
    signs: list[int] = []
    progress.on_advance(lambda: signs.append(1))
    try:
        with progress.task("reading", 10, "files") as task:
            task.advance()
            task.advance()
    finally:
        progress.on_advance(None)
    with progress.task("reading", 10, "files") as task:
        task.advance()
    assert len(signs) == 2
