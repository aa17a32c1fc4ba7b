"""The page of a comparison."""

import json
import re
from pathlib import Path

import pytest
from compare_example import TWO_AND_A_CONTROL, Built, build_comparison
from examples import DIGITS, Data, Example, changed, copy_real, rewrite
from lr_example import build_learning_rates
from pages import page_text, section, section_names

from headstart.errors import InputError
from headstart.report import write_report
from headstart.report._study import Entry, Score, contender_entries
from headstart.report.pages._compare import below_baselines
from headstart.report.pages._page import recipe_table
from headstart.results import (
    AugmentationCheck,
    BaselineScore,
    Comparison,
    FailedContender,
    JsonObject,
    RunMetrics,
    read_finding,
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_comparison(tmp_path_factory.mktemp("compare"))


@pytest.fixture(scope="module")
def page(study: Path) -> str:
    return page_text(study)


@pytest.mark.usefixtures("page_only")
def test_a_contender_whose_head_was_solved_has_no_epochs(tmp_path: Path) -> None:
    study = build_comparison(tmp_path, Built(contenders=TWO_AND_A_CONTROL, seeds=1))
    cells = r"</td>\s*<td>([^<]+)</td>\s*<td>[\d.]+ [kMG]"
    assert set(re.findall(cells, section(page_text(study), "results"))) == {"6"}
    path = study / "runs" / "contender1-seed0" / "metrics.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "recipe": {"optimizer": "lbfgs"}, "epochs": 1}))
    assert "–" in re.findall(cells, section(page_text(study), "results"))


def read_comparison(study: Path) -> Comparison:
    finding = read_finding(study)
    assert isinstance(finding, Comparison)
    return finding


def test_the_page_leads_with_the_verdict(study: Path, page: str) -> None:
    sentence = read_comparison(study).verdict.sentence
    body = page[page.index("<body") :]
    assert body.index("cnn wins on digits") < body.index(sentence) < body.index("<table")


def test_the_sections_are_in_order(page: str) -> None:
    assert section_names(page) == [
        "differences",
        "results",
        "pairs",
        "robustness",
        "subgroups",
        "curves",
        "confusion",
        "classes",
        "networks",
        "examples",
        "images",
        "reproduce",
        "glossary",
    ]


def test_a_real_comparison_shows_its_largest_errors(tmp_path: Path) -> None:
    page = page_text(copy_real("compare", tmp_path))
    errors = section(page, "errors")
    assert errors.count('<p class="truth">') == 6
    assert "(mlp: occlusion; mlp:fast: occlusion)" in errors
    assert "headstart explain RUN IMAGE" in errors


def test_controls_and_baselines_stand_apart_with_their_accuracy(page: str) -> None:
    table = section(page, "results")
    order = [
        "Controls: the same backbone without pretraining",
        "efficientnet-lite0 (random weights)",
        "Baselines: no training",
        "nearest neighbour on pixels",
        "84.0%",
    ]
    positions = [table.index(text) for text in order]
    assert positions == sorted(positions)


def test_a_control_below_a_baseline_is_no_warning(page: str) -> None:
    """A backbone with random weights is not expected to beat one."""
    assert "(random weights)" in page
    assert "does not beat the baseline" not in page


@pytest.mark.parametrize(
    ("accuracy", "notes", "sentences"),
    [
        (0.5, [], 1),
        (0.6, [], 1),
        (0.7, [], 0),
        (0.5, ["mlp is fine."], 1),
        (0.5, ["cnn is worse than a baseline, majority class: …"], 0),
    ],
)
def test_a_model_below_a_baseline_is_named_once(
    accuracy: float, notes: list[str], sentences: int
) -> None:
    entry = Entry("cnn", 0, Score(accuracy), None)
    baseline = BaselineScore(
        name="majority class", accuracy=0.6, n=100, note="", interval=(0.5, 0.7)
    )
    found = below_baselines([entry], [baseline], notes)
    assert len(found) == sentences
    for sentence in found:
        assert sentence.endswith(") does not beat the baseline “majority class” (60.0%).")


@pytest.mark.usefixtures("page_only")
def test_notes_and_failed_contenders_are_named(tmp_path: Path) -> None:
    study = build_comparison(tmp_path, Built(seeds=1, data=Data(images=60)))
    finding = read_comparison(study)
    notes = ("cnn does not beat a baseline, <majority>.",)
    failed = FailedContender(name="mlp", failures=("the loss became infinite.",))
    rewrite(study, verdict=changed(finding.verdict, notes=notes), failed=(failed,))
    page = page_text(study)
    assert "cnn does not beat a baseline, &lt;majority&gt;." in page
    assert "<b>mlp did not finish:</b> the loss became infinite." in page


def test_the_four_counts_of_a_pair_are_those_of_all_images(study: Path, page: str) -> None:
    pairs = section(page, "pairs")
    counts = [int(cell) for cell in re.findall(r"<td>(\d+)</td>", pairs)]
    finding = read_comparison(study)
    scores = finding.contenders[0].test
    assert scores is not None
    assert sum(counts[:4]) == scores.n and counts[1:3] == [31, 9]
    assert counts[0] + counts[1] == round(scores.per_seed[0] * scores.n)
    assert "McNemar" in pairs and "one test per seed" in pairs


def test_the_decision_about_mirror_copies_is_named(tmp_path: Path) -> None:
    study = build_comparison(tmp_path, Built(data=Data(images=60), seeds=1))
    check = AugmentationCheck(
        change="mirror", outcome="off", is_used=False, reason="digits <change>", images=60
    )
    for number in (0, 1):
        path = study / f"runs/contender{number}-seed0/metrics.json"
        metrics = RunMetrics.model_validate_json(path.read_text())
        path.write_text(json.dumps(changed(metrics, augmentation=check).as_json()))
    entries = contender_entries(study, read_comparison(study).contenders, "test")
    sentence = "Training images are not flipped horizontally: digits <change>."
    recipe: JsonObject = {"flip": True}
    recipes: list[tuple[Entry[object], JsonObject]] = [(entry, recipe) for entry in entries]
    assert recipe_table(recipes[:2]).augmentation == (sentence,)
    assert recipe_table(recipes).augmentation == (
        f"cnn and efficientnet-lite0: {sentence}",
        "efficientnet-lite0 (random weights): Training images are flipped horizontally, as set in "
        "the recipe.",
    )


def test_the_command_and_its_conditions_are_named(page: str) -> None:
    reproduce = section(page, "reproduce")
    for text in (
        "headstart compare digits --time-limit 5m --out demo",
        "12 training images removed as exact copies",
        "51,000",
        "1 run of this study",
        "2.15.0",
    ):
        assert text in reproduce


def test_the_time_spent_leaves_out_the_report(page: str) -> None:
    assert "<b>4 min 54 s</b> of 5 min, without this report" in page


def test_settings_that_differ_are_marked(page: str) -> None:
    recipes = section(page, "reproduce")
    assert '<tr class="differs"><th scope="row">lr</th>' in recipes
    assert '<tr><th scope="row">batch</th>' in recipes


def test_every_figure_is_written(study: Path, page: str) -> None:
    assert page
    names = {"curves", "differences"}
    for kind in ("confusion", "architecture", "gallery"):
        names |= {f"{kind}-cnn", f"{kind}-efficientnet-lite0"}
    assert {path.stem for path in (study / "figures").iterdir()} == names


def test_contenders_whose_names_differ_by_case_have_files_of_their_own(tmp_path: Path) -> None:
    contenders = [Example("<b>bold</b>", 0.9), Example("<B>bold</B>", 0.8)]
    data = Data(images=100)
    build_comparison(tmp_path, Built(contenders, data, seeds=1, winner="<b>bold</b>"))
    write_report(tmp_path)
    assert len(list((tmp_path / "figures").glob("confusion-*.svg"))) == 2


@pytest.mark.usefixtures("page_only")
@pytest.mark.parametrize("classes", [10, 30])
def test_no_two_names_of_classes_are_cut_to_the_same_text(tmp_path: Path, classes: int) -> None:
    names = [f"the kind {number:02} of numeral" for number in range(classes)]
    page = page_text(build_comparison(tmp_path, Built(data=Data("many", names, images=300))))
    shown: dict[str, set[str]] = {}
    for cell in (r"<th scope=\"\w+\" ", r"<span style=\"\w+:[\d.]+%\" "):
        for name, text in re.findall(cell + r'title="([^"]*)">(?:<span>)?([^<]*)<', page):
            shown.setdefault(text, set()).add(name)
    assert "the kind 03 o…" in shown
    assert [same for same in shown.values() if len(same) > 1] == []


@pytest.mark.usefixtures("page_only")
def test_a_hundred_classes_and_six_contenders_stay_under_5_mb(tmp_path: Path) -> None:
    names = [f"class number {number} of a hundred" for number in range(100)]
    contenders = [
        Example(f"model {number}", 0.5 + 0.05 * number, is_frozen=number > 3) for number in range(6)
    ]
    data = Data("classes", names, (96, 96, 3), images=500)
    path = write_report(build_comparison(tmp_path, Built(contenders, data, 1, winner=None)))
    page = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 5e6
    assert "Undecided on classes" in page
    assert page.count('class="heat"') == 6
    assert page.count('<table class="confusion"') == 0
    assert page.count('<table class="pairs"') == 6
    assert page.count('id="images-sheet"') == 1
    assert page.count("data:image/jpeg") == 6 * 18 + 1


@pytest.mark.usefixtures("page_only")
def test_without_test_images_the_page_says_that_scores_are_on_validation_images(
    tmp_path: Path,
) -> None:
    data = Data(images=300, has_test=False)
    page = page_text(build_comparison(tmp_path, Built(data=data, seeds=1, is_compared=False)))
    assert "No verdict on digits" in page
    assert "No verdict: the split has no test images." in page
    assert "all scores on this page are on validation images" in page
    assert "Validation accuracy" in page
    assert "<dt>Test images</dt><dd>none</dd>" in page
    assert "Test evaluations" not in page
    assert "differences" not in section_names(page)


@pytest.mark.usefixtures("page_only")
def test_a_win_on_validation_images_is_marked(tmp_path: Path) -> None:
    data = Data(images=300, has_test=False)
    page = page_text(build_comparison(tmp_path, Built(data=data, seeds=1)))
    assert "<title>cnn wins on digits (validation images)" in page
    assert "Difference in validation accuracy" in page


@pytest.mark.usefixtures("page_only")
def test_warnings_about_the_data_stand_with_the_results(tmp_path: Path) -> None:
    data = Data(images=60, warnings=("12 images of <cat> are tiny.",))
    page = page_text(build_comparison(tmp_path, Built(data=data, seeds=1)))
    assert "<b>Data:</b> 12 images of &lt;cat&gt; are tiny." in section(page, "results")


@pytest.mark.usefixtures("page_only")
def test_an_insignificant_difference_is_not_a_win(tmp_path: Path) -> None:
    data = Data(images=100)
    page = page_text(build_comparison(tmp_path, Built(data=data, seeds=1, winner=None)))
    assert "Undecided on digits" in page
    assert "winner</span>" not in page
    assert 'class="pair c0 open"' in page


@pytest.mark.usefixtures("page_only")
def test_equivalent_contenders_are_named_and_the_margin_is_drawn(tmp_path: Path) -> None:
    built = Built(data=Data(images=100), seeds=1, winner=None, is_equivalent=True)
    page = page_text(build_comparison(tmp_path, built))
    assert "cnn and efficientnet-lite0 are equivalent on digits</h1>" in page
    assert section(page, "results").count('<span class="chip tie">equivalent</span>') == 2
    differences = section(page, "differences")
    assert differences.count('<i class="margin"') == 1
    assert "The grey band is the equivalence margin of 5 points" in differences
    assert 'class="band"' not in differences


@pytest.mark.usefixtures("page_only")
@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_a_detectable_effect_from_two_seeds_is_called_uncertain(tmp_path: Path, seeds: int) -> None:
    page = page_text(build_comparison(tmp_path, Built(data=Data(images=60), seeds=seeds)))
    assert "points</b> at 80% power" in page
    assert ("with only two seeds, it can be 1.7 times as large" in page) == (seeds == 2)


@pytest.mark.usefixtures("page_only")
def test_a_contender_with_a_failed_run_is_marked_as_left_out(tmp_path: Path) -> None:
    study = build_comparison(tmp_path, Built(data=Data(images=60), seeds=2, is_compared=False))
    failed = FailedContender(name="cnn", failures=("seed 2 failed: the loss became infinite.",))
    rewrite(study, failed=(failed,))
    page = page_text(study)
    assert section(page, "results").count('<span class="chip tie">left out</span>') == 1
    assert "did not finish" not in page


@pytest.mark.usefixtures("page_only")
def test_a_finding_without_outcomes_is_drawn_as_before(tmp_path: Path) -> None:
    page = page_text(copy_real("compare", tmp_path))
    differences = section(page, "differences")
    assert '<i class="margin"' not in differences
    assert "The grey area is below the minimum detectable effect" in differences
    assert "Equivalence margin</dt>" not in page


@pytest.mark.parametrize(
    ("absent", "note"),
    [
        ("gallery.npz", "contains no example images"),
        ("predictions.csv", "contains no example images"),
        ("curves.csv", "The run folders contain no learning curves."),
        ("environment.json", "How to reproduce this"),
        ("metrics.json", "The run folders contain no confusion matrix."),
    ],
)
@pytest.mark.usefixtures("page_only")
def test_missing_files_of_a_run_are_noted(tmp_path: Path, absent: str, note: str) -> None:
    built = Built(TWO_AND_A_CONTROL[:1], Data(images=60), seeds=1, is_compared=False)
    build_comparison(tmp_path, built)
    (tmp_path / "runs" / "contender0-seed0" / absent).unlink()
    assert note in page_text(tmp_path)


@pytest.mark.usefixtures("page_only")
def test_a_long_class_name_is_cut_in_its_middle_and_kept_as_a_title(tmp_path: Path) -> None:
    data = Data(class_names=["w" * 200, *DIGITS[1:]])
    built = Built([Example("cnn", 0.6)], data, seeds=1, is_compared=False)
    page = page_text(build_comparison(tmp_path, built))
    table = page.partition('<table class="pairs">')[2].partition("</table>")[0]
    assert f'title="{"w" * 200}">{"w" * 23}…{"w" * 24}<' in table
    assert re.search(
        r"\.pairs\{table-layout:fixed\} \.pairs th,\.pairs td\{[^}]*overflow-wrap:anywhere", page
    )


@pytest.mark.usefixtures("page_only")
def test_every_nth_of_many_classes_is_named_on_both_sides(tmp_path: Path) -> None:
    data = Data(class_names=[f"{number} of a hundred or so" for number in range(100)])
    built = Built([Example("cnn", 0.6)], data, seeds=1, is_compared=False)
    page = page_text(build_comparison(tmp_path, built))
    figure = page.partition('<figure class="heat">')[2].partition("</figure>")[0]
    for place in ("left", "top"):
        ticks = re.findall(rf'<span style="{place}:([\d.]+)%" title="(\d+) of', figure)
        assert [int(number) for _, number in ticks] == list(range(0, 100, 9))
        assert [float(position) for position, _ in ticks] == [
            number + 0.5 for number in range(0, 100, 9)
        ]
    assert "The axes name every 9th class." in figure


@pytest.mark.usefixtures("page_only")
def test_pairs_with_a_single_image_are_counted(tmp_path: Path) -> None:
    data = Data(class_names=[str(number) for number in range(30)])
    built = Built([Example("cnn", 0.6)], data, seeds=1, is_compared=False)
    page = page_text(build_comparison(tmp_path, built))
    assert re.search(r"Left out: \d+ pairs with a single image\.", page)


def test_a_folder_without_a_finding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"finding\.json does not exist"):
        write_report(tmp_path)


def test_a_finding_with_a_wrong_field_is_refused(tmp_path: Path) -> None:
    study = copy_real("compare", tmp_path)
    finding = json.loads((study / "finding.json").read_text())
    finding["verdict"]["p_value"] = "small"
    (study / "finding.json").write_text(json.dumps(finding))
    with pytest.raises(InputError, match=r"invalid verdict\.p_value"):
        write_report(study)


def test_an_unknown_kind_of_study_is_refused(tmp_path: Path) -> None:
    study = copy_real("compare", tmp_path)
    finding = json.loads((study / "finding.json").read_text())
    finding["study"] = "colours"
    (study / "finding.json").write_text(json.dumps(finding))
    with pytest.raises(InputError, match="colours"):
        write_report(study)


@pytest.mark.usefixtures("page_only")
def test_a_page_names_the_next_command_and_explains_no_table_that_it_lacks(tmp_path: Path) -> None:
    study = build_comparison(tmp_path, Built(seeds=1))
    finding = read_comparison(study)
    with_tests = page_text(study)
    assert "Next: <code>headstart predict demo IMAGE</code>" in with_tests
    assert "two middle columns" in with_tests
    pairs = tuple(changed(pair, mcnemar=()) for pair in finding.verdict.pairs)
    rewrite(study, verdict=changed(finding.verdict, pairs=pairs))
    assert "two middle columns" not in page_text(study)


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.usefixtures("page_only")
def test_the_key_of_curves_names_other_seeds_only_where_there_are_some(
    tmp_path: Path, seeds: int
) -> None:
    data = Data(images=40)
    for folder in (
        build_comparison(tmp_path / "compare", Built(data=data, seeds=seeds)),
        build_learning_rates(tmp_path / "lr", data, seeds=seeds),
    ):
        assert ("other seeds" in section(page_text(folder), "curves")) == (seeds > 1)
