"""Writing a report: read the results, draw the figures, fill in the template."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from headstart import formatting, store
from headstart.errors import InputError
from headstart.evaluation import metric_name, score_text
from headstart.progress import task
from headstart.report._audit_images import AuditImages, Limits
from headstart.report._embedded_data import embed_data
from headstart.report.figures._canvas import drawing_style, save_figure
from headstart.report.figures._learning_curves import curve_finding
from headstart.report.figures._style import DARK, LIGHT
from headstart.report.pages._audit import audit_page, read_audit_page
from headstart.report.pages._backbones import backbones_page
from headstart.report.pages._compare import compare_page
from headstart.report.pages._effects import effects_page
from headstart.report.pages._figure_values import figure_table
from headstart.report.pages._fit import fit_page
from headstart.report.pages._labels import labels_page
from headstart.report.pages._lr import learning_rates_page
from headstart.report.pages._page import Page
from headstart.report.pages._run import run_page
from headstart.report.pages._sentence import command_code, sentence, undivided_p_value
from headstart.report.pages._tune import tune_page
from headstart.results import (
    AuditReport,
    BackboneRanking,
    Comparison,
    Effects,
    Finding,
    FitFinding,
    LabelCurves,
    LearningRates,
    Tuning,
    read_finding,
)

if TYPE_CHECKING:
    from jinja2 import Environment

_FILTERS = (
    "compact_count",
    "count",
    "cut_middle",
    "cut_names",
    "duration",
    "epochs",
    "isolate",
    "isolate_parts",
    "loss",
    "margin",
    "one_line",
    "ordinal",
    "p_number",
    "certainty",
    "confidence",
    "milliseconds",
    "percent",
    "percent_interval",
    "points",
    "points_interval",
    "setting",
    "shape",
    "shorten",
    "training_length",
    "whole_probability",
)


def report(study: str | Path) -> Path:
    """Write the report of a finished study or run again, and return its path.

    Args:
        study: The folder of a study or a run.

    Returns:
        The path of `report.html`. Figures are in `figures/` beside it.

    Raises:
        InputError: The folder does not exist, or holds no finished study or run.
    """
    folder = Path(study)
    if (folder / "finding.json").exists():
        return write_report(folder)
    if (folder / "metrics.json").exists():
        return write_run_report(folder)
    if not folder.exists():
        raise InputError(f"{folder} does not exist.", "List the runs: headstart runs")
    raise InputError(f"{folder} holds no finished study or run.", "List the runs: headstart runs")


def write_report(study: Path) -> Path:
    """Write `report.html` and `figures/*.png|svg|csv` of a study.

    The page is one file, loads nothing and needs no script. The same study gives the same bytes.
    The page notes what a run folder lacks, such as learning curves.

    Args:
        study: The study folder, with `finding.json` and the runs that it names.

    Returns:
        The path of the page.

    Raises:
        InputError: `finding.json` is missing, damaged, or written by a newer version.
        ResourceError: The files cannot be written.
    """
    finding = read_finding(study)
    with drawing_style():
        return _write(study, _finding_page(study, finding), is_verifiable=is_verifiable(finding))


def write_run_report(run: Path) -> Path:
    """Write `report.html` and `figures/*.png|svg|csv` of a single run.

    Args:
        run: The run folder.

    Returns:
        The path of the page.

    Raises:
        InputError: `metrics.json` or `data.json` is missing or damaged.
        ResourceError: The files cannot be written.
    """
    with drawing_style():
        return _write(run, run_page(run), is_verifiable=True)


def render_again(folder: Path) -> str:
    """Return the page of a study or run folder as HTML, without figures and embedded data.

    Raises:
        InputError: A file of the folder is missing or damaged.
    """
    with drawing_style():
        if (folder / "finding.json").exists():
            return _as_html(_finding_page(folder, read_finding(folder)))
        return _as_html(run_page(folder))


def is_verifiable(finding: Finding) -> bool:
    """Return whether a page holds the data to verify it. That of an audit has none."""
    return not isinstance(finding, AuditReport)


def audit_page_html(finding: AuditReport, images: AuditImages, limits: Limits, review: str) -> str:
    """Return the page of an audit for its review, as HTML.

    Args:
        finding: The report of the audit.
        images: Thumbnails of the images that the page shows.
        limits: How many findings of each kind are shown.
        review: The state of the review, for the script of the page.
    """
    return _as_html(audit_page(finding, images, limits, review))


def _finding_page(study: Path, finding: Finding) -> Page:
    match finding:
        case AuditReport():
            return read_audit_page(study, finding)
        case Comparison():
            return compare_page(study, finding)
        case FitFinding():
            return fit_page(study, finding)
        case Tuning():
            return tune_page(study, finding)
        case LearningRates():
            return learning_rates_page(study, finding)
        case LabelCurves():
            return labels_page(study, finding)
        case Effects():
            return effects_page(study, finding)
        case BackboneRanking():
            return backbones_page(finding)
    raise TypeError(f"no page for {type(finding).__name__}")


def _write(folder: Path, page: Page, *, is_verifiable: bool) -> Path:
    _save_figures(folder / "figures", page)
    path = folder / "report.html"
    html = _as_html(page)
    store.write_text(path, embed_data(html, folder, page.pooled) if is_verifiable else html)
    return path


def _as_html(page: Page) -> str:
    return _templates().get_template(page.template).render(page=page)


def _save_figures(folder: Path, page: Page) -> None:
    store.clear_debris(folder)
    store.clear_debris(folder.parent)
    with task("Writing the report", len(page.figures), "figures") as progress:
        for name, draw in page.figures.items():
            figure = draw()
            save_figure(figure, folder, name)
            table = figure_table(figure, name, page.tables)
            store.write_text(folder / f"{name}.csv", table.as_csv())
            progress.advance()


@cache  # compiling the templates takes a tenth of the time of a page
def _templates() -> Environment:
    """Return the templates. A name that a page does not have is an error, not an empty text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("headstart.report", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(formatting, name) for name in _FILTERS}
    environment.filters["curve_finding"] = curve_finding
    environment.filters |= {"sentence": sentence, "command_code": command_code}
    environment.filters["p_value"] = undivided_p_value
    environment.filters |= {"metric_name": metric_name, "score_text": score_text}
    environment.globals |= {
        "absent": formatting.ABSENT,
        "counted": formatting.counted,
        "formatting_script": formatting.script(),
        "light": LIGHT,
        "dark": DARK,
    }
    return environment
