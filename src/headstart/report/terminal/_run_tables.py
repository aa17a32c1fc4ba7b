"""Terminal tables of one run and of many runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.evaluation import metric_name, score_text
from headstart.formatting import (
    ABSENT,
    count,
    counted,
    duration,
    one_line,
    percent,
    percent_interval,
    shorten,
    training_length,
)
from headstart.report._group_sentences import group_sentence
from headstart.report.terminal._tables import (
    WIDTH_FOR_ALL_COLUMNS,
    JsonMapping,
    ResponsiveTable,
    new_table,
    number,
    sentences,
    text,
    wrap_path,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_COLUMN_GAP = 2
_EDGES = 2
_LEAST_PATH_WIDTH = 16


def run_table(summary: JsonMapping) -> RenderableType:
    """Return a table of one finished run, with its warnings below.

    Args:
        summary: The JSON of `train`.
    """
    return ResponsiveTable(lambda width: _run_group(summary, width))


def _run_group(summary: JsonMapping, width: int) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    table = new_table(text(""), text("", folds=True))
    rows = _run_rows(summary)
    value_width = width - max(map(len, rows)) - _COLUMN_GAP - _EDGES
    for name, value in rows.items():
        table.add_row(name, Text(wrap_path(value, value_width) if name == "run" else value))
    return Group(
        table,
        *sentences(_group_sentences(summary), "dim"),
        *sentences(summary.get("warnings") or [], "yellow"),
    )


def _run_rows(summary: JsonMapping) -> dict[str, str]:
    rows: dict[str, str] = {}
    for part in ("test", "validation"):
        scores = summary.get(part)
        if scores:
            rows[f"{part} accuracy"] = _accuracy_text(scores)
        metric = scores.get("metric") if scores else None
        if scores and metric:
            value = score_text(metric["name"], metric["score"], scores["n"])
            rows[f"{part} {metric_name(metric['name'])}"] = value

    seconds = summary.get("seconds") or {}
    rows |= {
        "model": one_line(summary.get("model", ABSENT)),
        "seed": str(summary.get("seed", ABSENT)),
        **_training_row(summary),
        "parameters": count(summary.get("parameters")),
        "training time": duration(seconds.get("train")),
        "total time": duration(seconds.get("total")),
        "run": one_line(summary.get("run", ABSENT)),
    }
    repeats = summary.get("repeats")
    if repeats:
        weights = "the same to the last bit" if repeats["identical"] else "NOT the same"
        rows["repeats"] = f"{one_line(repeats['run'])}: weights {weights}"
    return rows


def _training_row(summary: JsonMapping) -> dict[str, str]:
    if summary.get("solved_heads"):
        return {"training": training_length(summary["epochs"], summary["solved_heads"])}
    return {"epochs": str(summary.get("epochs", ABSENT))}


def _group_sentences(summary: JsonMapping) -> list[str]:
    """Return a sentence per part about the effect of groups on its interval."""
    group_lines = []
    for part in ("test", "validation"):
        scores = summary.get(part)
        if scores and scores.get("groups"):
            sentence = group_sentence(
                part,
                images=scores["n"],
                groups=scores["groups"],
                interval=scores["interval"],
                over_images=scores.get("interval_over_images"),
            )
            group_lines += [] if sentence is None else [sentence]
    return group_lines


def _accuracy_text(scores: JsonMapping) -> str:
    images = scores.get("n")
    accuracy = percent(scores.get("accuracy"), images)
    if scores.get("interval"):
        accuracy += f"  ({percent_interval(scores['interval'], images)})"
    if images:
        accuracy += f", {counted(images, 'image')}"
    if scores.get("groups"):
        accuracy += f" in {counted(scores['groups'], 'group')}"
    if scores.get("unreadable"):
        accuracy += f"; {counted(scores['unreadable'], 'further image')} could not be read"
    return accuracy


_STATE_STYLES = {"unfinished": "dim", "damaged": "red"}


def runs_table(runs: Sequence[JsonMapping]) -> RenderableType:
    """Return a table of runs. Unfinished ones are dim, and damaged ones red.

    Paths below the current folder are relative to it.

    Args:
        runs: For each run the keys of `run_table` and its `state`.
    """
    from rich.text import Text

    if not runs:
        return Text("No runs were found here.", style="dim")
    return ResponsiveTable(lambda width: _runs_table(runs, width))


def _runs_table(runs: Sequence[JsonMapping], width: int) -> Table:
    from rich.text import Text

    columns = [
        text("state"),
        text("model"),
        number("seed"),
        number("test"),
        number("validation"),
        number("training"),
    ]
    if width < WIDTH_FOR_ALL_COLUMNS:
        columns.pop()
    rows = [_cells(run)[: len(columns)] for run in runs]
    widths = [
        max(len(cell) for cell in [column.heading, *cells])
        for column, *cells in zip(columns, *rows, strict=True)
    ]
    path_width = max(_LEAST_PATH_WIDTH, width - sum(widths) - _COLUMN_GAP * len(columns) - _EDGES)

    table = new_table(text("run"), *columns)
    for run, cells in zip(runs, rows, strict=True):
        path = one_line(_relative_path(run["run"])) if run.get("run") else ABSENT
        style = _STATE_STYLES.get(cells[0], "")
        table.add_row(Text(wrap_path(path, path_width)), *map(Text, cells), style=style)
    return table


def _cells(run: JsonMapping) -> list[str]:
    test, validation, seconds = (run.get(key) or {} for key in ("test", "validation", "seconds"))
    is_finished = bool(test or validation)
    return [
        run.get("state") or ("finished" if is_finished else "unfinished"),
        shorten(run.get("model") or ABSENT, 20),
        ABSENT if run.get("seed") is None else str(run["seed"]),
        percent(test.get("accuracy"), test.get("n")),
        percent(validation.get("accuracy"), validation.get("n")),
        duration(seconds.get("train")),
    ]


def _relative_path(folder: str) -> str:
    path, here = Path(folder).absolute(), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else folder
