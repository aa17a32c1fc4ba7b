"""Progress on stderr: a bar with time left on a terminal or in a notebook, else a plain line now and then; nothing when quiet.

Results never come through here: stdout belongs to them.
"""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from headstart.formatting import approximate_duration

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_LINE_EVERY_SECONDS = 10.0
INNER_BAR_AFTER_SECONDS = 0.5
_REDRAW_SECONDS = 0.2  # of a bar in a notebook: each is a message to the page
_hushed = False


def in_notebook() -> bool:
    """Whether this process is the kernel of a Jupyter notebook."""
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    return type(get_ipython()).__name__ == "ZMQInteractiveShell"


_quiet = not in_notebook()  # a library is silent; the command line calls `show_progress(True)`
_advanced: Callable[[], None] | None = None


def show_progress(on: bool) -> None:
    """Turn progress output on or off for this process."""
    global _quiet
    _quiet = not on


def on_advance(callback: Callable[[], None] | None) -> None:
    """Call `callback` whenever any work of this process advances, shown or not: a sign of life. It must be quick."""
    global _advanced
    _advanced = callback


def say(text: str) -> None:
    """Print one line for a person on stderr, unless quiet."""
    if not _quiet and not _hushed:
        print(text, file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Print one line on stderr, also when quiet: something went wrong that does not end the work."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def hushed() -> Iterator[None]:
    """Lines that the block says are left out: of one run among many, say. Bars stay."""
    global _hushed
    before, _hushed = _hushed, True
    try:
        yield
    finally:
        _hushed = before


class Task:
    """Work of a known size. `advance` counts it; `note` says a few words beside the bar.

    Attributes:
        title, total, unit: as in `task`. done: what was counted. said: the last note.
    """

    title: str
    total: float
    unit: str
    done: float
    said: str

    def __init__(
        self,
        title: str,
        total: float,
        unit: str,
        bar: Progress | None,
        *,
        is_inner: bool = False,
        page: _PageBar | None = None,
    ) -> None:
        self.title, self.total, self.unit = title, total, unit
        self._bar, self._page = bar, page
        self._id: TaskID | None = (
            bar.add_task(title, total=total, note="", unit=unit, visible=not is_inner)
            if bar
            else None
        )
        self.done = 0.0
        self._start = self._last_line = time.monotonic()
        self.said = ""

    def advance(self, amount: float = 1.0) -> None:
        """Count `amount` more units as done."""
        self.done += amount
        if _advanced is not None:
            _advanced()
        if self._bar is not None and self._id is not None:
            is_long = (
                time.monotonic() - self._start > INNER_BAR_AFTER_SECONDS
            )  # work within work flickers if it is short
            self._bar.update(self._id, completed=self.done, visible=True if is_long else None)
        elif self._page is not None:
            self._page.draw(self)
        elif not _quiet and time.monotonic() - self._last_line > PLAIN_LINE_EVERY_SECONDS:
            self._last_line = time.monotonic()
            note = f"; {self.said}" if self.said else ""
            say(
                f"{self.title}: {self.done:,.0f} of {self.total:,.0f} {self.unit}, {self.seconds_left:.0f} s left{note}"
            )

    @property
    def seconds_left(self) -> float:
        """At the speed so far."""
        return (
            (time.monotonic() - self._start) / self.done * (self.total - self.done)
            if self.done
            else 0.0
        )

    def resize(self, total: float) -> None:
        """There is more or less to do than was thought."""
        self.total = total
        if self._bar is not None and self._id is not None:
            self._bar.update(self._id, total=total)

    def note(self, text: str) -> None:
        """Show `text` beside the bar: the loss, the speed."""
        self.said = text
        if self._bar is not None and self._id is not None:
            self._bar.update(self._id, note=text)


class _PageBar:
    """A bar in a notebook, there while work goes on that takes longer than a moment.

    Not Rich's: that needs ipywidgets, and leaves an empty block below the cell for each bar (15.0).
    """

    def __init__(self) -> None:
        self._shown: Any = None
        self._next = time.monotonic() + INNER_BAR_AFTER_SECONDS

    def draw(self, task: Task) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _REDRAW_SECONDS
        note = f"; {task.said}" if task.said else ""
        text = f"{task.title}: {task.done:,.0f} of {task.total:,.0f} {task.unit}, {approximate_duration(task.seconds_left)} left{note}"
        self._show(
            f'<progress value="{task.done:g}" max="{task.total:g}"></progress> {html.escape(text)}'
        )

    def end(self) -> None:
        if self._shown is not None:
            self._show("")

    def _show(self, code: str) -> None:
        from IPython.display import display

        content = {"text/html": code, "text/plain": ""}
        if self._shown is None:
            self._shown = display(content, raw=True, display_id=True)
        else:
            self._shown.update(content, raw=True)


_open_bar: Progress | None = None  # one live display at a time: nested tasks share it


@contextmanager
def task(title: str, total: float, unit: str = "") -> Iterator[Task]:
    """Show work in progress while the block runs.

    Args:
        title: what is being done, a few words.
        total: its size, in `unit`s.
        unit: name of what is counted ("images", "MB").
    """
    global _open_bar
    if not _quiet and in_notebook():
        page = _PageBar()
        try:
            yield Task(title, total, unit, None, page=page)
        finally:
            page.end()
        return
    if _quiet or not sys.stderr.isatty():
        yield Task(title, total, unit, None)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    if _open_bar is not None:
        inner = Task(title, total, unit, _open_bar, is_inner=True)
        try:
            yield inner
        finally:
            if inner._id is not None:
                _open_bar.remove_task(inner._id)
        return
    rest = Column(
        ratio=1, no_wrap=True, overflow="ellipsis"
    )  # the note gives way first where the terminal is narrow
    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=20),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[unit]}", table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[note]}", table_column=rest),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        _open_bar = bar
        try:
            yield Task(title, total, unit, bar)
        finally:
            _open_bar = None
