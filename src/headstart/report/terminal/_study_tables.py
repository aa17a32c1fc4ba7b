"""The terminal tables of tune, lr, labels, effects and backbones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.formatting import (
    ABSENT,
    count,
    loss,
    one_line,
    p_number,
    percent,
    percent_interval,
    points,
    points_interval,
    setting,
    shorten,
)
from headstart.report._study import ranked_trials
from headstart.report.terminal._comparison_table import contenders_table
from headstart.report.terminal._tables import (
    WIDTH_FOR_ALL_COLUMNS,
    ResponsiveTable,
    new_table,
    number,
    sentences,
    text,
)
from headstart.results import (
    BackboneRanking,
    EffectResult,
    Effects,
    LabelCurves,
    LabelDifference,
    LearningRates,
    SeedSpread,
    Trial,
    Tuning,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

MAX_TRIALS = 8
_MARKS = "● best, ≈ as good as the best"
_OUTCOME_STYLES = {"helps": "green", "hurts": "red", "undecided": "", "failed": "yellow"}


def tune_table(finding: Tuning) -> RenderableType:
    """Return the best trials, the best settings next to the defaults, and the scores of both."""
    return ResponsiveTable(lambda width: _tuning_group(finding, width))


def lr_table(finding: LearningRates) -> RenderableType:
    """Return a table of learning rates, with the finding in words below."""
    return ResponsiveTable(lambda _: _learning_rates_group(finding))


def labels_table(finding: LabelCurves) -> RenderableType:
    """Return a table of contenders and numbers of labels, with the finding in words below."""
    return ResponsiveTable(lambda _: _labels_group(finding))


def effects_table(finding: Effects) -> RenderableType:
    """Return a table of changes, with the finding in words below."""
    return ResponsiveTable(lambda width: _effects_group(finding, width))


def backbones_table(finding: BackboneRanking) -> RenderableType:
    """Return a table of candidates, the most accurate first, with the finding in words below."""
    return ResponsiveTable(lambda _: _backbones_group(finding))


def _tuning_group(finding: Tuning, width: int) -> RenderableType:
    from rich.console import Group

    tables = [_trials_table(finding)]
    if finding.best:
        tables.append(_settings_table(finding))
    if finding.contenders:
        tables.append(contenders_table(finding, width))

    words = dict.fromkeys([*finding.sentences, finding.verdict.sentence])
    return Group(
        *tables,
        *sentences([_MARKS], "dim"),
        *sentences(words, "bold"),
        *sentences(finding.verdict.notes, "dim"),
        *sentences(finding.dataset.warnings, "yellow"),
    )


def _trials_table(finding: Tuning) -> Table:
    from rich.text import Text

    table = new_table(
        text(""),
        number("trial"),
        number("epochs"),
        number("loss"),
        number("validation"),
        text("settings other than the defaults", folds=True),
    )
    ranked = ranked_trials(finding.trials)
    for trial in ranked[:MAX_TRIALS]:
        last = trial.rungs[-1]
        table.add_row(
            _mark(is_best=trial.is_best, as_good=trial.is_tie),
            str(trial.number),
            setting(float(last.epochs)),
            loss(last.loss),
            percent(last.accuracy),
            Text(_changed_settings(trial, finding)),
        )
    hidden = len(ranked) - MAX_TRIALS
    if hidden > 0:
        table.add_row("", "", "", "", "", f"and {hidden} more with a score", style="dim")

    for trial in finding.trials:
        if trial.state == "failed":
            reason = shorten(_failure_text(trial), 90)
            cells = ("", str(trial.number), ABSENT, ABSENT, ABSENT, Text(reason))
            table.add_row(*cells, style="yellow")
    return table


def _changed_settings(trial: Trial, finding: Tuning) -> str:
    changed: list[str] = []
    for key, value in trial.values.items():
        if value != finding.defaults.get(key):
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


def _learning_rates_group(finding: LearningRates) -> RenderableType:
    from rich.console import Group

    range_test = [] if finding.range_test is None else [finding.range_test.sentence]
    return Group(
        _learning_rates_table(finding),
        *sentences([_MARKS], "dim"),
        *sentences([finding.sentence], "bold"),
        *sentences(range_test),
        *sentences(finding.notes, "dim"),
        *sentences(finding.dataset.warnings, "yellow"),
    )


def _learning_rates_table(finding: LearningRates) -> Table:
    table = new_table(
        text(""),
        number("lr"),
        number(finding.evaluated_on),
        number("95% interval"),
        number("loss"),
        number("vs best"),
        number("95% interval"),
        number("diverged"),
    )
    for rate in finding.rates:
        scores = rate.part(finding.evaluated_on)
        difference = rate.difference
        diverged = len(rate.diverged_seeds)
        style = "" if scores is not None else "dim"
        table.add_row(
            _mark(is_best=rate.is_best, as_good=rate.as_good),
            setting(rate.lr),
            _mean(None if scores is None else scores.accuracy),
            _interval(None if scores is None else scores.accuracy),
            loss(None if scores is None else scores.loss.mean),
            points(None if difference is None else difference.difference, signed=True),
            points_interval(None if difference is None else difference.interval),
            f"{diverged} of {len(finding.seeds)}" if diverged else "",
            style="bold" if rate.is_best else style,
        )
    return table


def _labels_group(finding: LabelCurves) -> RenderableType:
    from rich.console import Group

    comparisons = [
        comparison.sentence
        for comparison in finding.comparisons
        if comparison.sentence != finding.sentence
    ]
    return Group(
        _labels_table(finding),
        *sentences([finding.sentence], "bold"),
        *sentences(comparisons),
        *sentences(finding.notes, "dim"),
        *sentences(finding.dataset.warnings, "yellow"),
    )


def _labels_table(finding: LabelCurves) -> Table:
    from rich.text import Text

    table = new_table(
        text("", folds=True),
        number("per class"),
        number("labels"),
        number(finding.evaluated_on),
        number("95% interval"),
        number(f"vs {shorten(finding.compared_with, 20)}"),
        text("significant"),
    )
    differences: dict[tuple[str, int], LabelDifference] = {}
    for comparison in finding.comparisons:
        for difference in comparison.differences:
            differences[comparison.a, difference.per_class] = difference

    for contender in finding.contenders:
        table.add_section()
        for row, point in enumerate(contender.points):
            name = shorten(contender.name, 40) if row == 0 else ""
            difference_there = differences.get((contender.name, point.per_class))
            table.add_row(
                Text(name, style="bold"),
                count(point.per_class),
                count(point.labels),
                _mean(point.accuracy),
                _interval(point.accuracy),
                *_difference_cells(difference_there),
            )
    return table


def _difference_cells(difference: LabelDifference | None) -> tuple[str, Text]:
    from rich.text import Text

    if difference is None:
        return "", Text("")
    significant = Text("yes", style="green") if difference.is_significant else Text("no", "dim")
    return points(difference.difference, signed=True), significant


def _effects_group(finding: Effects, width: int) -> RenderableType:
    from rich.console import Group

    fit = finding.baseline.fit
    return Group(
        _effects_table(finding, width),
        *sentences([finding.sentence], "bold"),
        *sentences([] if fit is None else [f"The baseline {fit.summary}"]),
        *sentences(finding.notes, "dim"),
        *sentences(finding.dataset.warnings, "yellow"),
    )


def _effects_table(finding: Effects, width: int) -> Table:
    from rich.text import Text

    columns = [
        number(finding.evaluated_on),
        number("difference"),
        number("95% interval"),
        text("outcome"),
        number("p-value"),
    ]
    if width < WIDTH_FOR_ALL_COLUMNS:
        columns.pop()
    table = new_table(text("change", folds=True), *columns)
    baseline = _mean(finding.baseline.accuracy)
    table.add_row("baseline", baseline, *[""] * (len(columns) - 1), style="bold")

    previous = None
    for effect in finding.effects:
        if effect.hyperparameter != previous:
            table.add_section()
        previous = effect.hyperparameter
        cells = _effect_cells(effect)[: len(columns)]
        table.add_row(Text(shorten(effect.label, 60)), *cells)
    return table


def _effect_cells(effect: EffectResult) -> list[str | Text]:
    from rich.text import Text

    return [
        _mean(effect.accuracy),
        points(effect.difference, signed=True),
        points_interval(effect.interval),
        Text(effect.outcome, style=_OUTCOME_STYLES[effect.outcome]),
        p_number(effect.p_adjusted),
    ]


def _backbones_group(finding: BackboneRanking) -> RenderableType:
    from rich.console import Group

    return Group(
        _backbones_table(finding),
        *sentences(["● recommended, ≈ as good as the most accurate"], "dim"),
        *sentences([finding.sentence], "bold"),
        *sentences(finding.notes, "dim"),
        *sentences(finding.dataset.warnings, "yellow"),
    )


def _backbones_table(finding: BackboneRanking) -> Table:
    from rich.text import Text

    table = new_table(
        text(""),
        text("backbone", folds=True),
        number("probe"),
        number("95% interval"),
        number("vs best"),
        number("images/s"),
        number("features"),
    )
    for candidate in sorted(finding.candidates, key=lambda candidate: -candidate.accuracy):
        difference = candidate.difference
        table.add_row(
            _mark(is_best=candidate.is_recommended, as_good=candidate.as_good),
            Text(one_line(candidate.name)),
            percent(candidate.accuracy),
            percent_interval(candidate.interval),
            points(None if difference is None else difference.difference, signed=True),
            count(round(candidate.images_per_second)),
            count(candidate.features),
            style="bold" if candidate.is_recommended else "",
        )
    return table


def _mark(*, is_best: bool, as_good: bool) -> Text:
    from rich.text import Text

    if is_best:
        return Text("●", style="green")
    return Text("≈" if as_good else " ", style="green")


def _mean(spread: SeedSpread | None) -> str:
    return percent(None if spread is None else spread.mean)


def _interval(spread: SeedSpread | None) -> str:
    return percent_interval(None if spread is None else (spread.low, spread.high))
