"""Control codes in names: a terminal would obey them, so they are printed as escapes."""

from __future__ import annotations

import io
import json
import sys

import pytest
from rich.table import Table
from rich.text import Text

from headstart import progress
from headstart.cli import _app

# Set the title of the window, clear the screen, and the same with a code of one character.
HOSTILE = "a\x1b]0;owned\x07b\x1b[2Jc\x9b2Jd"
CODES = ("\x1b", "\x07", "\x9b")


def test_a_table_shows_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    def draw(name: str) -> Table:
        table = Table("image", HOSTILE, title=Text(HOSTILE))
        table.add_row(name, Text(name))
        return table

    _app.print_result(HOSTILE, as_json=False, draw=draw)
    out = capsys.readouterr().out
    assert "\\x1b]0;" in out
    assert not any(code in out for code in CODES)


def test_json_has_escapes_and_the_same_value(capsys: pytest.CaptureFixture[str]) -> None:
    _app.print_result({"label": HOSTILE + "ü"}, as_json=True, draw=str)
    out = capsys.readouterr().out
    assert json.loads(out) == {"label": HOSTILE + "ü"}
    assert not any(code in out for code in CODES)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_titles_and_notes_of_bars_have_no_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    progress.show_progress(True)
    with progress.task(f"unpacking [red]{HOSTILE}", 2, "MB") as task:
        task.note(HOSTILE)
        task.advance(2)
        assert not any(code in task.as_line("1 s") for code in CODES)
    shown = terminal.getvalue()
    assert "unpacking [red]a" in shown  # and no markup
    for code in ("\x1b]", "\x07", "\x9b", "\x1b[2J"):
        assert code not in shown
