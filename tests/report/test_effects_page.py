"""The page of an effects study."""

import re
import shutil
from pathlib import Path

import pytest
from effects_example import build_effects
from examples import changed, copy_real, rewrite
from pages import page_text, section, section_names

from headstart.report.pages._axes import MeasuredDifference
from headstart.report.pages._effects import axis_reach
from headstart.results import Effects, read_finding


def read_effects(study: Path) -> Effects:
    finding = read_finding(study)
    assert isinstance(finding, Effects)
    return finding


@pytest.mark.usefixtures("page_only")
def test_changes_are_grouped_by_hyperparameter_with_their_outcome(tmp_path: Path) -> None:
    page = page_text(build_effects(tmp_path))
    assert "Of 8 changes, 2 help mlp on digits and 3 hurt</h1>" in page
    assert section_names(page) == ["effects", "results", "curves", "reproduce", "glossary"]
    effects = section(page, "effects")
    assert re.findall(r"<h3>(\w+)", effects) == ["dropout", "nodes", "activation", "optimizer"]
    assert re.findall(r"</b> ([a-z ]+?) ?<(?:span|/p)", effects) == [
        *("helps", "hurts", "hurts", "helps", "undecided", "undecided", "hurts", "failed"),
    ]
    assert "<b>The baseline</b> overfits (variance)" in effects
    recipe = section(page, "reproduce")
    for key in ("lr", "dropout", "nodes"):
        assert f'<th scope="row">{key}</th>' in recipe


@pytest.mark.usefixtures("page_only")
def test_a_change_of_augmentation_is_named_in_words(tmp_path: Path) -> None:
    study = build_effects(tmp_path)
    finding = read_effects(study)
    mirrored = {"hyperparameter": "augmentation", "value": True, "label": "mirrored"}
    effects = [changed(finding.effects[0], **mirrored), *finding.effects[1:]]
    shown = section(page_text(rewrite(study, effects=effects)), "effects")
    assert "<b>mirrored</b> helps" in shown and "<b>0.5</b> hurts" in shown
    assert "<b>yes</b>" not in shown


@pytest.mark.usefixtures("page_only")
def test_a_change_to_guessing_is_an_arrow(tmp_path: Path) -> None:
    effects = section(page_text(build_effects(tmp_path)), "effects")
    assert effects.count('class="off left"') == 1
    assert "◂ and ▸ mark values beyond the axis." in effects


def test_the_axis_of_differences_ends_at_six_medians() -> None:
    def measured(difference: float) -> MeasuredDifference:
        interval = (difference - 0.01, difference + 0.01)
        return MeasuredDifference(difference, interval, 0.01, is_significant=True)

    differences = [measured(0.01), measured(0.0), measured(-0.8)]
    assert axis_reach(differences) == pytest.approx(6 * 0.02)
    assert axis_reach([]) > 0


@pytest.mark.usefixtures("page_only")
def test_a_real_study_without_a_significant_effect_says_so(tmp_path: Path) -> None:
    page = page_text(copy_real("effects", tmp_path))
    assert "No significant effect for mlp on digits</h1>" in page
    assert "0 help, 0 hurt, 2 undecided" in page


@pytest.mark.usefixtures("page_only")
def test_failed_changes_and_missing_run_folders_are_noted(tmp_path: Path) -> None:
    study = build_effects(tmp_path, seeds=1)
    effects = [
        changed(effect, outcome="failed", accuracy=None, loss=None, difference=None, runs=())
        for effect in read_effects(study).effects
    ]
    rewrite(study, effects=effects)
    shutil.rmtree(study / "runs")
    page = page_text(study)
    assert "No change has finished runs, so there is nothing to draw." in page
    assert "No run has a learning curve of two epochs or more." in page
