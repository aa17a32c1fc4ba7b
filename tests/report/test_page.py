"""The page: what it says, that it is one safe file, and that it is the same twice."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from fake_study import DIGITS, TWO_AND_A_CONTROL, Fake, make_run, make_study
from pages import NASTY, Tags

from headstart.errors import InputError
from headstart.report import write_report, write_run_report
from headstart.report._load import read_study
from headstart.report.figures import _curves
from headstart.report.figures._canvas import canvas, save


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def page(study: Path) -> str:
    return write_report(study).read_text(encoding="utf-8")


def test_the_page_leads_with_the_verdict(study: Path, page: str) -> None:
    sentence = json.loads((study / "finding.json").read_text())["verdict"]["sentence"]
    body = page[page.index("<body") :]
    assert body.index("cnn wins on digits") < body.index(sentence) < body.index("<table")


def test_all_it_shows_is_in_the_order_of_the_design(page: str) -> None:
    sections = re.findall(r'<h2 id="(\w+)"', page)
    assert sections == [
        "sure",
        "results",
        "curves",
        "confused",
        "classes",
        "networks",
        "gallery",
        "made",
        "read",
    ]


def test_controls_and_floors_stand_apart_with_their_accuracy(page: str) -> None:
    table = page[page.index('class="results"') : page.index("</table>")]
    assert (
        table.index("Controls:")
        < table.index("efficientnet-lite0 (random weights)")
        < table.index("Floors:")
    )
    assert (
        table.index("Floors:") < table.index("nearest neighbour on pixels") < table.index("84.0%")
    )


def test_a_model_below_a_floor_is_said_so(page: str) -> None:
    assert "does not beat the floor “nearest neighbour on pixels” (84.0%)" in page
    assert page.count("does not beat the floor") == 1


@pytest.mark.usefixtures("page_only")
def test_notes_and_failed_contenders_are_named(tmp_path: Path) -> None:
    finding = json.loads((make_study(tmp_path, seeds=1, images=60) / "finding.json").read_text())
    finding["verdict"]["notes"] = ["cnn is not shown to beat a floor, <majority>."]
    finding["failed"] = [{"name": "mlp", "failures": ["the loss became infinite."]}]
    (tmp_path / "finding.json").write_text(json.dumps(finding))
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "cnn is not shown to beat a floor, &lt;majority&gt;." in page
    assert "<b>mlp did not finish:</b> the loss became infinite." in page


def test_the_command_and_what_it_rests_on_are_named(page: str) -> None:
    for words in (
        "headstart compare digits --time-limit 5m --out demo",
        "12 exact copies",
        "51,000",
        "read once",
        "2.15.0",
    ):
        assert words in page


def test_every_figure_is_written_as_png_and_svg(study: Path, page: str) -> None:
    figures = study / "figures"
    names = {path.stem for path in figures.iterdir()}
    assert names == {
        "curves",
        "differences",
        *(
            f"{kind}-{name}"
            for kind in ("confusion", "architecture", "gallery")
            for name in ("cnn", "efficientnet-lite0")
        ),
    }
    for name in names:
        assert (figures / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert ElementTree.parse(figures / f"{name}.svg").getroot().tag.endswith("svg")


def test_nothing_a_class_or_a_contender_is_called_becomes_markup(tmp_path: Path) -> None:
    fakes = [Fake("<b>bold</b>", 0.9), Fake("<B>bold</B>", 0.8)]
    make_study(
        tmp_path,
        fakes,
        class_names=NASTY,
        seeds=1,
        images=400,
        winner="<b>bold</b>",
        dataset="<i>data</i>",
    )
    page = write_report(tmp_path).read_text(encoding="utf-8")
    tags = Tags(page).tags
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;" in page
    assert sum(tag == "script" for tag, _ in tags) == 1
    assert not [attributes for tag, attributes in tags if tag == "i" and not attributes]
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    assert "49" not in page[page.index("{{ 7*7 }}") :][:9]
    svgs = list((tmp_path / "figures").glob("confusion-*.svg"))
    assert len(svgs) == 2, "contenders whose names differ by case only need files of their own"
    for svg in svgs:
        ElementTree.parse(svg)


@pytest.mark.usefixtures("page_only")
def test_a_hundred_classes_and_six_contenders_stay_under_5_mb(tmp_path: Path) -> None:
    names = [f"class number {number} of a hundred" for number in range(100)]
    fakes = [Fake(f"model {number}", 0.5 + 0.05 * number, frozen=number > 3) for number in range(6)]
    make_study(
        tmp_path,
        fakes,
        class_names=names,
        seeds=1,
        images=500,
        image_shape=(96, 96, 3),
        winner=None,
    )
    path = write_report(tmp_path)
    page = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 5e6
    assert "No single winner" in page
    assert page.count('class="heat"') == 6
    assert page.count('<table class="confusion"') == 0
    assert page.count('<table class="pairs"') == 6
    assert page.count("data:image/jpeg") == 6 * 18


def test_a_matrix_of_a_hundred_classes_is_drawn_without_numbers(tmp_path: Path) -> None:
    names = tuple(f"class number {number} of a hundred" for number in range(100))
    study = read_study(
        make_study(
            tmp_path, TWO_AND_A_CONTROL[:1], class_names=names, seeds=1, images=500, pairs=False
        )
    )
    with canvas():
        figure = _curves.confusion(study.entries[0], np.eye(100, dtype=np.int64), names, 1.0)
        assert len(figure.axes[0].texts) == 0
        for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
            assert [label.get_text() for label in axis.get_ticklabels()][:2] == [
                "class number…",
                "class number…",
            ]
            assert list(axis.get_ticklocs()) == list(range(0, 100, 9))
        save(figure, tmp_path, "matrix")
    assert (tmp_path / "matrix.svg").stat().st_size < 2e5


@pytest.mark.usefixtures("page_only")
def test_without_test_images_the_page_says_that_validation_judges(tmp_path: Path) -> None:
    page = write_report(make_study(tmp_path, seeds=1, test=False, pairs=False)).read_text(
        encoding="utf-8"
    )
    assert "No verdict on digits" in page
    assert "No verdict: --test 0 left no test images to judge on." in page
    assert "every score on this page is on validation images" in page
    assert "Validation accuracy" in page
    assert 'id="sure"' not in page


@pytest.mark.usefixtures("page_only")
def test_a_win_on_validation_images_is_not_told_as_one_on_test_images(tmp_path: Path) -> None:
    page = write_report(make_study(tmp_path, seeds=1, images=300, test=False)).read_text(
        encoding="utf-8"
    )
    assert "<title>cnn wins on digits (validation images)" in page
    assert "Difference in validation accuracy" in page
    assert "<dt>Test images</dt><dd>none</dd>" in page
    assert "Test set read" not in page
    make_run(tmp_path / "run", Fake("cnn", 0.95), DIGITS, seed=3, noise=5, test=False)
    assert "% (validation images)</h1>" in write_run_report(tmp_path / "run").read_text(
        encoding="utf-8"
    )


@pytest.mark.usefixtures("page_only")
def test_warnings_about_the_data_stand_with_the_results(tmp_path: Path) -> None:
    make_study(tmp_path, seeds=1, images=60)
    warning = {"warnings": ["12 images of <cat> are tiny."]}
    for path in (tmp_path / "finding.json", tmp_path / "runs/cnn-seed0/data.json"):
        written = json.loads(path.read_text())
        (written["dataset"] if path.name == "finding.json" else written).update(warning)
        path.write_text(json.dumps(written))
    for page in (write_report(tmp_path), write_run_report(tmp_path / "runs/cnn-seed0")):
        results = (
            page.read_text(encoding="utf-8")
            .partition('<h2 id="results">')[2]
            .partition("</section>")[0]
        )
        assert "<b>Data:</b> 12 images of &lt;cat&gt; are tiny." in results


def test_the_time_spent_leaves_out_the_report(page: str) -> None:
    assert "<b>4 min 54 s</b> of 5 min allowed, without drawing this report" in page


@pytest.mark.usefixtures("page_only")
def test_a_class_name_of_200_letters_is_cut_in_the_pairs_and_kept_as_a_title(
    tmp_path: Path,
) -> None:
    names = ["w" * 200, *DIGITS[1:]]
    page = write_report(
        make_study(tmp_path, [Fake("cnn", 0.6)], class_names=names, seeds=1, pairs=False)
    ).read_text(encoding="utf-8")
    table = page.partition('<table class="pairs">')[2].partition("</table>")[0]
    assert f'title="{"w" * 200}">{"w" * 31}…<' in table
    assert re.search(
        r"\.pairs\{table-layout:fixed\}\n\.pairs th,\.pairs td\{[^}]*overflow-wrap:anywhere", page
    )


@pytest.mark.usefixtures("page_only")
def test_every_nth_of_many_classes_is_named_on_both_sides(tmp_path: Path) -> None:
    names = [f"{number} of a hundred or so" for number in range(100)]
    page = write_report(
        make_study(tmp_path, [Fake("cnn", 0.6)], class_names=names, seeds=1, pairs=False)
    ).read_text(encoding="utf-8")
    figure = page.partition('<figure class="heat">')[2].partition("</figure>")[0]
    for side in ("top", "left"):
        place = {"top": "left", "left": "top"}[side]
        ticks = re.findall(rf'<span style="{place}:([\d.]+)%" title="(\d+) of', figure)
        assert [int(number) for _, number in ticks] == list(range(0, 100, 9))
        assert [float(at) for at, _ in ticks] == [number + 0.5 for number in range(0, 100, 9)]
    assert "the axes name one in 9." in figure


@pytest.mark.usefixtures("page_only")
def test_left_out_pairs_of_one_image_are_counted(tmp_path: Path) -> None:
    names = [str(number) for number in range(30)]
    page = write_report(
        make_study(tmp_path, [Fake("cnn", 0.6)], class_names=names, seeds=1, pairs=False)
    ).read_text(encoding="utf-8")
    assert re.search(r"\d+ pairs with a single image left out\.", page)


@pytest.mark.usefixtures("page_only")
def test_a_difference_not_shown_is_no_win(tmp_path: Path) -> None:
    page = write_report(make_study(tmp_path, seeds=1, winner=None)).read_text(encoding="utf-8")
    assert "No difference shown on digits" in page
    assert "winner</span>" not in page
    assert 'class="pair c0 open"' in page


@pytest.mark.parametrize(
    ("absent", "note"),
    [
        ("gallery.npz", "kept no gallery"),
        ("predictions.csv", "kept no gallery"),
        ("curves.csv", "No curves were found"),
        ("environment.json", "How this was made"),
        ("metrics.json", "No confusion matrix was found"),
    ],
)
@pytest.mark.usefixtures("page_only")
def test_what_a_run_lacks_is_a_note_not_an_error(tmp_path: Path, absent: str, note: str) -> None:
    make_study(tmp_path, TWO_AND_A_CONTROL[:1], seeds=1, images=60, winner=None, pairs=False)
    (tmp_path / "runs" / "cnn-seed0" / absent).unlink()
    assert note in write_report(tmp_path).read_text(encoding="utf-8")


def test_a_run_has_a_page_of_its_own_without_a_verdict(tmp_path: Path) -> None:
    make_run(tmp_path, Fake("cnn", 0.95), DIGITS, seed=3, noise=5)
    page = write_run_report(tmp_path).read_text(encoding="utf-8")
    assert re.search(r"<h1[^>]*>cnn on digits: 9\d\.\d%</h1>", page)
    assert "McNemar" not in page
    assert "Precision" in page
    assert (tmp_path / "figures" / "confusion-cnn.svg").exists()


def test_a_folder_that_is_no_study_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"finding\.json does not exist"):
        write_report(tmp_path)
    with pytest.raises(InputError, match=r"metrics\.json does not exist"):
        write_run_report(tmp_path)
