"""The page of a study of effects: one change at a time around a baseline."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING

from headstart.formatting import shorten
from headstart.report._load import Entry, Facts, Study
from headstart.report.figures import _curves, _forest
from headstart.report.figures._forest import Bar
from headstart.report.figures._style import LIGHT
from headstart.report.pages import _sections
from headstart.report.pages._content import Content, images
from headstart.report.pages._panels import small_panels
from headstart.report.pages._sections import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# An axis that held a change to guessing would show all others as dots on zero: it ends at this many times the median change.
MOST_MEDIANS = 6


def content(study: Study) -> Content:
    """The forest plot of the changes by knob, their table, and their curves against the baseline's."""
    finding, (baseline, *changes) = study.facts, study.entries
    measured = [entry for entry in changes if entry.facts["difference"] is not None]
    limit = reach([entry.facts for entry in measured])
    plot = _sections.forest(
        [entry.facts for entry in measured], [entry.place is not None for entry in measured], limit
    )
    tracks = {entry.name: row for entry, row in zip(measured, plot["rows"], strict=True)}
    scale = _sections.accuracy_scale(
        (baseline, *(entry for entry in measured if not tracks[entry.name]["off"]))
    )
    drawn = {entry.name: _curves.averaged(entry) for entry in _curves.with_curves(study.entries)}
    behind = drawn.pop(baseline.name, None)
    up = _curves.limits((*drawn.values(), behind) if behind else tuple(drawn.values()), "loss")
    knobs: list[Part] = []
    for number, (knob, group) in enumerate(
        groupby(changes, key=lambda entry: str(entry.facts["knob"]))
    ):
        ours = tuple(group)
        curves = tuple(drawn[entry.name] for entry in ours if entry.name in drawn)
        knobs.append(
            {
                "name": knob,
                "baseline_value": ours[0].facts["baseline_value"],
                "changes": [
                    (entry, tracks.get(entry.name), _sections.accuracy_marks(entry.score, scale))
                    for entry in ours
                ],
                "panels": small_panels(curves, "loss", up, f"knob{number}-", behind)
                if curves
                else None,
            }
        )
    draw: dict[str, Callable[[], Figure]] = {}
    if measured:
        draw["effects"] = partial(_forest.forest, [_bar(entry) for entry in measured], limit)
    if drawn:
        draw["curves"] = partial(_curves.grid, tuple(drawn.values()), "loss", up, behind)
    return Content(
        template="effects.html.j2",
        headline=headline(finding),
        lead=finding["sentence"] or "",
        images=images(study),
        values={
            "baseline": baseline,
            "baseline_marks": _sections.accuracy_marks(baseline.score, scale),
            "forest": plot,
            "knobs": knobs,
            "scale": scale,
            "kinds": {
                kind: len(_of_kind(finding, kind))
                for kind in ("helps", "hurts", "nothing shown", "failed")
            },
            "beyond": [entry.name for entry in measured if tracks[entry.name]["off"]],
        },
        figures=draw,
        recipes=(baseline,),
    )


def headline(finding: Facts) -> str:
    """The page's first words: how many changes help and hurt."""
    tried, helps, hurts = (
        len(finding["effects"]),
        len(_of_kind(finding, "helps")),
        len(_of_kind(finding, "hurts")),
    )
    on = f"{finding['model']} on {finding['dataset']['name']}"
    if not helps and not hurts:
        return f"No change is shown to matter for {on}"
    return f"Of {tried} changes, {helps} {'helps' if helps == 1 else 'help'} {on} and {hurts} {'hurts' if hurts == 1 else 'hurt'}"


def _of_kind(finding: Facts, kind: str) -> list[Facts]:
    return [one for one in finding["effects"] if one["kind"] == kind]


def reach(effects: list[Facts]) -> float:
    """How far from zero the axis goes: `MOST_MEDIANS` times the median of what each row needs."""
    needs = [
        max(
            abs(end)
            for end in [
                one["difference"],
                *(one["interval"] or []),
                one["smallest_detectable"] or 0.0,
            ]
        )
        for one in effects
    ]
    return max(MOST_MEDIANS * median(needs), 1e-3) if needs else 1e-3


def _bar(entry: Entry) -> Bar:
    facts = entry.facts
    return Bar(
        f"{shorten(entry.name, 30)}: {facts['kind']}",
        facts["difference"],
        facts["interval"] or [facts["difference"]] * 2,
        facts["smallest_detectable"],
        LIGHT.accent(entry.place),
        is_open=entry.place is None,
    )
