"""The page of a backbone study."""

import re
from pathlib import Path

import pytest
from backbones_example import build_backbones
from examples import copy_real
from pages import page_text, section


@pytest.mark.usefixtures("page_only")
def test_the_fastest_of_the_candidates_as_good_is_recommended(tmp_path: Path) -> None:
    page = page_text(build_backbones(tmp_path))
    assert "<h1>efficientnet-lite0 at 96 pixels for digits</h1>" in page
    assert "<b>420</b> images per second" in page
    assert "<dt>Training images</dt><dd><b>400</b>" in page
    rows = re.findall(r'<th scope="row">(.*?)</th>', section(page, "results"))
    assert [re.sub(r"<[^>]*>", "", row).split() for row in rows] == [
        ["efficientnet-lite0@128", "best"],
        ["efficientnet-lite0@96", "recommended", "not", "significantly", "worse"],
        ["efficientnet-lite0@64"],
    ]


@pytest.mark.usefixtures("page_only")
def test_a_real_study_with_one_candidate_has_a_page(tmp_path: Path) -> None:
    page = page_text(copy_real("backbones", tmp_path))
    assert "<h1>efficientnet-lite0 at 32 pixels for digits</h1>" in page
    assert page.count(">efficientnet-lite0@32</text>") == 2  # for a screen, and for a phone
