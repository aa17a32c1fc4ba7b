"""The page of a learning-rate study."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from headstart.formatting import setting
from headstart.report._load import Entry, Facts, Study
from headstart.report.figures import _curves, _lr
from headstart.report.pages import _sections
from headstart.report.pages._content import Content, images
from headstart.report.pages._panels import small_panels, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def content(study: Study) -> Content:
    """Scores against the rate, the table of rates, the curves, the range test."""
    finding, part = study.facts, study.part
    best = next((entry for entry in study.entries if entry.facts["is_best"]), None)
    entries = _curves.with_curves(study.entries)
    is_measured = any((rate[part] or Facts())["accuracy"] for rate in finding["rates"])
    has_range = bool((finding["range_test"] or Facts())["repeats"])
    ups = (
        {metric: _curves.limits(entries, metric) for metric in ("loss", "accuracy")}
        if entries
        else {}
    )
    if ups:
        ups["loss"] = (ups["loss"][0], min(ups["loss"][1], _lr.worst_loss(finding)))
    draw: dict[str, Callable[[], Figure]] = {}
    if is_measured:
        draw["rates"] = partial(_lr.scores_figure, finding, part)
    for metric, up in ups.items():
        draw[f"curves-{metric}"] = partial(_curves.grid, entries, metric, up)
    if has_range:
        draw["range-test"] = partial(_lr.range_figure, finding)
    scale = _sections.accuracy_scale(study.contenders)
    return Content(
        template="lr.html.j2",
        headline=headline(finding),
        lead=finding["sentence"] or "",
        images=images(study),
        values={
            "scores": [
                (metric, svg(_lr.score_panel(finding, part, metric), f"rate-{metric}"))
                for metric in ("accuracy", "loss")
                if is_measured
            ],
            "scale": scale,
            "diverged": [one for entry in study.entries for one in _diverged(entry)],
            "rows": [
                (entry, _sections.accuracy_marks(entry.score, scale)) for entry in study.entries
            ],
            "panels": [small_panels(entries, metric, up, metric) for metric, up in ups.items()],
            "range_svg": svg(_lr.range_figure(finding), "range") if has_range else "",
        },
        figures=draw,
        winner=best,
        recipes=(best,) if best else entries[:1],
    )


def headline(finding: Facts) -> str:
    """The page's first words: the best rate, or that none worked."""
    on = f"{finding['model']} on {finding['dataset']['name']}"
    return (
        f"No learning rate worked for {on}"
        if finding["best"] is None
        else f"{setting(finding['best'])} is the best rate for {on}"
    )


def _diverged(entry: Entry) -> list[tuple[str, str]]:
    """Who and what: seeds with the same message once."""
    seeds: dict[str, list[str]] = {}
    for one in entry.facts["diverged"] or []:
        seeds.setdefault(one["message"] or "diverged", []).append(str(one["seed"]))
    return [
        (f"{entry.name}, seed{'s' * (len(same) > 1)} {', '.join(same)}", message)
        for message, same in seeds.items()
    ]
