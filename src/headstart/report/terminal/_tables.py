"""The parts of all terminal tables: columns, widths, paths, and sentences below a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headstart.formatting import one_line, percent, percent_interval
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
    """

    heading: str
    is_number: bool = False
    folds: bool = False


def number(heading: str) -> Column:
    """Return a column of numbers."""
    return Column(heading, is_number=True)


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
