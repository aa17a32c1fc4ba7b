"""The pages and terminal tables of tune, lr and effects: what they say, and what they do without."""

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_studies import DEFAULTS, make_backbones, make_effects, make_labels, make_lr, make_tune
from pages import NASTY, Tags
from rich.console import Console, RenderableType

from headstart.errors import InputError
from headstart.report import (
    backbones_table,
    effects_table,
    labels_table,
    lr_table,
    tune_table,
    write_report,
)
from headstart.report._load import Facts, facts, finished
from headstart.report.figures import _tune
from headstart.report.pages import _effects, _labels

Maker = Callable[..., Path]
MAKERS: dict[str, tuple[Maker, Callable[[dict[str, Any]], RenderableType]]] = {
    "tune": (make_tune, tune_table),
    "lr": (make_lr, lr_table),
    "labels": (make_labels, labels_table),
    "effects": (make_effects, effects_table),
    "backbones": (make_backbones, backbones_table),
}


def written(study: Path) -> str:
    """The text of the page, with one space wherever there is any white space."""
    return re.sub(r"\s+", " ", write_report(study).read_text(encoding="utf-8"))


def printed(table: RenderableType, width: int) -> str:
    out = io.StringIO()
    Console(width=width, file=out).print(table)
    return out.getvalue()


def sections(page: str) -> list[str]:
    return re.findall(r'<h2 id="(\w+)"', page)


@pytest.mark.usefixtures("page_only")
def test_a_search_comes_before_the_comparison_that_judges_it(tmp_path: Path) -> None:
    page = written(make_tune(tmp_path, seeds=1))
    assert '<h1 class="c0">Tuning improves mlp on digits</h1>' in page
    own, of_compare = (
        ["found", "history", "matters", "trials"],
        ["sure", "results", "curves", "confused", "classes"],
    )
    assert sections(page)[:9] == own + of_compare
    assert "0.3 points of the score were optimism" in page
    assert "<dt>Optimism</dt><dd><b>+0.3 points</b> best on validation 97.1%, on test 96.8%" in page
    trials = page.partition('<h2 id="trials">')[2].partition("</table>")[0]
    assert trials.count('<tr class="c0">') == 15
    assert (
        trials.count(">best</span>") == 1
        and trials.count(">tie</span>") == 1
        and trials.count(">defaults</span>") == 1
    )
    assert "not finite<small>the loss became infinite at step 40 &lt;b&gt;</small>" in trials
    assert "The best 15 of 22 trials with a score." in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"best": {}}, "No trial was finished, so there are no best values."),
        ({"history": []}, "The finding holds no history of the search."),
        ({"importance": {}}, "Too few trials to say how much each setting matters."),
        ({"trials": [], "space": {}}, "No trial was finished, so there is nothing to draw."),
        ({"optimism": None, "test": None}, "What the search found"),
        ({"space": {}}, "All trials over their settings"),
        ({"contenders": [], "verdict": None}, "No verdict on the tuned mlp on digits"),
        ({"sentences": None, "rungs": None, "defaults": None}, "Tuning improves mlp"),
    ],
)
@pytest.mark.usefixtures("page_only")
def test_what_a_search_lacks_is_a_note(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    study = make_tune(tmp_path, seeds=1, **changes)
    assert words in written(study)
    assert printed(tune_table(json.loads((study / "finding.json").read_text())), 80)


def test_trials_that_went_further_come_before_those_with_a_lower_loss() -> None:
    def trial(number: int, epochs: float, loss: float, state: str = "done") -> Facts:
        return Facts(number=number, state=state, rungs=[Facts(epochs=epochs, loss=loss)])

    trials = [
        trial(0, 2, 0.1),
        trial(1, 8, 0.3),
        trial(2, 8, 0.2),
        trial(3, 8, 0.01, "failed"),
        Facts(number=4, rungs=[]),
    ]
    assert [one["number"] for one in finished(trials)] == [2, 1, 0]


def test_the_axes_of_a_space_are_ordered_by_importance_and_log_where_the_space_is(
    tmp_path: Path,
) -> None:
    finding = facts(json.loads((make_tune(tmp_path, seeds=1) / "finding.json").read_text()))
    axes = {axis.key: axis for axis in _tune.axes_of(finding)}
    assert list(axes) == ["lr", "nodes", "optimizer", "layers", "dropout", "activation"]
    assert axes["lr"].at(1e-2) == pytest.approx(2 / 3)
    assert [word for _, word in axes["layers"].ticks] == ["1", "2", "3", "4"]
    assert axes["nodes"].at(32) == pytest.approx(0.1)
    assert axes["activation"].at("swish") != axes["activation"].at("swish"), (
        "a value from elsewhere has no place"
    )


@pytest.mark.usefixtures("page_only")
def test_the_rates_are_shown_with_the_best_and_where_they_diverge(tmp_path: Path) -> None:
    page = written(make_lr(tmp_path))
    assert "0.003 is the best rate for mlp on digits</h1>" in page
    assert sections(page) == ["rates", "results", "curves", "range", "made", "read"]
    assert "<b>0.001 to 0.003</b> 0.5 powers of ten wide" in page
    rates = page.partition('<h2 id="results">')[2].partition("</table>")[0]
    assert re.findall(r"</i>([\d.]+)</span>", rates) == [
        "0.0001",
        "0.0003",
        "0.001",
        "0.003",
        "0.01",
        "0.03",
        "0.1",
    ]
    assert rates.count(">best</span>") == 1 and rates.count(">as good</span>") == 1
    assert "3 of 3 seeds" in rates
    assert "<b>0.1, seeds 0, 1, 2:</b> the loss became &lt;infinite&gt;." in page
    for rate in ("0.0001", "0.001", "0.01", "0.1"):
        assert f">{rate}</text>" in page, "the published rates are named on the axis"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"range_test": None}, "No range test was made."),
        ({"best": None, "good": None}, "No learning rate worked for mlp on digits"),
        ({"diverges_from": None}, "<b>none</b> of the rates tried"),
        ({"budget": None, "notes": None, "test_reads": 0}, "What the rate decides"),
    ],
)
@pytest.mark.usefixtures("page_only")
def test_what_a_study_of_rates_lacks_is_a_note(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    assert words in written(make_lr(tmp_path, seeds=1, **changes))


def test_one_seed_has_no_band_and_a_diverged_run_may_have_curves_only(tmp_path: Path) -> None:
    study = make_lr(tmp_path, seeds=1)
    finding = json.loads((study / "finding.json").read_text())
    for rate in finding["rates"]:
        for spread in [
            spread for part in ("test", "validation") for spread in (rate[part] or {}).values()
        ]:
            spread |= {"low": None, "high": None}
    finding["rates"][-1]["runs"] = ["runs/gone"]
    (study / "runs" / "gone").mkdir()
    lines = [
        "epoch,train_loss,train_accuracy,validation_loss,validation_accuracy",
        "1,99.5,0.1,nan,0.1",
        "2,inf,0.1,,0.1",
    ]
    (study / "runs" / "gone" / "curves.csv").write_text("\n".join(lines))
    (study / "finding.json").write_text(json.dumps(finding))
    page = written(study)
    assert page.count('aria-label="Loss of ') == 7 - 1, (
        "0.03 diverged at the only seed there is, and left nothing"
    )
    assert 'aria-label="Loss of 0.1 by epoch' in page
    assert f"{100 * finding['rates'][3]['test']['accuracy']['mean']:.1f}%" in printed(
        lr_table(finding), 80
    )


def test_a_study_in_which_every_rate_diverges_has_a_page(tmp_path: Path) -> None:
    study = make_lr(tmp_path, seeds=1)
    finding = json.loads((study / "finding.json").read_text())
    gone: dict[str, Any] = {
        "validation": None,
        "test": None,
        "runs": [],
        "is_best": False,
        "as_good": False,
        "difference": None,
    }
    finding["rates"] = [
        rate | gone | {"diverged": [{"seed": 0, "message": ""}]} for rate in finding["rates"]
    ]
    finding |= {"best": None, "good": None, "diverges_from": 1e-4, "range_test": None}
    (study / "finding.json").write_text(json.dumps(finding))
    page = written(study)
    assert "No rate was measured to the end" in page
    assert "No curves were found in the run folders." in page
    assert not (study / "figures").exists()


@pytest.mark.usefixtures("page_only")
def test_without_test_images_rates_are_judged_on_validation_images(tmp_path: Path) -> None:
    page = written(make_lr(tmp_path, seeds=1, test=False))
    assert "every score on this page is on validation images" in page
    assert "Test loss" not in page


@pytest.mark.usefixtures("page_only")
def test_changes_stand_by_knob_with_what_they_do_in_words(tmp_path: Path) -> None:
    page = written(make_effects(tmp_path))
    assert "Of 8 changes, 2 help mlp on digits and 3 hurt</h1>" in page
    assert sections(page) == ["effects", "results", "curves", "made", "read"]
    forest = page.partition('class="forest rows"')[2].partition("</figure>")[0]
    assert re.findall(r"<h3>(\w+)", forest) == ["dropout", "nodes", "activation", "optimizer"]
    assert re.findall(r"</b> ([a-z ]+?) ?<(?:span|/p)", forest) == [
        "helps", "hurts", "hurts", "helps", "nothing shown", "nothing shown", "hurts", "failed",
    ]  # fmt: skip
    assert forest.count('class="off left"') == 1, (
        "a change to guessing is an arrow, so that the others keep their places"
    )
    assert "<b>The baseline</b> overfits a little" in page
    recipe = page.partition('class="recipes"')[2].partition("</table>")[0]
    assert all(f'<th scope="row">{key}</th>' in recipe for key in DEFAULTS)


def test_the_axis_of_effects_is_that_of_most() -> None:
    def effect(difference: float) -> Facts:
        return Facts(
            difference=difference,
            interval=[difference - 0.01, difference + 0.01],
            smallest_detectable=0.01,
        )

    assert _effects.reach([effect(0.01), effect(0.0), effect(-0.8)]) == pytest.approx(6 * 0.02)
    assert _effects.reach([]) > 0


@pytest.mark.usefixtures("page_only")
def test_a_study_without_an_effect_says_so(tmp_path: Path) -> None:
    study = make_effects(tmp_path, seeds=1)
    finding = json.loads((study / "finding.json").read_text())
    nothing = {
        "kind": "nothing shown",
        "interval": None,
        "p_adjusted": None,
        "smallest_detectable": None,
        "fit": None,
    }
    finding["effects"] = [one | nothing for one in finding["effects"][:2]]
    finding["baseline"]["fit"] = None
    (study / "finding.json").write_text(json.dumps(finding))
    assert "No change is shown to matter for mlp on digits" in written(study)


@pytest.mark.usefixtures("page_only")
def test_all_changes_failed_and_run_folders_gone_are_notes(tmp_path: Path) -> None:
    study = make_effects(tmp_path, seeds=1)
    finding = json.loads((study / "finding.json").read_text())
    gone: dict[str, Any] = {
        "kind": "failed",
        "accuracy": None,
        "loss": None,
        "difference": None,
        "runs": [],
    }
    finding["effects"] = [one | gone for one in finding["effects"]]
    (study / "finding.json").write_text(json.dumps(finding))
    shutil.rmtree(study / "runs")
    page = written(study)
    assert "No change was measured to the end" in page
    assert "No curves were found in the run folders." in page


@pytest.mark.parametrize("kind", MAKERS)
def test_no_name_or_value_becomes_markup(tmp_path: Path, kind: str) -> None:
    make, table = MAKERS[kind]
    study = make(
        tmp_path, seeds=1, class_names=NASTY, model="<script>m</script>", notes=["<i>note</i>"]
    )
    text = (
        (study / "finding.json")
        .read_text()
        .replace("tanh", "<img src=x onerror=alert(1)>")
        .replace("dropout", "<b>[red]d$x$")
    )
    text = text.replace("efficientnet-lite0", "<b>[red]d$x$")
    (study / "finding.json").write_text(text)
    tags = Tags(write_report(study).read_text(encoding="utf-8")).tags
    assert sum(tag == "script" for tag, _ in tags) == 1
    assert not [attributes for tag, attributes in tags if tag == "i" and not attributes]
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    assert not [
        attributes for tag, attributes in tags if tag == "img" and attributes.get("src") == "x"
    ]
    if kind != "lr":
        assert "[red]" in printed(table(json.loads(text)), 100)


@pytest.mark.usefixtures("page_only")
def test_a_kind_of_study_without_a_page_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="its study is 'colours', but a page can be made of compare, train, "
    ):
        write_report(make_lr(tmp_path, seeds=1, study="colours"))


@pytest.fixture(scope="module", params=MAKERS)
def found(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any]]:
    """A kind of study, and a finding of it."""
    make, _ = MAKERS[request.param]
    return request.param, json.loads(
        (make(tmp_path_factory.mktemp("found"), seeds=1) / "finding.json").read_text()
    )


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_terminal_tables_fit_and_lose_no_number(
    found: tuple[str, dict[str, Any]], width: int
) -> None:
    kind, finding = found
    text = printed(MAKERS[kind][1](finding), width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= min(width, 100)
    assert "…" not in text
    words = {
        "tune": [
            "not finite",
            "memory",
            "the defaults",
            "0.3 points of the score were optimism",
            "97.1%",
            "is better than",
        ],
        "lr": [
            "● 0.003",
            "≈ 0.001",
            "1 of 1",
            "−17.9 to −16.9",
            "are as good",
            "A range test suggests",
            "<diverged>",
        ],
        "labels": [
            "efficientnet-lite0",
            "10,000",
            "to cnn",
            "not shown",
            "−7.6",
            "4.7 times as many",
            "Left out: 3,000",
        ],
        "backbones": [
            "● efficientnet-lite0@96",
            "≈ efficientnet-lite0@128",
            "420",
            "1,280",
            "−20.5",
            "not shown to be better",
        ],
        "effects": [
            "nothing shown",
            "−31.5 to −30.5",
            "rmsprop – – – failed",
            "The baseline overfits",
            "failed at every seed",
        ],
    }[kind]
    squeezed = " ".join(text.split())
    assert [word for word in words if word not in squeezed] == []


@pytest.mark.usefixtures("page_only")
def test_a_study_of_labels_says_what_labels_are_worth_and_where_curves_cross(
    tmp_path: Path,
) -> None:
    page = written(make_labels(tmp_path, images=1000))
    assert re.search(
        r"<h1 class=\"c1\">On digits, 10 labels a class with efficientnet-lite0 are worth \d\d with cnn</h1>",
        page,
    )
    assert sections(page)[:3] == ["curves", "match", "results"]
    assert "times the labels" in page or "× the labels" in page
    assert re.search(r"cross at (1[5-9]|2[0-9])0<", page)


def test_a_study_of_labels_says_fewer_where_fewer_match_and_who_is_ahead_where_nothing_can_match(
    tmp_path: Path,
) -> None:
    finding = json.loads((make_labels(tmp_path, images=500) / "finding.json").read_text())
    one = finding["comparisons"][finding["main"]]
    match = one["matches"][one["match"]]
    match |= {
        "times": None,
        "times_interval": [None, None],
        "needs": {"per_class": None, "where": "below", "interval": [None, None]},
    }
    (tmp_path / "finding.json").write_text(json.dumps(finding))
    page = written(tmp_path)
    assert (
        "are worth fewer than 10 with cnn</h1>" in page
        and "less than 0.1 times" in page
        and "&lt; 0.1× the labels" in page
    )
    assert "more than" not in _labels.headline(facts(finding))
    one |= {"matches": [], "match": None, "crossing": None}
    assert _labels.headline(facts(finding)) == "efficientnet-lite0 is ahead of cnn on digits"


@pytest.mark.usefixtures("page_only")
def test_a_study_of_labels_without_a_difference_draws_no_arrow(tmp_path: Path) -> None:
    page = written(
        make_labels(
            tmp_path, images=500, counts=(10, 100), curves={"cnn": (0.2, 0.2), "mlp": (0.2, 0.2)}
        )
    )
    assert (
        ">No difference shown on digits</h1>" in page
        and "× the labels" not in page
        and "How many labels match" not in page
    )
