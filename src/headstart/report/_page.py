"""The page: read what is on disk, draw the figures, fill the template."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from headstart import store
from headstart.progress import Task, task
from headstart.report import _canvas, _figures, _parts, _pictures, _values
from headstart.report._blocks import blocks
from headstart.report._load import Entry, Facts, Study, environment, read_run, read_study
from headstart.report._parts import Part
from headstart.report._style import DARK, LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_report(study: Path) -> Path:
    """Write `study/report.html` and `study/figures/*.png|svg` from `study/finding.json` and the runs it names.

    The page is one file, loads nothing, and needs no script. The same study gives the same bytes. What a run folder lacks
    (curves, gallery) is left out of the page with a note.

    Returns:
        The page's path.

    Raises:
        InputError: `finding.json` is missing or damaged. ResourceError: no permission or no space.
    """
    return _write(read_study(study))


def write_run_report(run: Path) -> Path:
    """`write_report` for one run folder: the same page without a verdict.

    Raises:
        InputError: `metrics.json` is missing or damaged. ResourceError: no permission or no space.
    """
    return _write(read_run(run))


def _write(study: Study) -> Path:
    page = study.folder / "report.html"
    with task("Writing the report", 3 + 3 * len(study.contenders), "figures") as progress, _canvas.canvas():
        details = [_detail(study, entry) for entry in study.contenders]
        confusions = _parts.confusions(study)
        panels = _panels(study)
        _save_figures(study, details, confusions, progress)
        store.write_text(page, _fill(study, details, confusions, panels))
    return page


def _detail(study: Study, entry: Entry) -> Part:
    """What is drawn of one contender alone: its blocks and galleries."""
    shape = study.facts["dataset"].get("image_shape") or []
    drawn = blocks(entry.shown.metrics.get("architecture") or [], shape) if entry.shown else []
    return {
        "entry": entry,
        "blocks": drawn if len(drawn) > 1 else [],
        "gallery": _pictures.read_gallery(entry.shown, study.class_names) if entry.shown else None,
    }


def _panels(study: Study) -> list[Part]:
    """The curves as SVG for the page: one row a metric, one panel an entry, on shared axes."""
    entries = _with_curves(study)
    across = _figures.epoch_limits(entries)
    rows = []
    for metric in ("loss", "accuracy") if entries else ():
        up = _figures.limits(entries, metric)
        svgs = [
            _canvas.inline_svg(
                _figures.curve_panel(entry, metric, across[entry.name], up, len(entries)),
                f"{metric}{number}",
                LIGHT.accent(entry.place),
            )
            for number, entry in enumerate(entries)
        ]
        rows.append({"metric": metric, "panels": list(zip(entries, svgs, strict=True))})
    return rows


def _with_curves(study: Study) -> tuple[Entry, ...]:
    return tuple(entry for entry in study.entries if any("epoch" in run.curves for run in entry.runs))


def _save_figures(study: Study, details: list[Part], confusions: list[Part], progress: Task) -> None:
    names = _file_names(study)
    waiting: list[tuple[str, Callable[[], Figure]]] = []
    if entries := _with_curves(study):
        waiting.append(("curves", partial(_figures.curves, entries)))
    if pairs := (study.facts["verdict"] or Facts())["pairs"]:
        places = {entry.name: entry.place for entry in study.contenders if entry.place is not None}
        waiting.append(("differences", partial(_figures.differences, pairs, places)))
    for one in confusions:
        matrix = partial(_figures.confusion, one["entry"], one["counts"], study.class_names, one["largest"])
        waiting.append((f"confusion-{names[one['entry'].name]}", matrix))
    for detail in details:
        entry, drawn, gallery = detail["entry"], detail["blocks"], detail["gallery"]
        if drawn:
            waiting.append((f"architecture-{names[entry.name]}", partial(_pictures.architecture, entry, drawn)))
        if gallery:
            waiting.append((f"gallery-{names[entry.name]}", partial(_pictures.gallery, entry, *gallery)))
    for name, draw in waiting:
        _canvas.save(draw(), study.folder / "figures", name)
        progress.advance()


def _file_names(study: Study) -> dict[str, str]:
    """A file name for each contender; a number sets apart names that would share one."""
    out: dict[str, str] = {}
    for entry in study.contenders:
        name = _values.slug(entry.name)
        out[entry.name] = name if name not in out.values() else f"{name}-{len(out) + 1}"
    return out


def _fill(study: Study, details: list[Part], confusions: list[Part], panels: list[Part]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    template = Environment(
        loader=PackageLoader("headstart.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html.j2")
    for row in panels:  # ours, from matplotlib, which escapes its texts
        row["panels"] = [(entry, Markup(svg)) for entry, svg in row["panels"]]
    for detail in details:
        detail["pictures"] = [
            (title, [_parts.picture(one) for one in group])
            for title, group in zip(("right", "wrong"), detail["gallery"] or (), strict=False)
        ]
    facts, scale, classes = study.facts, _parts.accuracy_scale(study), _parts.per_class(study)
    tallest = max((block.height for detail in details for block in detail["blocks"]), default=1.0)
    return template.render(
        v=_values,
        light=LIGHT,
        dark=DARK,
        study=study,
        facts=facts,
        dataset=facts["dataset"],
        budget=facts["budget"] or Facts(),
        verdict=facts["verdict"],
        floors=facts["floors"] or [],
        is_run=facts["study"] == "train",
        machine=environment(study),
        headline=_parts.headline(study),
        differences=_parts.differences(study),
        below_floors=_parts.below_floors(study),
        scale=scale,
        marks={entry.name: _parts.accuracy_marks(entry.score, scale) for entry in study.entries},
        panels=panels,
        details=details,
        floor_marks=[_parts.accuracy_marks(floor, scale) for floor in facts["floors"] or []],
        confusions=confusions,
        classes=classes,
        f1_from=_parts.floor_of_f1(classes),
        tallest=tallest,
        recipes=_parts.recipes(study),
    )
