"""The live view of a folder of runs: a page on this machine, a table, or one snapshot."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from headstart import progress

if TYPE_CHECKING:
    from headstart.report import Watcher
    from headstart.results import JsonObject

_SECONDS_BETWEEN_TABLES = 2.0
_POLL_SECONDS = 0.2
_LINES_WITHOUT_ROWS = 6  # of the table: its head, the number of hidden rows, and space below


def watch(
    folder: str | Path = "runs",
    *,
    port: int = 0,
    browser: bool = True,
    on_address: Callable[[str], None] | None = None,
) -> None:
    """Serve a live page of the runs and studies in a folder, until Ctrl-C is pressed.

    The page shows live curves, the trials of a search and the time left. It compares two runs, and
    stops and resumes commands. It can be reached from this machine only, with the token in its
    address.

    Args:
        folder: The folder, including subfolders.
        port: The port; 0 for a free one.
        browser: Whether to open the page in the browser, if the command runs in a terminal.
        on_address: Function that receives the address of the page when it is served. By default
            the address is printed on stderr.

    Raises:
        InputError: There is no such folder.
        ResourceError: The port is in use or forbidden.
    """
    from headstart.report import WatchServer, open_browser, serve_until_stopped

    def announce(address: str) -> None:
        progress.warn(f"Watching {folder}: {address}\n  End with Ctrl-C. Runs continue without it.")
        if browser:
            open_browser(address)

    serve_until_stopped(WatchServer(Path(folder), port), on_address or announce)


def watch_snapshot(folder: str | Path = "runs") -> JsonObject:
    """Return the runs and studies in a folder now, in progress and finished.

    Args:
        folder: The folder, including subfolders.

    Returns:
        `folder`, and `runs` with one object per run or study: `id` (its path in the folder),
        `kind`, `verb`, `state` (running, unfinished, finished or damaged), `parent` (the study of
        a run), `model`, `seed`, `data`, `changed`, `fraction`, `progress`, `seconds`,
        `seconds_left`, `ends`, `time_limit`, `validation`, `test`, `sentence`, `problem`,
        `has_report`, `can_stop`, `can_resume` and `command`.

    Raises:
        InputError: There is no such folder.
    """
    from headstart.report import Watcher

    return Watcher(Path(folder)).snapshot().as_json()


def watch_in_terminal(folder: str | Path = "runs") -> None:
    """Show a live table of the runs and studies in a folder, until Ctrl-C is pressed.

    If the output is not a terminal, the table is printed once.

    Args:
        folder: The folder, including subfolders.

    Raises:
        InputError: There is no such folder.
    """
    from rich.console import Console

    from headstart.report import Watcher, watch_table

    watcher = Watcher(Path(folder))
    if sys.stdout.isatty():
        _show_live(watcher)
    else:
        Console().print(watch_table(list(watcher.snapshot().entries.values())))


def _show_live(watcher: Watcher) -> None:
    from rich.console import Console
    from rich.live import Live

    from headstart.report import watch_table
    from headstart.signals import deferred_signals

    console = Console()
    with Live(console=console, auto_refresh=False) as live, deferred_signals() as stop:
        while stop.signum is None:
            rows = max(1, console.height - _LINES_WITHOUT_ROWS)
            live.update(watch_table(list(watcher.snapshot().entries.values()), rows), refresh=True)
            deadline = time.monotonic() + _SECONDS_BETWEEN_TABLES
            while stop.signum is None and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
