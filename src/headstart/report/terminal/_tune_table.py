"""The terminal table of `tune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.evaluation import metric_name, score_text
from headstart.formatting import (
    ABSENT,
    cut_middle,
    loss,
    one_line,
    percent,
    setting,
    shorten,
)
from headstart.report._study import image_count, ranked_trials
from headstart.report.terminal._comparison_table import contenders_table
from headstart.report.terminal._tables import (
    MARKS_NOTE,
    ResponsiveTable,
    finding_group,
    mark,
    new_table,
    number,
    sentences,
    text,
)
from headstart.results import (
    JsonObject,
    Trial,
    TunedFold,
    Tuning,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

MAX_TRIALS = 8
_METRIC_WIDTH = 18
_EQUAL_NOTE = "● best, ≈ the same score"  # of a metric without a paired test


def tune_table(finding: Tuning) -> RenderableType:
    """Return the best trials, the best settings next to the defaults, and the scores of both."""
    return ResponsiveTable(lambda width: _tuning_group(finding, width))


def _tuning_group(finding: Tuning, width: int) -> RenderableType:
    tables = [_trials_table(finding)]
    if finding.folds:
        tables.append(_folds_table(finding))
    if finding.best and finding.best != finding.defaults:
        tables.append(_settings_table(finding))
    if finding.contenders:
        tables.append(contenders_table(finding, width))

    words = dict.fromkeys([*finding.sentences, finding.verdict.sentence])
    return finding_group(
        finding,
        *tables,
        *sentences([_EQUAL_NOTE if finding.further_metric else MARKS_NOTE], "dim"),
        *sentences(words, "bold"),
        notes=finding.verdict.notes,
    )


def _trials_table(finding: Tuning) -> Table:
    from rich.text import Text

    metric = finding.further_metric
    by_metric = [] if metric is None else [number(cut_middle(metric_name(metric), _METRIC_WIDTH))]
    columns = [
        text(""),
        number("trial"),
        number("epochs"),
        number("loss"),
        number("accuracy" if by_metric else "validation"),
        *by_metric,
        text("settings other than the defaults", folds=True),
    ]
    table = new_table(*columns)
    images = image_count(finding.dataset, "validation")
    ranked = ranked_trials(finding.trials)
    for trial in ranked[:MAX_TRIALS]:
        last = trial.rungs[-1]
        table.add_row(
            mark(is_best=trial.is_best, as_good=trial.is_tie),
            str(trial.number),
            setting(float(last.epochs)),
            loss(last.loss),
            percent(last.accuracy, images),
            *([] if metric is None else [score_text(metric, last.score, images)]),
            Text(_changed_settings(trial.values, finding.defaults)),
        )
    hidden = len(ranked) - MAX_TRIALS
    if hidden > 0:
        blank = [""] * (len(columns) - 1)
        table.add_row(*blank, f"and {hidden} more with a score", style="dim")

    for trial in finding.trials:
        if trial.state == "failed":
            reason = shorten(_failure_text(trial), 90)
            absent = [ABSENT] * (len(columns) - 3)
            table.add_row("", str(trial.number), *absent, Text(reason), style="yellow")
    return table


def _folds_table(finding: Tuning) -> Table:
    """Return the recipe that the search of each fold chose, and its accuracy on the fold."""
    from rich.text import Text

    table = new_table(
        text("fold"),
        number("images"),
        number("chosen"),
        number("defaults"),
        text("chosen settings other than the defaults", folds=True),
    )
    for fold in finding.folds:
        table.add_row(
            str(fold.fold),
            f"{fold.images:,}",
            percent(fold.test, fold.images),
            percent(fold.test_of_defaults, fold.images),
            Text("the defaults" if fold.is_default else _changed_of_fold(fold, finding)),
        )
    return table


def _changed_of_fold(fold: TunedFold, finding: Tuning) -> str:
    """Return the settings that the search of a fold changed in the defaults of that fold."""
    return _changed_settings(fold.chosen, fold.defaults or finding.defaults)


def _changed_settings(values: JsonObject, defaults: JsonObject) -> str:
    changed: list[str] = []
    for key, value in values.items():
        if value != defaults.get(key):
            changed.append(f"{one_line(key)} {one_line(setting(value))}")
    return ", ".join(changed) or "the defaults"


def _failure_text(trial: Trial) -> str:
    reason = trial.reason or "failed"
    return f"{reason}: {trial.message}" if trial.message else reason


def _settings_table(finding: Tuning) -> Table:
    from rich.text import Text

    table = new_table(text("setting"), text("best", folds=True), text("default"))
    for key, value in finding.best.items():
        default = finding.defaults.get(key)
        table.add_row(
            Text(one_line(key)),
            Text(one_line(setting(value))),
            Text(one_line(setting(default))),
            style="bold" if value != default else "",
        )
    return table
