"""The tables of the command line: at most 100 columns wide, and complete at 80."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.formatting import (
    ABSENT,
    compact_count,
    count,
    duration,
    one_line,
    percent,
    percent_interval,
    shorten,
)

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

WIDTH = 100
WIDTH_FOR_ALL_COLUMNS = 96
Facts = dict[str, Any]


def compare_table(finding: Facts) -> RenderableType:
    """The contenders, controls and floors of a comparison; below, its sentence, notes and the warnings about its data.

    Args:
        finding: as in finding.json.
    """
    return Fitted(lambda width: _compared(finding, width))


def run_table(summary: Facts) -> RenderableType:
    """One finished run: its scores, cost and folder, and its warnings below; `summary` as `train --json` prints it."""
    from rich.console import Group
    from rich.text import Text

    table = plain_table(["", ""], left=2, fold=1)
    table.show_header = False
    for part in ("test", "validation"):
        if scores := summary.get(part):
            interval = (
                f"  ({percent_interval(scores['interval'], scores.get('n'))})"
                if scores.get("interval")
                else ""
            )
            images = f", {count(scores['n'])} images" if scores.get("n") else ""
            table.add_row(
                f"{part} accuracy",
                f"{percent(scores.get('accuracy'), scores.get('n'))}{interval}{images}",
            )
    seconds = summary.get("seconds") or {}
    facts = {
        "model": summary.get("model", ABSENT),
        "seed": summary.get("seed", ABSENT),
        "epochs": summary.get("epochs", ABSENT),
        "parameters": count(summary.get("parameters")),
        "training": duration(seconds.get("train")),
        "in all": duration(seconds.get("total")),
        "run": summary.get("run", ABSENT),
    }
    if repeats := summary.get("repeats"):
        facts["repeats"] = (
            f"{repeats['run']}: weights {'the same to the last bit' if repeats['identical'] else 'NOT the same'}"
        )
    for name, value in facts.items():
        table.add_row(name, Text(one_line(value)))
    return Fitted(lambda width: Group(table, *sentences(summary.get("warnings"), "yellow")))


def runs_table(runs: list[Facts]) -> RenderableType:
    """Runs below each other; each with the keys of `run_table` and `state`. Unfinished ones are dim.

    Folders below the current one are named from there.
    """
    from rich.text import Text

    if not runs:
        return Text("No runs here yet.", style="dim")
    return Fitted(lambda width: _listed(runs, width))


@dataclass(frozen=True)
class Fitted:
    """Built for the width there is, and never wider than `WIDTH`: lines over the whole of a wide screen are hard to read."""

    build: Callable[[int], RenderableType]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(WIDTH, options.max_width)
        yield from console.render(self.build(width), options.update(width=width))


def plain_table(columns: list[str], left: int = 1, fold: int = 0) -> Table:
    """An empty table: the first `left` columns to the left, figures to the right. Column `fold` breaks its text over lines."""
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD,
        header_style="dim",
        pad_edge=False,
        padding=(0, 1),
        collapse_padding=True,
    )
    for number, column in enumerate(columns):
        table.add_column(
            column,
            justify="left" if number < left else "right",
            no_wrap=number != fold,
            overflow="fold",
        )
    return table


def _listed(runs: list[Facts], width: int) -> Table:
    from rich.text import Text

    columns = ["run", "state", "model", "seed", "test", "validation", "training"]
    shown = columns if width >= WIDTH_FOR_ALL_COLUMNS else columns[:-1]
    table = plain_table(shown, left=3)
    for run in runs:
        test, validation, seconds = (
            run.get(key) or {} for key in ("test", "validation", "seconds")
        )
        state = run.get("state") or ("finished" if test or validation else "unfinished")
        cells = (
            Text(one_line(_from_here(run["run"])) if run.get("run") else ABSENT),
            state,
            Text(shorten(run.get("model", ABSENT), 20)),
            str(run.get("seed", ABSENT)),
            percent(test.get("accuracy"), test.get("n")),
            percent(validation.get("accuracy"), validation.get("n")),
            duration(seconds.get("train")),
        )
        table.add_row(*cells[: len(shown)], style="dim" if state == "unfinished" else "")
    return table


def _from_here(folder: str) -> str:
    path, here = Path(folder).absolute(), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else folder


def sentences(each: list[str] | None, style: str) -> Iterator[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    for sentence in each or []:
        yield Padding(Text(one_line(sentence), style=style), (0, 1))


def _compared(finding: Facts, width: int) -> RenderableType:
    from rich.console import Group

    verdict = finding.get("verdict") or {}
    return Group(
        results(finding, verdict.get("winner"), width),
        *sentences([verdict["sentence"]] if verdict.get("sentence") else [], "bold"),
        *sentences(verdict.get("notes"), "dim"),
        *sentences((finding.get("dataset") or {}).get("warnings"), "yellow"),
    )


def results(finding: Facts, winner: str | None, width: int) -> Table:
    from rich.text import Text

    part = "test" if any(one.get("test") for one in finding["contenders"]) else "validation"
    columns = [part, "95% interval", "training", "params", "mult-adds", "ms/image"]
    shown = columns if width >= WIDTH_FOR_ALL_COLUMNS else columns[:4]
    table = plain_table(["", "", *shown], left=2, fold=1)
    for role, style in (("contender", "bold"), ("control", "")):
        for one in finding["contenders"]:
            if one.get("role", "contender") == role:
                mark = Text("●" if one["name"] == winner else " ", style="green")
                cells = list(_cells(one, one.get(part) or {}))[: len(shown)]
                table.add_row(mark, Text(shorten(one["name"], 60), style=style), *cells)
        table.add_section()
    for floor in finding.get("floors") or []:
        table.add_row(
            "", Text(shorten(floor["name"], 60)), *list(_cells(floor, floor))[:2], style="dim"
        )
    return table


def _cells(one: Facts, scores: Facts) -> Iterator[str]:
    yield percent(scores.get("accuracy"), scores.get("n"))
    yield percent_interval(scores.get("interval"), scores.get("n"))
    yield duration((one.get("seconds") or {}).get("train"))
    yield compact_count(one.get("parameters"))
    yield compact_count(one.get("multiply_adds"))
    ms = one.get("predict_ms_per_image")
    yield ABSENT if ms is None else f"{ms:.2f}"
