"""Progress output: none from a library, plain lines without a terminal, and bars on one."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from headstart import progress


def test_a_library_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.task("reading", 10, "files") as task:
        task.advance(5)
    progress.say("hello")
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_a_line_every_ten_seconds_gives_the_time_left(
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


def terminal_output(code: str, columns: int) -> str:
    """Return what code prints on stderr where that is a terminal, without colours."""
    terminal, stderr = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", f"import time; from headstart import progress\n{code}"],
        stderr=stderr,
        check=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": str(columns)},
    )
    os.close(stderr)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)


def test_a_terminal_gets_a_bar_that_follows_a_changed_total() -> None:
    code = (
        "progress.show_progress(True)\n"
        "with progress.task('outer', 2, 'runs') as outer:\n"
        "    with progress.task('inner', 100, 'images') as inner:\n"
        "        inner.resize(40); time.sleep(0.6); inner.advance(30); time.sleep(0.3)\n"
        "    outer.advance()\n"
    )
    shown = terminal_output(code, columns=120)
    assert "outer" in shown and "30/40 images" in shown


def test_the_whole_note_is_visible_on_80_columns() -> None:
    note = "epoch 12: loss 0.012, accuracy 100.00%, validation 98.75%, 12,345 images/s"
    code = (
        "progress.show_progress(True)\n"
        "with progress.task('efficientnet-lite0, seed 0', 60000, 'images') as task:\n"
        f"    task.advance(30000); task.note({note!r}); time.sleep(0.3)\n"
    )
    shown = terminal_output(code, columns=80)
    assert note in shown
    assert "30000/60000 images" in shown


def test_a_line_says_what_the_program_waits_for_and_is_erased() -> None:
    code = (
        "progress.show_progress(True)\n"
        "with progress.waiting('loading'):\n"
        "    time.sleep(0.1)\n"
        "progress.say('loaded')\n"
    )
    assert terminal_output(code, columns=80) == f"loading …\r{' ' * 9}\rloaded\r\n"


def test_a_study_says_that_it_loads_pytorch_before_it_reads_data() -> None:
    words = ["headstart", "lr", "digits", "--folds", "3", "--test", "0.2"]
    code = (
        f"import sys; from headstart.cli import main; sys.argv = {words}\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert end.code == 2\n"
    )
    shown = terminal_output(code, columns=80)
    assert shown.startswith("loading PyTorch …\r") and "folds test every image" in shown


def test_the_registered_function_is_called_whenever_work_advances() -> None:
    calls: list[int] = []
    progress.on_advance(lambda: calls.append(1))
    try:
        with progress.task("reading", 10, "files") as task:
            task.advance()
            task.advance()
    finally:
        progress.on_advance(None)
    with progress.task("reading", 10, "files") as task:
        task.advance()
    assert len(calls) == 2
