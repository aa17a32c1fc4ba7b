"""The page of `fit`."""

import io
from pathlib import Path

import pytest
from examples import changed, write_finding
from fit_example import build_fit
from rich.console import Console

from headstart.report import fit_table, write_report
from headstart.report.figures._canvas import drawing_style
from headstart.report.figures._fit_progress import fit_progress_figure
from headstart.report.pages._fit import fit_page
from headstart.results import FitFinding, read_finding


def read_fit(folder: Path) -> FitFinding:
    finding = read_finding(build_fit(folder))
    assert isinstance(finding, FitFinding)
    return finding


@pytest.mark.parametrize(
    ("interval", "place"),
    [((0.5, 0.999), "within"), ((0.3, 0.6), "above"), ((0.99, 0.999), "below")],
)
def test_the_page_compares_the_selection_with_the_test_images(
    tmp_path: Path, interval: tuple[float, float], place: str
) -> None:
    finding = read_fit(tmp_path)
    assert finding.test is not None
    finding = changed(finding, test=changed(finding.test, interval=interval, n=9))
    sentence = fit_page(tmp_path, finding).selection_against_test
    assert sentence.startswith("The validation accuracy of 9")
    assert f" is {place} the 95% interval of the test accuracy" in sentence
    assert sentence.endswith("which is based on 9 test images.")
    without = changed(finding, test=None)
    assert fit_page(tmp_path, without).selection_against_test == ""


def test_the_line_of_the_best_score_is_not_cut_at_the_ends_of_the_axis(tmp_path: Path) -> None:
    finding = read_fit(tmp_path)
    history = (
        changed(finding.history[0], score=1.0, best=1.0),
        changed(finding.history[1], score=0.99, best=0.9),  # a cross-validated score may be lower
    )
    with drawing_style():
        axes = fit_progress_figure(changed(finding, history=history)).axes[0]
    line = next(line for line in axes.lines if line.get_label() == "best so far")
    assert not line.get_clip_on()
    assert axes.get_ylim()[0] < 0.9 and axes.get_ylim()[1] == 1.0


@pytest.mark.parametrize(("scores", "lines"), [(1, []), (2, ["best so far"])])
def test_one_score_is_drawn_without_a_line(tmp_path: Path, scores: int, lines: list[str]) -> None:
    finding = read_fit(tmp_path)
    finding = changed(finding, history=finding.history[:scores])
    with drawing_style():
        axes = fit_progress_figure(finding).axes[0]
    drawn = [line for line in axes.lines if line.get_linestyle() != "None"]
    assert [line.get_label() for line in drawn] == lines


@pytest.mark.parametrize(
    ("metric", "scores", "texts", "label"),
    [
        ("log-loss", (-0.31, -0.25), ("0.3100", "0.2500"), "validation log-loss (lower is better)"),
        ("macro-f1", (0.8, 0.9), ("80.0%", "90.0%"), "validation macro-f1"),
        ("/a/costs.py:gain", (-3.5, 12.25), ("-3.5", "12.25"), "validation costs.py:gain"),
    ],
)
def test_the_metric_that_selected_is_shown_under_its_name(
    tmp_path: Path,
    metric: str,
    scores: tuple[float, float],
    texts: tuple[str, str],
    label: str,
) -> None:
    finding = _by_metric(read_fit(tmp_path), metric, scores)
    with drawing_style():
        axes = fit_progress_figure(finding).axes[0]
    assert axes.get_ylabel() == label

    write_finding(tmp_path, finding)
    page = write_report(tmp_path).read_text("utf-8")
    name = metric.rpartition("/")[2]
    with io.StringIO() as out:
        Console(file=out, width=100).print(fit_table(finding))
        table = out.getvalue()
    for text in (*texts, name):
        assert text in page
        assert text in table
    assert f"-{texts[0]}" not in page + table
    assert "accuracy" in table.splitlines()[2]


def _by_metric(finding: FitFinding, metric: str, scores: tuple[float, float]) -> FitFinding:
    """Return a finding that another metric selected."""
    tried = [
        changed(rung, score=score, validation_score=score)
        for rung, score in zip(finding.tried, scores, strict=False)
    ]
    history = [
        changed(step, score=score, best=score)
        for step, score in zip(finding.history, scores, strict=True)
    ]
    return changed(
        finding,
        metric=metric,
        tried=(*tried, *finding.tried[2:]),
        history=tuple(history),
        validation_score=scores[1],
        test_score=scores[1],
    )
