"""The page of a learning-rate study."""

import re
from pathlib import Path

import pytest
from examples import Data, changed, copy_real, rewrite, write_curves
from lr_example import build_learning_rates
from pages import page_text, section, section_names

from headstart.results import LearningRateRange, LearningRates, SeedFailure, read_finding


def read_learning_rates(study: Path) -> LearningRates:
    finding = read_finding(study)
    assert isinstance(finding, LearningRates)
    return finding


@pytest.mark.usefixtures("page_only")
def test_the_rates_are_listed_with_the_best_and_those_that_diverge(tmp_path: Path) -> None:
    page = page_text(build_learning_rates(tmp_path))
    assert "0.003 is the best learning rate for mlp on digits</h1>" in page
    assert section_names(page) == ["rates", "results", "curves", "range", "reproduce", "glossary"]
    assert "<b>0.001 to 0.003</b> 0.5 decades" in page
    results = section(page, "results")
    assert re.findall(r"</i>([\d.]+)</span>", results) == [
        *("0.0001", "0.0003", "0.001", "0.003", "0.01", "0.03", "0.1"),
    ]
    assert (
        results.count(">best</span>") == 1 and results.count(">not significantly worse</span>") == 1
    )
    assert '<td class="why">1 of 3 seeds</td>' in results
    assert '<td class="why">3 of 3 seeds</td>' in results
    assert "<b>0.1, seeds 0, 1, 2:</b> the loss became &lt;infinite&gt;." in page
    for rate in ("0.0001", "0.001", "0.01", "0.1"):
        assert f">{rate}</text>" in page, "the common rates are named on the axis"


@pytest.mark.usefixtures("page_only")
def test_training_diverges_from_the_lowest_rate_at_which_any_seed_diverges(
    tmp_path: Path,
) -> None:
    page = page_text(build_learning_rates(tmp_path))
    assert "<dt>Diverges from</dt><dd><b>0.03</b> at one or more seeds</dd>" in page
    assert "Hatched: from the lowest rate at which any seed diverges." in page
    assert "every seed" not in page and "varies more" not in page


@pytest.mark.usefixtures("page_only")
def test_a_real_study_whose_lowest_rate_learned_nothing(tmp_path: Path) -> None:
    page = page_text(copy_real("lr", tmp_path))
    assert "<dt>Diverges from</dt><dd><b>none</b> of these rates</dd>" in page
    row = section(page, "results").partition("</i>0.01</span>")[2].partition("</tr>")[0]
    assert '<td class="why">2 of 2 seeds learned nothing: the rate is too low</td>' in row
    assert "Hatched" not in page


@pytest.mark.usefixtures("page_only")
def test_a_rate_that_varies_more_says_so_beside_its_large_p_value(tmp_path: Path) -> None:
    study = build_learning_rates(tmp_path, seeds=1)
    rates = read_learning_rates(study).rates
    difference = rates[2].difference
    assert difference is not None
    unsure = changed(
        rates[2], as_good=False, difference=difference.model_copy(update={"p_adjusted": 0.54})
    )
    page = page_text(rewrite(study, rates=(*rates[:2], unsure, *rates[3:])))
    row = section(page, "results").partition("</i>0.001</span>")[2].partition("</tr>")[0]
    assert ">varies more</span>" in row and "p = 0.54" in row
    assert "its accuracy varies significantly more over seeds" in section(page, "results")


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (0.008, "0.5 decades, at most 0.8 points lower</dd>"),
        (1.0, "0.5 decades, with too few runs to exclude any loss</dd>"),
        (None, "0.5 decades</dd>"),
    ],
)
def test_the_range_promises_only_what_its_runs_exclude(
    tmp_path: Path, loss: float | None, expected: str
) -> None:
    study = build_learning_rates(tmp_path, seeds=1)
    good = LearningRateRange(low=0.001, high=0.003, decades=0.48, largest_loss=loss)
    assert expected in page_text(rewrite(study, good=good))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"range_test": None}, "The study has no range test."),
        ({"best": None, "good": None}, "No learning rate worked for mlp on digits"),
        ({"diverges_from": None}, "<b>none</b> of these rates"),
        (
            {"best": None, "good": None, "diverges_from": None},
            "<dt>Diverges from</dt><dd><b>–</b></dd>",
        ),
        ({"notes": (), "test_reads": 0}, "Scores against the learning rate"),
    ],
)
@pytest.mark.usefixtures("page_only")
def test_missing_parts_of_a_study_are_noted(
    tmp_path: Path, changes: dict[str, object], text: str
) -> None:
    assert text in page_text(rewrite(build_learning_rates(tmp_path, seeds=1), **changes))


@pytest.mark.usefixtures("page_only")
def test_a_diverged_run_may_have_curves_only(tmp_path: Path) -> None:
    study = build_learning_rates(tmp_path, seeds=1)
    rates = read_learning_rates(study).rates
    last = changed(rates[-1], runs=("runs/diverged",))
    rewrite(study, rates=(*rates[:-1], last))
    nan = float("nan")
    rows = [[1, 1, 0.1, 99.5, 0.1, nan, 0.1], [2, 2, 0.1, float("inf"), 0.1, nan, 0.1]]
    write_curves(study / "runs" / "diverged", rows)
    page = page_text(study)
    assert 'aria-label="Loss of 0.1 against epochs' in page
    # The only seed of 0.03 diverged and left nothing.
    assert page.count('aria-label="Loss of ') == 7 - 1


def test_a_study_in_which_every_rate_diverges_has_a_page(tmp_path: Path) -> None:
    study = build_learning_rates(tmp_path, seeds=1)
    rates = [
        changed(
            rate,
            validation=None,
            test=None,
            runs=(),
            is_best=False,
            as_good=False,
            difference=None,
            failures=(SeedFailure(seed=0, message=""),),
            diverged_seeds=(0,),
        )
        for rate in read_learning_rates(study).rates
    ]
    rewrite(study, rates=rates, best=None, good=None, diverges_from=None, range_test=None)
    page = page_text(study)
    assert "No run finished, so there is nothing to draw." in page
    assert "No run has a learning curve of two epochs or more." in page
    assert "<b>0.0001, seed 0:</b> diverged" in page
    assert not (study / "figures").exists()


@pytest.mark.usefixtures("page_only")
def test_without_test_images_the_rates_are_evaluated_on_validation_images(
    tmp_path: Path,
) -> None:
    page = page_text(build_learning_rates(tmp_path, Data(images=200, has_test=False), seeds=1))
    assert "all scores on this page are on validation images" in page
    assert "Test loss" not in page
