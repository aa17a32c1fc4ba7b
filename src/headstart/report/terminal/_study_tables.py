"""The tables of the command line for tune, lr, labels, effects and backbones: at most 100 columns wide, and complete at 80."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

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
from headstart.report import _load
from headstart.report._load import facts, finished, interval
from headstart.report.terminal._result_tables import (
    WIDTH_FOR_ALL_COLUMNS,
    Facts,
    Fitted,
    plain_table,
    results,
    sentences,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

MOST_TRIALS = 8
NOTHING = _load.Facts()


def tune_table(finding: Facts) -> RenderableType:
    """The best trials, the best values beside the defaults, and both on test; below, the sentences and the notes.

    Args:
        finding: as in finding.json.
    """
    return Fitted(lambda width: _tuned(facts(finding), width))


def lr_table(finding: Facts) -> RenderableType:
    """One row a rate, the best and those as good marked; below, the sentence and the notes; `finding` as in finding.json."""
    return Fitted(lambda width: _below(_rates(facts(finding)), facts(finding)))


def effects_table(finding: Facts) -> RenderableType:
    """The baseline, and one row a change by knob; below, the sentence and the notes; `finding` as in finding.json."""
    return Fitted(lambda width: _below(_effects(facts(finding), width), facts(finding)))


def backbones_table(finding: Facts) -> RenderableType:
    """One row a candidate, the recommended one and those as good marked; below, the sentence; `finding` as in finding.json."""
    return Fitted(lambda width: _below(_candidates(facts(finding)), facts(finding)))


def labels_table(finding: Facts) -> RenderableType:
    """One row a contender and number of labels, with its difference to the baseline; below, the sentences; as finding.json."""
    return Fitted(lambda width: _below(_curves(facts(finding)), facts(finding)))


def _curves(finding: Any) -> Table:
    from rich.text import Text

    columns = ["", "a class", "labels", finding["judged_on"] or "test", "95% interval"]
    table = plain_table(
        [*columns, f"to {shorten(finding['compared_with'], 20)}", ""], left=1, fold=0
    )
    against = {
        (pair["a"], one["per_class"]): one
        for pair in finding["comparisons"] or []
        for one in pair["differences"]
    }
    for contender in finding["contenders"]:
        table.add_section()
        for place, point in enumerate(contender["points"]):
            accuracy = point["accuracy"] or NOTHING
            behind = against.get((contender["name"], point["per_class"]), NOTHING)
            table.add_row(
                Text(shorten(contender["name"], 40), style="bold") if place == 0 else "",
                count(point["per_class"]),
                count(point["labels"]),
                percent(accuracy["mean"]),
                percent_interval(interval(accuracy)),
                points(behind["difference"], signed=True) if behind else "",
                Text("shown", style="green")
                if behind["is_shown"]
                else Text("not shown" if behind else "", style="dim"),
            )
    return table


def _candidates(finding: Any) -> Table:
    from rich.text import Text

    table = plain_table(
        ["", "backbone", "probe", "95% interval", "to best", "images/s", "features"], left=2, fold=1
    )
    for one in sorted(finding["candidates"], key=lambda one: -one["accuracy"]):
        table.add_row(
            Text("●" if one["is_recommended"] else "≈" if one["as_good"] else " ", style="green"),
            Text(one_line(one["name"])),
            percent(one["accuracy"]),
            percent_interval(one["interval"]),
            points((one["difference"] or NOTHING)["difference"], signed=True),
            count(round(one["images_per_second"])),
            count(one["features"]),
            style="bold" if one["is_recommended"] else "",
        )
    return table


def _below(table: Table, finding: Facts) -> RenderableType:
    from rich.console import Group

    fit = ((finding["baseline"] or {}).get("fit") or {}).get("words")
    range_test = (finding["range_test"] or {}).get("sentence")
    compared = [
        one["sentence"]
        for one in finding["comparisons"] or []
        if one["sentence"] != finding["sentence"]
    ]
    said = [finding["sentence"], range_test, f"The baseline {fit}" if fit else None, *compared]
    return Group(
        table,
        *sentences([one for one in said[:1] if one], "bold"),
        *sentences([one for one in said[1:] if one], ""),
        *sentences(finding["notes"], "dim"),
        *sentences((finding["dataset"] or {}).get("warnings"), "yellow"),
    )


def _tuned(finding: Any, width: int) -> RenderableType:
    from rich.console import Group

    verdict = finding["verdict"] or {}
    said = list(
        dict.fromkeys(
            [
                *(finding["sentences"] or []),
                *([verdict["sentence"]] if verdict.get("sentence") else []),
            ]
        )
    )
    tables = [_trials(finding)]
    if finding["best"]:
        tables.append(_values(finding))
    if finding["contenders"]:
        tables.append(results(finding, verdict.get("winner"), width))
    return Group(
        *tables,
        *sentences(said, "bold"),
        *sentences(verdict.get("notes"), "dim"),
        *sentences((finding["dataset"] or {}).get("warnings"), "yellow"),
    )


def _trials(finding: Any) -> Table:
    from rich.text import Text

    table = plain_table(
        ["", "trial", "epochs", "loss", "validation", "values, where not the default"],
        left=1,
        fold=5,
    )
    table.columns[5].justify = "left"
    ranked, usual = finished(finding["trials"] or []), finding["defaults"] or {}
    for trial in ranked[:MOST_TRIALS]:
        last = trial["rungs"][-1]
        mark = Text("●" if trial["is_best"] else "≈" if trial["is_tie"] else " ", style="green")
        changed = {key: value for key, value in trial["values"].items() if value != usual.get(key)}
        values = Text(
            ", ".join(
                f"{one_line(key)} {one_line(setting(value))}" for key, value in changed.items()
            )
            or "the defaults"
        )
        table.add_row(
            mark,
            str(trial["number"]),
            setting(float(last["epochs"])),
            loss(last["loss"]),
            percent(last["accuracy"]),
            values,
        )
    if len(ranked) > MOST_TRIALS:
        table.add_row(
            "", "", "", "", "", f"and {len(ranked) - MOST_TRIALS} more with a score", style="dim"
        )
    for trial in finding["trials"] or []:
        if trial["state"] == "failed":
            why = ": ".join(filter(None, [trial["reason"] or "failed", trial["message"]]))
            table.add_row(
                "",
                str(trial["number"]),
                ABSENT,
                ABSENT,
                ABSENT,
                Text(shorten(why, 90)),
                style="yellow",
            )
    return table


def _values(finding: Any) -> Table:
    from rich.text import Text

    table = plain_table(["setting", "best", "default"], left=3, fold=1)
    for key, value in finding["best"].items():
        usual = (finding["defaults"] or {}).get(key)
        cells = (Text(one_line(setting(one))) for one in (value, usual))
        table.add_row(Text(one_line(key)), *cells, style="bold" if value != usual else "")
    return table


def _rates(finding: Any) -> Table:
    from rich.text import Text

    part = finding["judged_on"] or "validation"
    table = plain_table(
        ["", "rate", part, "over seeds", "loss", "to best", "95% interval", "diverged"],
        left=1,
        fold=0,
    )
    for rate in finding["rates"]:
        scores = rate[part] or NOTHING
        accuracy, losses, behind = (
            scores["accuracy"] or NOTHING,
            scores["loss"] or NOTHING,
            rate["difference"] or NOTHING,
        )
        gone = len(rate["diverged"] or [])
        table.add_row(
            Text("●" if rate["is_best"] else "≈" if rate["as_good"] else " ", style="green"),
            setting(float(rate["lr"])),
            percent(accuracy["mean"]),
            percent_interval(interval(accuracy)),
            loss(losses["mean"]),
            points(behind["difference"], signed=True),
            points_interval(behind["interval"]),
            f"{gone} of {len(finding['seeds'])}" if gone else "",
            style="bold" if rate["is_best"] else "" if accuracy else "dim",
        )
    return table


def _effects(finding: Any, width: int) -> Table:
    from rich.text import Text

    part = finding["judged_on"] or "validation"
    columns = ["change", part, "difference", "95% interval", "finding", "p"]
    shown = len(columns) if width >= WIDTH_FOR_ALL_COLUMNS else len(columns) - 1
    table = plain_table(columns[:shown], left=1, fold=0)
    base = ((finding["baseline"] or {}).get("accuracy") or {}).get("mean")
    table.add_row("baseline", percent(base), *[""] * (shown - 2), style="bold")
    styles = {"helps": "green", "hurts": "red", "failed": "yellow"}
    knob = None
    for one in finding["effects"]:
        if one["knob"] != knob:
            table.add_section()
        knob = one["knob"]
        cells = list(_effect(one))[: shown - 1]
        cells[3] = Text(cells[3], style=styles.get(one["kind"], ""))
        table.add_row(Text(shorten(one["label"], 60)), *cells)
    return table


def _effect(one: Any) -> Iterator[Any]:
    yield percent((one["accuracy"] or {}).get("mean"))
    yield points(one["difference"], signed=True)
    yield points_interval(one["interval"])
    yield one["kind"]
    yield p_number(one["p_adjusted"])
