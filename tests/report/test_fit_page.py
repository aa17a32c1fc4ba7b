"""The page of `fit`."""

from pathlib import Path

import pytest
from examples import changed
from fit_example import build_fit

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


@pytest.mark.parametrize(("scores", "lines"), [(1, []), (2, ["best so far"])])
def test_one_score_is_drawn_without_a_line(tmp_path: Path, scores: int, lines: list[str]) -> None:
    finding = read_fit(tmp_path)
    finding = changed(finding, history=finding.history[:scores])
    with drawing_style():
        axes = fit_progress_figure(finding).axes[0]
    drawn = [line for line in axes.lines if line.get_linestyle() != "None"]
    assert [line.get_label() for line in drawn] == lines
