"""The page of a comparison, and of a single run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from headstart import formatting
from headstart.report._load import Entry, Facts, Study
from headstart.report.figures import _curves, _forest, _pictures, _worst_errors
from headstart.report.figures._network_blocks import blocks
from headstart.report.pages import _sections
from headstart.report.pages._content import Content, images
from headstart.report.pages._panels import panels
from headstart.report.pages._sections import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def content(study: Study) -> Content:
    """Verdict, results, curves, confusions, classes, networks, galleries, the worst errors."""
    details = [_detail(study, entry) for entry in study.contenders]
    confusions = _sections.confusions(study)
    errors = _worst_errors.read_errors(study)
    facts, scale, classes = (
        study.facts,
        _sections.accuracy_scale(study.contenders),
        _sections.per_class(study),
    )
    verdict, floors = facts["verdict"], facts["floors"] or []
    values = {
        "verdict": verdict,
        "floors": floors,
        "is_run": facts["study"] == "train",
        "differences": _sections.differences(study),
        "below_floors": _sections.below_floors(study),
        "scale": scale,
        "marks": {
            entry.name: _sections.accuracy_marks(entry.score, scale) for entry in study.entries
        },
        "panels": panels(study.entries),
        "details": details,
        "errors": [_worst_errors.shown(one) for one in errors],
        "floor_marks": [_sections.accuracy_marks(floor, scale) for floor in floors],
        "confusions": confusions,
        "classes": classes,
        "f1_from": _sections.floor_of_f1(classes),
        "tallest": max(
            (block.height for detail in details for block in detail["blocks"]), default=1.0
        ),
    }
    winners = {entry.name: entry for entry in study.contenders}
    return Content(
        template="page.html.j2",
        headline=_sections.headline(study),
        lead=(verdict or Facts())["sentence"] or "",
        images=images(study),
        values=values,
        figures=_drawings(study, details, confusions, errors),
        winner=winners.get((verdict or Facts())["winner"]),
        recipes=study.entries,
    )


def _detail(study: Study, entry: Entry) -> Part:
    """What is drawn of one contender alone: its blocks and galleries."""
    shape = study.facts["dataset"].get("image_shape") or []
    drawn = blocks(entry.shown.metrics.get("architecture") or [], shape) if entry.shown else []
    gallery = _pictures.read_gallery(entry.shown, study.class_names) if entry.shown else None
    return {
        "entry": entry,
        "blocks": drawn if len(drawn) > 1 else [],
        "gallery": gallery,
        "pictures": [
            (title, [_sections.picture(one) for one in group])
            for title, group in zip(("right", "wrong"), gallery or (), strict=False)
        ],
    }


def _drawings(
    study: Study, details: list[Part], confusions: list[Part], errors: list[_worst_errors.Error]
) -> dict[str, Callable[[], Figure]]:
    names = _file_names(study)
    waiting: dict[str, Callable[[], Figure]] = {}
    if entries := _curves.with_curves(study.entries):
        waiting["curves"] = partial(_curves.curves, entries)
    if pairs := (study.facts["verdict"] or Facts())["pairs"]:
        places = {entry.name: entry.place for entry in study.contenders if entry.place is not None}
        waiting["differences"] = partial(_forest.differences, pairs, places)
    for one in confusions:
        matrix = partial(
            _curves.confusion, one["entry"], one["counts"], study.class_names, one["largest"]
        )
        waiting[f"confusion-{names[one['entry'].name]}"] = matrix
    for detail in details:
        entry, drawn, gallery = detail["entry"], detail["blocks"], detail["gallery"]
        if drawn:
            waiting[f"architecture-{names[entry.name]}"] = partial(
                _pictures.architecture, entry, drawn
            )
        if gallery:
            waiting[f"gallery-{names[entry.name]}"] = partial(_pictures.gallery, entry, *gallery)
    if errors:
        waiting["worst-errors"] = partial(_worst_errors.worst_errors, errors)
    return waiting


def _file_names(study: Study) -> dict[str, str]:
    """A file name for each contender; a number sets apart names that would share one."""
    out: dict[str, str] = {}
    for entry in study.contenders:
        name = formatting.slug(entry.name)
        out[entry.name] = name if name not in out.values() else f"{name}-{len(out) + 1}"
    return out
