"""The page of a label study."""

from pathlib import Path

import pytest
from examples import changed, copy_real, rewrite
from labels_example import build_labels
from pages import page_text, section_names

from headstart.report.pages._labels import headline
from headstart.results import LabelComparison, LabelCurves, LabelEstimate, read_finding


def read_labels(study: Path) -> LabelCurves:
    finding = read_finding(study)
    assert isinstance(finding, LabelCurves)
    return finding


def with_comparison(finding: LabelCurves, **changes: object) -> LabelCurves:
    comparison: LabelComparison = changed(finding.comparisons[0], **changes)
    return changed(finding, comparisons=(comparison,))


@pytest.mark.usefixtures("page_only")
def test_the_page_says_what_labels_are_worth_and_where_the_curves_cross(tmp_path: Path) -> None:
    page = page_text(build_labels(tmp_path))
    title = "On digits, 10 labels per class with efficientnet-lite0 are worth 63 with cnn"
    assert f'<h1 class="c1">{title}</h1>' in page
    assert section_names(page)[:3] == ["curves", "match", "results"]
    assert "6.3× the labels" in page
    assert "cross at 220<" in page
    assert "<b>from 220</b> labels per class, 95% interval 180 to 260" in page


@pytest.mark.usefixtures("page_only")
def test_the_page_says_fewer_where_fewer_labels_match(tmp_path: Path) -> None:
    study = build_labels(tmp_path)
    finding = read_labels(study)
    below = LabelEstimate(per_class=None, where="below", interval=(None, None))
    match = changed(
        finding.comparisons[0].matches[0],
        needs=below,
        factor=None,
        factor_interval=(None, None),
    )
    finding = with_comparison(finding, matches=(match,))
    rewrite(study, comparisons=finding.comparisons)
    page = page_text(study)
    assert "On digits, cnn needs fewer labels than efficientnet-lite0</h1>" in page
    assert "<b>fewer</b> labels for cnn" in page
    assert "1.0 times" not in page and "× the labels" not in page
    assert "more" not in headline(finding)


def test_a_leader_without_matches_is_ahead(tmp_path: Path) -> None:
    finding = with_comparison(
        read_labels(build_labels(tmp_path)), matches=(), match=None, crossing=None
    )
    assert headline(finding) == "efficientnet-lite0 is ahead of cnn on digits"


@pytest.mark.usefixtures("page_only")
def test_a_real_study_without_a_significant_difference_has_no_arrow(tmp_path: Path) -> None:
    page = page_text(copy_real("labels", tmp_path))
    assert ">No significant difference on digits</h1>" in page
    assert "× the labels" not in page
    assert "match" not in section_names(page)
