"""Progress of long work, on stderr.

On a terminal and in a notebook, progress is a bar with the time left. Elsewhere it is a plain line
every ten seconds. Nothing is shown in quiet mode. Results are never printed here: they belong on
stdout.
"""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from headstart.formatting import approximate_duration, one_line, printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_LINE_EVERY_SECONDS = 10.0
INNER_BAR_AFTER_SECONDS = 0.5
_REDRAW_SECONDS = 0.2  # Every redraw of a notebook's bar is a message to the page.
_are_lines_muted = False
_renamed: dict[str, str] = {}  # what lines show, by the path that they would show


def in_notebook() -> bool:
    """Return whether this process is the kernel of a Jupyter notebook."""
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    return type(get_ipython()).__name__ == "ZMQInteractiveShell"


_quiet = not in_notebook()  # A library is silent. The command line calls `show_progress(True)`.
_advanced: Callable[[], None] | None = None


def show_progress(on: bool) -> None:
    """Turn progress output on or off for this process."""
    global _quiet
    _quiet = not on


def on_advance(callback: Callable[[], None] | None) -> None:
    """Register a function that is called whenever any work of this process advances.

    It serves as a heartbeat, and is called whether or not progress is shown.

    Args:
        callback: A fast function without arguments. None removes the registered one.
    """
    global _advanced
    _advanced = callback


def say(text: str) -> None:
    """Print one line on stderr, unless quiet or muted."""
    if not _quiet and not _are_lines_muted:
        for path, name in _renamed.items():
            text = text.replace(path, name)
        print(printable(text), file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Print one line on stderr, even when quiet, about a problem that does not end the work."""
    print(printable(text), file=sys.stderr, flush=True)


@contextmanager
def renamed(path: str, name: str) -> Iterator[None]:
    """Let the lines that the block says show a name where they would show a path.

    Args:
        path: A path that means nothing to the user, such as one in the cache.
        name: What the user calls it.
    """
    _renamed[path] = name
    try:
        yield
    finally:
        del _renamed[path]


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show a line on a terminal while the block runs, and erase it afterwards.

    It suits a wait of unknown length, such as a slow import.

    Args:
        text: What is being done, in a few words.
    """
    is_shown = not _quiet and not in_notebook() and sys.stderr.isatty()
    line = f"{text} …"
    if is_shown:
        print(line, end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if is_shown:
            print(f"\r{' ' * len(line)}\r", end="", file=sys.stderr, flush=True)


@contextmanager
def muted() -> Iterator[None]:
    """Suppress the lines of `say` while the block runs, such as those of one run among many.

    Bars are still shown.
    """
    global _are_lines_muted
    before, _are_lines_muted = _are_lines_muted, True
    try:
        yield
    finally:
        _are_lines_muted = before


class Task:
    """Work of a known size.

    Attributes:
        title: Description of the work, in a few words.
        total: Size of the work, in units.
        unit: Name of one unit, in the plural.
        done: Units completed.
        last_note: Text of the last call of `note`.
    """

    title: str
    total: float
    unit: str
    done: float
    last_note: str

    def __init__(
        self,
        title: str,
        total: float,
        unit: str,
        bar: Progress | None = None,
        *,
        is_inner: bool = False,
        notebook_bar: _NotebookBar | None = None,
    ) -> None:
        self.title, self.total, self.unit = one_line(title), total, unit
        self.done = 0.0
        self.last_note = ""
        self._bar, self._notebook_bar = bar, notebook_bar
        self._id: TaskID | None = None
        if bar is not None:
            self._id = bar.add_task(
                self.title, total=total, note="", unit=unit, visible=not is_inner
            )
        self._start = self._last_line = time.monotonic()

    def advance(self, amount: float = 1.0) -> None:
        """Count `amount` more units as done."""
        self.done += amount
        if _advanced is not None:
            _advanced()

        if self._bar is not None and self._id is not None:
            # An inner bar appears late: one that is shown for a moment only would flicker.
            is_long = time.monotonic() - self._start > INNER_BAR_AFTER_SECONDS
            self._bar.update(self._id, completed=self.done, visible=True if is_long else None)
        elif self._notebook_bar is not None:
            self._notebook_bar.draw(self)
        elif not _quiet and time.monotonic() - self._last_line > PLAIN_LINE_EVERY_SECONDS:
            self._last_line = time.monotonic()
            say(self.as_line(approximate_duration(self.seconds_left)))

    @property
    def seconds_left(self) -> float:
        """Estimated time to completion, in seconds, at the average speed so far."""
        if not self.done:
            return 0.0
        return (time.monotonic() - self._start) / self.done * (self.total - self.done)

    def resize(self, total: float) -> None:
        """Change the size of the work to `total` units."""
        self.total = total
        if self._bar is not None and self._id is not None:
            self._bar.update(self._id, total=total)

    def note(self, text: str) -> None:
        """Show `text` below the bar, such as the loss and the accuracy."""
        self.last_note = one_line(text)
        if self._bar is not None and self._id is not None:
            self._bar.update(self._id, note=self.last_note)

    def as_line(self, time_left: str) -> str:
        """Describe the state of the work in one line."""
        line = f"{self.title}: {self.done:,.0f} of {self.total:,.0f} {self.unit}, {time_left} left"
        if self.last_note:
            line += f"; {self.last_note}"
        return line


class _NotebookBar:
    """Progress bar of a notebook, visible while work runs that takes longer than half a second.

    Rich's own bar is not used: it needs ipywidgets, and each bar leaves an empty block below the
    cell (Rich 15.0).
    """

    def __init__(self) -> None:
        self._display: Any = None
        self._next_draw = time.monotonic() + INNER_BAR_AFTER_SECONDS

    def draw(self, task: Task) -> None:
        """Draw the state of `task`, at most five times per second."""
        if time.monotonic() < self._next_draw:
            return
        self._next_draw = time.monotonic() + _REDRAW_SECONDS
        bar = f'<progress value="{task.done:g}" max="{task.total:g}"></progress>'
        self._show(f"{bar} {html.escape(task.as_line(approximate_duration(task.seconds_left)))}")

    def clear(self) -> None:
        """Remove the bar from the page."""
        if self._display is not None:
            self._show("")

    def _show(self, code: str) -> None:
        from IPython.display import display

        content = {"text/html": code, "text/plain": ""}
        if self._display is None:
            self._display = display(content, raw=True, display_id=True)
        else:
            self._display.update(content, raw=True)


_open_bar: Progress | None = None  # Nested tasks share one live display.


@contextmanager
def task(title: str, total: float, unit: str = "") -> Iterator[Task]:
    """Show work in progress while the block runs.

    Args:
        title: What is being done, in a few words.
        total: Size of the work, in units.
        unit: Name of what is counted, in the plural, such as "images" or "MB".

    Yields:
        The task, whose `advance` counts completed units.
    """
    global _open_bar
    if not _quiet and in_notebook():
        notebook_bar = _NotebookBar()
        try:
            yield Task(title, total, unit, notebook_bar=notebook_bar)
        finally:
            notebook_bar.clear()
        return

    if _quiet or not sys.stderr.isatty():
        yield Task(title, total, unit)
        return

    if _open_bar is not None:
        inner = Task(title, total, unit, _open_bar, is_inner=True)
        try:
            yield inner
        finally:
            if inner._id is not None:
                _open_bar.remove_task(inner._id)
        return

    with _terminal_bars() as bar:
        _open_bar = bar
        try:
            yield Task(title, total, unit, bar)
        finally:
            _open_bar = None


def _terminal_bars() -> Progress:
    """Return a live display of bars on stderr, with the notes of the tasks on lines of their own.

    A note beside its bar would be cut off on a terminal of 80 columns, and a note holds the
    numbers that matter most.
    """
    from rich.console import Console, RenderableType
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column
    from rich.text import Text

    class BarsAndNotes(Progress):
        def get_renderables(self) -> Iterator[RenderableType]:
            visible = [bar for bar in self.tasks if bar.visible]
            yield self.make_tasks_table(visible)
            for bar in visible:
                if bar.fields["note"]:
                    yield Text(f"  {bar.fields['note']}", no_wrap=True, overflow="ellipsis")

    return BarsAndNotes(
        # File names are not markup.
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis"),
        ),
        BarColumn(bar_width=20),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[unit]}", table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        console=Console(stderr=True),
        transient=True,
    )
