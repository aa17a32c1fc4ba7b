"""The page of a search."""

import re
from pathlib import Path

import pytest
from compare_example import no_verdict
from examples import changed, copy_real, rewrite
from pages import page_text, section, section_names
from tune_example import DEFAULTS, build_search

from headstart.formatting import setting
from headstart.report._study import ranked_trials
from headstart.report.figures._search import setting_axes
from headstart.results import Trial, TrialRung, Tuning, read_finding


@pytest.mark.usefixtures("page_only")
def test_the_search_comes_before_the_comparison(tmp_path: Path) -> None:
    page = page_text(build_search(tmp_path, seeds=1))
    assert '<h1 class="c0">Tuning improves mlp on digits</h1>' in page
    assert section_names(page)[:9] == [
        *("best", "progress", "importance", "trials"),
        *("differences", "results", "pairs", "curves", "confusion"),
    ]
    assert "The optimism is 0.3 points." in section(page, "best")
    optimism = "<dt>Validation minus test</dt><dd><b>+0.3 points</b> 95% interval −1.2 to +1.8</dd>"
    assert optimism in page


@pytest.mark.usefixtures("page_only")
def test_the_trials_are_listed_with_their_marks(tmp_path: Path) -> None:
    trials = section(page_text(build_search(tmp_path, seeds=1)), "trials")
    assert trials.count('<tr class="c0">') == 15
    for mark in ("best", "tie", "defaults"):
        assert trials.count(f">{mark}</span>") == (0 if mark == "defaults" else 1)
    assert "not finite <small>infinite at step 40 &lt;b&gt;</small>" in trials
    assert "The best 15 of 22 trials with a score." in trials


@pytest.mark.usefixtures("page_only")
def test_a_real_search_without_better_settings_says_so(tmp_path: Path) -> None:
    page = page_text(copy_real("tune", tmp_path))
    assert "<h1>No better settings than the defaults for mlp on digits</h1>" in page
    assert "The best settings are the defaults." in section(page, "best")
    assert "There are too few trials to estimate the importance" in section(page, "importance")


@pytest.mark.usefixtures("page_only")
@pytest.mark.parametrize("is_short", [False, True])
def test_the_table_shows_the_best_of_the_search_where_the_defaults_are_kept(
    tmp_path: Path, is_short: bool
) -> None:
    folder = build_search(tmp_path, seeds=1)
    finding = read_finding(folder)
    assert isinstance(finding, Tuning)
    trials = list(finding.trials)
    best = next(trial for trial in trials if trial.is_best)
    if is_short:  # The final run of "tuned" is that of a trial, and the defaults are the best one.
        run = finding.contenders[0].runs[0]
        rungs = (*best.rungs[:-1], changed(best.rungs[-1], run=run))
        trials[best.number] = changed(best, rungs=rungs, is_best=False)
        trials[0] = changed(trials[0], values=DEFAULTS, is_best=True, is_default=True)
    changes = {"best": DEFAULTS, "trials": tuple(trials)}
    page = page_text(rewrite(folder, **changes))
    table = section(page, "best")
    rows = re.findall(r'<td class="text">(.*?)</td><td class="text">(.*?)</td>', table)
    assert rows == [(setting(best.values[key]), setting(DEFAULTS[key])) for key in best.values]
    assert "Settings that differ are in bold. The defaults are kept." in table
    dashed = "The best one is thick, and the defaults are dashed."
    assert (dashed in page) != is_short


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"best": {}, "trials": ()}, "No trial finished, so the best settings are unknown."),
        ({"history": ()}, "The finding contains no history of the search."),
        ({"importance": {}}, "There are too few trials to estimate the importance"),
        ({"trials": (), "space": {}}, "No trial finished, so there is nothing to draw."),
        ({"optimism": None, "test": None}, "Best settings"),
        ({"space": {}}, "<h3>All trials</h3>"),
    ],
)
@pytest.mark.usefixtures("page_only")
def test_missing_parts_of_a_search_are_noted(
    tmp_path: Path, changes: dict[str, object], text: str
) -> None:
    assert text in page_text(rewrite(build_search(tmp_path, seeds=1), **changes))


@pytest.mark.usefixtures("page_only")
def test_rungs_without_trials_are_left_out(tmp_path: Path) -> None:
    study = build_search(tmp_path, seeds=1)
    finding = read_finding(study)
    assert isinstance(finding, Tuning)
    rungs = (*finding.rungs[:2], changed(finding.rungs[2], trials=0))
    page = page_text(rewrite(study, rungs=rungs))
    assert "trials" in page and ": 0 trials" not in page

    trial = changed(finding.trials[0], rungs=finding.trials[0].rungs[:1])
    assert "Each mark is a trial at the end of a rung" in page
    page = page_text(rewrite(study, trials=(trial,)))
    assert "The mark is the only trial." in page and "at the end of a rung" not in page
    assert "One trial finished. A figure of all trials needs two." in page
    assert "<h3>All trials</h3>" not in page


@pytest.mark.usefixtures("page_only")
def test_a_search_without_contenders_has_no_verdict(tmp_path: Path) -> None:
    study = build_search(tmp_path, seeds=1)
    page = page_text(rewrite(study, contenders=(), verdict=no_verdict()))
    assert "No verdict on the tuned mlp on digits</h1>" in page


def test_trials_with_more_epochs_come_before_those_with_a_lower_loss() -> None:
    def trial(number: int, epochs: float, loss: float, state: str = "done") -> Trial:
        rung = TrialRung(epochs=epochs, loss=loss, accuracy=0.5, seconds=1.0, run="")
        return Trial.model_validate(
            {
                "number": number,
                "values": {},
                "state": state,
                "reason": None,
                "message": "",
                "rungs": (rung,) if epochs else (),
                "is_tie": False,
                "is_best": False,
                "is_default": False,
            }
        )

    trials = [
        trial(0, 2, 0.1),
        trial(1, 8, 0.3),
        trial(2, 8, 0.2),
        trial(3, 8, 0.01, "failed"),
        trial(4, 0, 0.1),
    ]
    assert [trial.number for trial in ranked_trials(trials)] == [2, 1, 0]


def test_the_axes_follow_the_importance_and_the_scales_of_the_space(tmp_path: Path) -> None:
    finding = read_finding(build_search(tmp_path, seeds=1))
    assert isinstance(finding, Tuning)
    axes = {axis.key: axis for axis in setting_axes(finding)}
    assert list(axes) == ["lr", "nodes", "layers", "activation"]
    assert axes["lr"].position(1e-2) == pytest.approx(2 / 3)
    assert [label for _, label in axes["layers"].ticks] == ["1", "2", "3", "4"]
    assert axes["nodes"].position(32) == pytest.approx(0.1)
    for value in ("swish", None):
        position = axes["activation"].position(value)
        assert position != position, "a value outside the space has no position"


def test_a_range_without_a_scale_is_linear(tmp_path: Path) -> None:
    study = rewrite(build_search(tmp_path, seeds=1), space={"layers": {"low": 1, "high": 4}})
    finding = read_finding(study)
    assert isinstance(finding, Tuning)
    (axis,) = setting_axes(finding)
    assert not axis.is_log
    assert axis.position(2) == pytest.approx(1 / 3)
