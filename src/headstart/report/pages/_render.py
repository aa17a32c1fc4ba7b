"""The page: read what is on disk, draw the figures, fill the template."""

from __future__ import annotations

from pathlib import Path

from headstart import formatting, store
from headstart.errors import InputError
from headstart.progress import task
from headstart.report._load import Facts, Study, environment, read_run, read_study
from headstart.report.figures import _canvas
from headstart.report.figures._style import DARK, LIGHT
from headstart.report.pages import _backbones, _compare, _effects, _labels, _lr, _sections, _tune
from headstart.report.pages._content import Content

CONTENTS = {
    "compare": _compare.content,
    "train": _compare.content,
    "lr": _lr.content,
    "labels": _labels.content,
    "effects": _effects.content,
    "tune": _tune.content,
    "backbones": _backbones.content,
}


def report(study: str | Path) -> Path:
    """Draw the page of a finished study or run again; returns its path.

    Raises:
        InputError: nothing finished is there.
    """
    folder = Path(study)
    if (folder / "finding.json").exists():
        return write_report(folder)
    if (folder / "metrics.json").exists():
        return write_run_report(folder)
    raise InputError(f"{folder} holds no finished study or run.", "`headstart runs` lists them.")


def write_report(study: Path) -> Path:
    """Write `study/report.html` and `study/figures/*.png|svg` from `study/finding.json` and the runs it names.

    The page is one file, loads nothing, and needs no script. The same study gives the same bytes. What a run folder lacks
    (curves, gallery) is left out of the page with a note.

    Returns:
        The page's path.

    Raises:
        InputError: `finding.json` is missing or damaged, or of a kind of study that has no page.
        ResourceError: no permission or no space.
    """
    return _write(read_study(study))


def write_run_report(run: Path) -> Path:
    """`write_report` for one run folder: the same page without a verdict.

    Raises:
        InputError: `metrics.json` is missing or damaged. ResourceError: no permission or no space.
    """
    return _write(read_run(run))


def _write(study: Study) -> Path:
    page, kind = study.folder / "report.html", study.facts["study"]
    if kind not in CONTENTS:
        raise InputError(
            f"{study.folder / 'finding.json'}: its study is {kind!r}, but a page can be made of {', '.join(CONTENTS)}.",
            hint="A newer Headstart may have written it; see the versions with: headstart --version",
        )
    with _canvas.canvas():
        content = CONTENTS[kind](study)
        _save_figures(study, content)
        store.write_text(page, _fill(study, content))
    return page


def _save_figures(study: Study, content: Content) -> None:
    with task("Writing the report", len(content.figures), "figures") as progress:
        for name, draw in content.figures.items():
            _canvas.save(draw(), study.folder / "figures", name)
            progress.advance()


def _fill(study: Study, content: Content) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    jinja = Environment(
        loader=PackageLoader("headstart.report", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.globals |= {"v": formatting, "light": LIGHT, "dark": DARK}  # macros see globals only
    return jinja.get_template(content.template).render(
        study=study,
        facts=study.facts,
        dataset=study.facts["dataset"],
        budget=study.facts["budget"] or Facts(),
        machine=environment(study),
        headline=content.headline,
        lead=content.lead,
        images=content.images,
        winner=content.winner,
        recipe_entries=content.recipes,
        recipes=_sections.recipes(content.recipes),
        **content.values,
    )
