"""The terminal table of the runs and studies of a folder, in progress and finished."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.formatting import (
    ABSENT,
    approximate_duration,
    counted,
    duration,
    one_line,
    percent,
    shorten,
)
from headstart.report.terminal._tables import (
    WIDTH_FOR_ALL_COLUMNS,
    ResponsiveTable,
    new_table,
    number,
    text,
    wrap_path,
)
from headstart.report.watch._entry import Entry, Score

if TYPE_CHECKING:
    from rich.console import RenderableType

_STYLES = {"running": "bold", "unfinished": "dim", "damaged": "red", "finished": ""}
_STATES = {"running": "in progress"}
_ORDER = ("running", "damaged", "unfinished", "finished")


def watch_table(entries: Sequence[Entry], most_rows: int | None = None) -> RenderableType:
    """Return a table of runs and studies: what is in progress first, and then the newest.

    Args:
        entries: The entries of a snapshot. Runs of studies are left out.
        most_rows: The most rows; None for all.
    """
    from rich.text import Text

    alone = [entry for entry in entries if entry.parent is None]
    if not alone:
        return Text("No runs were found here.", style="dim")
    alone.sort(key=lambda entry: (_ORDER.index(entry.state), -entry.changed))
    return ResponsiveTable(lambda width: _watch_table(alone, most_rows, width))


def _watch_table(entries: Sequence[Entry], most_rows: int | None, width: int) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    columns = [text("state"), text("done", folds=True), text("left"), number("validation")]
    if width >= WIDTH_FOR_ALL_COLUMNS:
        columns += [number("test"), text("model")]
    table = new_table(text("run or study"), *columns)
    shown = entries[:most_rows]
    for entry in shown:
        name = wrap_path(one_line(entry.id), max(16, width // 3))
        cells = _cells(entry)[: len(columns)]
        table.add_row(Text(name), *map(Text, cells), style=_STYLES[entry.state])

    lines: list[RenderableType] = [table]
    if len(shown) < len(entries):
        hidden = counted(len(entries) - len(shown), "more run or study", "more runs and studies")
        lines.append(Text(f" {hidden}", style="dim"))
    for entry in shown:
        if entry.problem:
            lines.append(Text(f" {one_line(entry.problem)}", style="red"))
    return Group(*lines)


def _cells(entry: Entry) -> list[str]:
    done = entry.progress or duration(entry.seconds)
    fraction = entry.fraction_now()
    if entry.state == "running" and fraction is not None:
        done = f"{fraction:.0%}, {entry.progress}"
    return [
        _STATES.get(entry.state, entry.state),
        done,
        _time_left(entry),
        _accuracy(entry.validation),
        _accuracy(entry.test),
        shorten(entry.model or ABSENT, 20),
    ]


def _time_left(entry: Entry) -> str:
    left = entry.seconds_left()
    if left is None:
        return ABSENT
    return ("≤ " if entry.time_limit is not None else "") + approximate_duration(left)


def _accuracy(score: Score | None) -> str:
    return ABSENT if score is None else percent(score.accuracy, score.n)
