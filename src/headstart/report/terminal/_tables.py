"""The parts of all terminal tables: columns, widths, paths, and sentences below a table."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headstart.formatting import name_width, one_line, percent, percent_interval
from headstart.results import Finding, SeedSpread

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table
    from rich.text import Text

JsonMapping = Mapping[str, Any]  # an object of the JSON output

MARKS_NOTE = "● best, ≈ not significantly worse"
MAX_WIDTH = 100  # lines over the whole of a wide screen are hard to read
WIDTH_FOR_ALL_COLUMNS = 96


@dataclass(frozen=True)
class ResponsiveTable:
    """A renderable that is built for the width of the terminal, and is at most `MAX_WIDTH` wide."""

    build: Callable[[int], RenderableType]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(MAX_WIDTH, options.max_width)
        yield from console.render(self.build(width), options.update(width=width))


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: Text at the top.
        is_number: True aligns to the right.
        folds: True breaks long text into several lines.
        rank: The order in which `fitted_table` leaves out columns, highest first. Columns of rank 0
            are kept.
    """

    heading: str
    is_number: bool = False
    folds: bool = False
    rank: int = 0


@dataclass(frozen=True)
class Row:
    """A row of `fitted_table`.

    Attributes:
        cells: One text per column.
        style: The style of the row.
        ends_section: True draws a line below it.
    """

    cells: Sequence[str | Text]
    style: str = ""
    ends_section: bool = False


def number(heading: str, rank: int = 0) -> Column:
    """Return a column of numbers."""
    return Column(heading, is_number=True, rank=rank)


def text(heading: str, *, folds: bool = False) -> Column:
    """Return a column of text."""
    return Column(heading, folds=folds)


def new_table(*columns: Column) -> Table:
    """Return an empty table."""
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD,
        header_style="dim",
        pad_edge=False,
        padding=(0, 1),
        collapse_padding=True,
        show_header=any(column.heading for column in columns),
    )
    for column in columns:
        table.add_column(
            column.heading,
            justify="right" if column.is_number else "left",
            no_wrap=not column.folds,
            overflow="fold",
        )
    return table


def fitted_table(columns: Sequence[Column], rows: Sequence[Row], width: int) -> Table:
    """Return a table that fits its width without breaking a name or a number.

    Columns that have a rank are left out until the others fit. If they still do not, the words of
    columns that fold are broken after `/`, `-` or `_`.

    Args:
        columns: The columns.
        rows: The rows.
        width: Width of the terminal in columns.
    """
    kept = list(range(len(columns)))
    while True:
        table = _filled_table(columns, rows, kept)
        excess = _least_width(table) - width
        last = max(kept, key=lambda place: columns[place].rank)
        if excess <= 0 or not columns[last].rank:
            break
        kept.remove(last)
    if excess <= 0:
        return table

    folding = [place for place in kept if columns[place].folds]
    words: list[str] = []
    for row in rows:
        for place in folding:
            words += str(row.cells[place]).split()
    room = max(1, max(map(name_width, words), default=1) - excess)
    broken = [replace(row, cells=_broken_cells(row.cells, folding, room)) for row in rows]
    return _filled_table(columns, broken, kept)


def _filled_table(columns: Sequence[Column], rows: Sequence[Row], kept: Sequence[int]) -> Table:
    table = new_table(*(columns[place] for place in kept))
    table.show_header = True
    for row in rows:
        cells = [row.cells[place] for place in kept]
        table.add_row(*cells, style=row.style, end_section=row.ends_section)
    return table


def _least_width(table: Table) -> int:
    """Return the width below which a table breaks a word."""
    from rich.console import Console

    return Console(width=10_000, file=io.StringIO()).measure(table).minimum


def _broken_cells(
    cells: Sequence[str | Text], folding: Sequence[int], room: int
) -> list[str | Text]:
    """Return the cells with the words of folding columns broken into lines of at most `room`."""
    from rich.text import Text

    broken = list(cells)
    for place in folding:
        cell = cells[place]
        style = cell.style if isinstance(cell, Text) else ""
        lines = [wrap_path(word, room) for word in str(cell).split()]
        broken[place] = Text(" ".join(lines), style=style)
    return broken


def sentences(texts: Iterable[str], style: str = "") -> Iterator[RenderableType]:
    """Yield one line per sentence, indented by one column."""
    from rich.padding import Padding
    from rich.text import Text

    for sentence in texts:
        yield Padding(Text(one_line(sentence), style=style), (0, 1))


def finding_group(
    finding: Finding, *parts: RenderableType, notes: Iterable[str] = ()
) -> RenderableType:
    """Return parts below each other, with what follows in the tables of all studies.

    Args:
        finding: The finding, for the use of its test images and the warnings about its data.
        parts: Tables and sentences.
        notes: Further observations.
    """
    from rich.console import Group

    reuse = [] if finding.reuse is None else [finding.reuse.sentence]
    return Group(
        *parts, *sentences([*notes, *reuse], "dim"), *sentences(finding.dataset.warnings, "yellow")
    )


def wrap_path(path: str, width: int) -> str:
    """Break a path into lines after `/`, `-` or `_`.

    Only a part that is wider than `width` is broken inside.
    """
    lines = [""]
    for part in re.findall(r"[^/_-]*[/_-]?", path):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
        while len(lines[-1]) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return "\n".join(lines)


def path_tail(path: str, longest: int) -> str:
    """Return the end of a path, which tells images apart, after an ellipsis."""
    return path if len(path) <= longest else "…" + path[1 - longest :]


def mark(*, is_best: bool, as_good: bool) -> Text:
    """Return the mark of the best row, or of one that is not significantly worse."""
    from rich.text import Text

    if is_best:
        return Text("●", style="green")
    return Text("≈" if as_good else " ", style="green")


def mean_text(spread: SeedSpread | None, images: int) -> str:
    """Return the mean accuracy over seeds in percent."""
    return percent(None if spread is None else spread.mean, images)


def interval_text(spread: SeedSpread | None, images: int) -> str:
    """Return the 95% interval of an accuracy over seeds in percent."""
    return percent_interval(None if spread is None else (spread.low, spread.high), images)
