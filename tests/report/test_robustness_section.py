"""The sections about what a verdict depends on, and about subgroups."""

from __future__ import annotations

from pathlib import Path

import pytest
from compare_example import Built, build_comparison
from examples import Data, rewrite
from pages import NASTY_NAMES, section
from robustness_examples import robustness, subgroups

from headstart.report.pages._render import _templates
from headstart.report.pages._robustness_section import robustness_section
from headstart.report.terminal._comparison_table import robustness_lines
from headstart.results import Comparison, Robustness, Slices, read_finding

PAGE = (
    '{% from "robustness_section.html.j2" import robustness_section %}'
    '{{ robustness_section(section, "test") }}'
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    return build_comparison(folder, Built(data=Data(images=60), seeds=1))


def render(study: Path, robust: Robustness | None, slices: Slices | None) -> str:
    finding = read_finding(rewrite(study, robustness=robust, slices=slices))
    return _templates().from_string(PAGE).render(section=robustness_section(finding))


def test_the_page_shows_every_check_and_what_was_not_checked(study: Path) -> None:
    page = render(study, robustness(NASTY_NAMES[0]), subgroups(1, NASTY_NAMES[1]))
    text = section(page, "robustness")
    assert robustness().sentence in text
    assert "without 1 near copy of training images" in text
    assert "without 12 images with suspected labels" in text
    assert "with 3 suspected labels corrected</th>" in text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "<td>+2.1</td><td>−0.4 to +4.6</td><td>0.090</td><td>no</td>" in text
    assert "No group was left out" in text

    text = section(page, "subgroups")
    assert "class a&#34;b onload=x</th><td>60</td>" in text
    assert "<td>+20.0</td><td>−1.0</td><td>0.003</td>" in text
    assert "corrected for the search among 18 subgroups by class, brightness" in text
    finding = read_finding(study)
    assert isinstance(finding, Comparison)
    assert robustness_lines(finding) == [robustness().sentence, subgroups().sentence]


def test_only_ten_subgroups_are_listed_and_without_any_there_is_one_sentence(study: Path) -> None:
    text = section(render(study, None, subgroups(12)), "subgroups")
    assert text.count('<tr><th scope="row">') == 10
    assert "2 further subgroups with larger p-values are in finding.json" in text
    text = section(render(study, None, subgroups(0)), "subgroups")
    assert subgroups().sentence in text
    assert "<table" not in text


def test_an_older_finding_has_no_such_section(study: Path) -> None:
    assert render(study, None, None).strip() == ""
