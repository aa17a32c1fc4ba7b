"""The properties of every page: one safe and complete file, with the same bytes each time."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from audit_example import build_audit
from backbones_example import build_backbones
from compare_example import Built, build_comparison
from effects_example import build_effects
from examples import REAL_STUDIES, Data, copy_real
from fit_example import build_fit
from labels_example import build_labels
from lr_example import build_learning_rates
from pages import NASTY_NAMES, Tags
from tune_example import build_search

from browsers import axe_violations, needs_browser, open_page, start_browser
from headstart.report import write_report, write_run_report
from headstart.report._embedded_data import (
    drawings,
    is_svg,
    read_data,
    split_page,
    without_drawings,
    write_files,
)
from headstart.report._page_pieces import page_differences
from headstart.report.pages._render import is_verifiable, render_again
from headstart.results import read_finding

BUILDERS: dict[str, Callable[[Path, Data], Path]] = {
    "compare": lambda folder, data: build_comparison(folder, Built(data=data, seeds=1)),
    "tune": lambda folder, data: build_search(folder, data, seeds=1),
    "lr": lambda folder, data: build_learning_rates(folder, data, seeds=1),
    "labels": lambda folder, data: build_labels(folder, data, seeds=1),
    "effects": lambda folder, data: build_effects(folder, data, seeds=1),
    "backbones": build_backbones,
    "audit": build_audit,
    "fit": build_fit,
}
WITHOUT_FIGURES = ("audit",)  # Its images are in the page.
REAL = ("compare", "tune", "lr", "labels", "effects", "backbones", "run")


@pytest.fixture(scope="module", params=[*(f"built-{name}" for name in BUILDERS), *REAL])
def study(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("every")
    kind = request.param.removeprefix("built-")
    if kind == request.param:
        folder = copy_real(kind, folder)
    else:
        BUILDERS[kind](folder, Data(images=200))
    (write_run_report if kind == "run" else write_report)(folder)
    return folder


@pytest.fixture
def page(study: Path) -> str:
    return (study / "report.html").read_text(encoding="utf-8")


def test_the_page_loads_nothing(page: str) -> None:
    names = ("src", "href", "srcset", "xlink:href", "action", "poster", "data")
    for reference in Tags(page).values(*names):
        assert reference.startswith(("#", "data:image/"))
    assert "@import" not in page
    assert not re.findall(r"url\((?!#)", page)
    assert "//" not in re.sub(r"data:image/\w+;base64,[\w+/=]*|^ *// .*$", "", page, flags=re.M)


def test_identifiers_are_unique_and_every_reference_has_one(page: str) -> None:
    identifiers = list(Tags(page).values("id"))
    assert len(identifiers) == len(set(identifiers))
    references = {reference[1:] for reference in Tags(page).values("href", "xlink:href")}
    references |= set(re.findall(r"url\(#([^)]*)\)", page))
    references |= set(Tags(page).values("aria-labelledby"))
    assert references <= set(identifiers)


def test_every_image_has_a_text_and_every_table_its_headers(page: str) -> None:
    for tag, attributes in Tags(page).tags:
        if tag == "img":
            assert attributes.get("alt")
        if attributes.get("role") == "img":
            assert attributes.get("aria-label")
            assert tag != "figure"  # its caption would not be read
        if tag == "th":
            assert attributes.get("scope")


def test_every_tag_is_closed_and_nested(page: str) -> None:
    text = re.sub(r"<(script|style)\b[^>]*>.*?</\1>", "", page, flags=re.S)
    text = re.sub(r"<(meta|img|source|col|br)\b([^>]*?)/?>", r"<\1\2/>", text)
    text = text.replace("<!doctype html>", "").replace("<html", '<html xmlns:xlink="x"')
    text = re.sub(r"&(?!#|lt|gt|amp|quot)\w+;", "", text)
    text = re.sub(r"(<\w+[^>]*?) (data-sortable|data-fixed)(?=[ >])", r'\1 \2=""', text)
    ElementTree.fromstring(text)


def test_no_value_is_written_as_python_writes_it(page: str) -> None:
    text = re.sub(r"<(script|style|code)\b[^>]*>.*?</\1>|<[^>]*>", " ", page, flags=re.S)
    assert not re.search(r"\bNone\b|\bnan\b|\{'|\bMarkup\(|<object", text)


def test_a_p_value_stays_on_one_line(page: str) -> None:
    text = re.sub(r"<(script|style)\b[^>]*>.*?</\1>|<[^>]*>", " ", page, flags=re.S)
    assert not re.search(r"\bp (=|<|&lt;) \d", text)


def test_every_figure_is_a_png_and_an_svg_with_its_values(study: Path) -> None:
    names = {path.stem for path in (study / "figures").glob("*")}
    finding = study / "finding.json"
    kind = json.loads(finding.read_text())["study"] if finding.exists() else "run"
    assert bool(names) == (kind not in WITHOUT_FIGURES)
    for name in names:
        assert (study / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert ElementTree.parse(study / "figures" / f"{name}.svg").getroot().tag.endswith("svg")
        with (study / "figures" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert len(header) >= 2 and rows
        assert all(len(row) == len(header) for row in rows)


def test_the_data_inside_a_page_give_the_same_page(study: Path, tmp_path: Path) -> None:
    """The data have every file that the page was written from, so `verify` can write it again."""
    text = (study / "report.html").read_text(encoding="utf-8")
    if 'id="headstart-data"' not in text:
        assert not is_verifiable(read_finding(study))
        return
    page, element = split_page(text)
    again = render_again(write_files(read_data(element), tmp_path))
    assert list(page_differences(without_drawings(page), without_drawings(again))) == []
    svgs, svgs_again = (list(filter(is_svg, drawings(each))) for each in (page, again))
    assert svgs == svgs_again


@pytest.mark.parametrize("study", [f"built-{name}" for name in BUILDERS], indirect=True)
def test_the_same_study_gives_the_same_bytes(study: Path) -> None:
    paths = [study / "report.html", *(study / "figures").glob("*")]
    before = {path: path.read_bytes() for path in paths}
    is_study = (study / "finding.json").exists()
    (write_report if is_study else write_run_report)(study)
    assert [path.name for path in paths if path.read_bytes() != before[path]] == []


@pytest.mark.parametrize("kind", BUILDERS)
def test_no_name_or_value_becomes_markup(tmp_path: Path, kind: str) -> None:
    data = Data("<i>data</i>", NASTY_NAMES, images=200, warnings=("<i>warning</i>",))
    study = BUILDERS[kind](tmp_path, data)
    finding = study / "finding.json"
    text = finding.read_text(encoding="utf-8")
    for name in ("efficientnet-lite0", "mlp", "dropout", "tanh", "tuned"):
        text = text.replace(f'"{name}', '"<b>x</b><img src=x onerror=alert(1)>$x$')
    finding.write_text(text, encoding="utf-8")

    page = write_report(study).read_text(encoding="utf-8")
    tags = Tags(page).tags
    scripts = [attributes for tag, attributes in tags if tag == "script"]
    kinds = [attributes.get("type") for attributes in scripts]
    data_of_images = ["application/json"] if kind in ("compare", "tune", "fit") else []
    data_of_page = [] if kind == "audit" else ["application/json"]
    assert kinds == [*data_of_images, None, *data_of_page]
    assert not [tag for tag, attributes in tags if tag == "i" and not attributes]
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    assert not [tag for tag, attributes in tags if attributes.get("src") == "x"]
    for svg in (study / "figures").glob("*.svg"):
        ElementTree.parse(svg)


# Each page in one colour scheme and width. All combinations of all pages take a minute.
VIEWS = [(scheme, width) for width in (360, 768, 1280) for scheme in ("light", "dark")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from start_browser()


@needs_browser
def test_every_page_is_accessible_and_scrolls_only_down(browser: Any, study: Path) -> None:
    finding = study / "finding.json"
    is_real = finding.exists() and "schema_version" not in finding.read_text()
    if is_real:
        pytest.skip("a built study has the same template")
    kind = json.loads(finding.read_text())["study"] if finding.exists() else "run"
    scheme, width = VIEWS[sum(map(ord, kind)) % len(VIEWS)]
    viewport = {"width": width, "height": 900}
    page, problems = open_page(
        browser, f"file://{study / 'report.html'}", color_scheme=scheme, viewport=viewport
    )
    assert page.evaluate("document.scrollingElement.scrollWidth") == width
    assert axe_violations(page) == []
    assert problems == []
    page.close()


@needs_browser
def test_a_phone_shows_labels_of_nine_pixels_and_marks_apart(browser: Any, study: Path) -> None:
    viewport = {"width": 360, "height": 740}
    page, _ = open_page(browser, f"file://{study / 'report.html'}", viewport=viewport)
    sizes = page.evaluate(
        """() => [...document.querySelectorAll("figure svg text")]
            .filter((text) => text.getClientRects().length)
            .map((text) => {
                const { a, b } = text.getScreenCTM(); // of a rotated text, a is 0
                return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b);
            })"""
    )
    gaps = page.evaluate(
        """() => [...document.querySelectorAll(".chip + .chip")].map((chip) => {
            const [above, below] = [chip.previousElementSibling, chip];
            const [a, b] = [above.getBoundingClientRect(), below.getBoundingClientRect()];
            return Math.max(b.top - a.bottom, b.left - a.right);
        })"""
    )
    page.close()
    assert min(sizes, default=9) > 8.8
    assert min(gaps, default=2) >= 2


@needs_browser
def test_paper_has_no_closed_tables_and_only_long_figures_are_divided(
    browser: Any, study: Path
) -> None:
    page, _ = open_page(browser, f"file://{study / 'report.html'}")
    page.emulate_media(media="print")
    shown = page.evaluate(
        "[...document.querySelectorAll('details.values')].filter((table) => table.offsetHeight)"
    )
    divided = page.evaluate(
        """[...document.querySelectorAll("figure")]
            .filter((figure) => getComputedStyle(figure).breakInside !== "avoid")
            .map((figure) => figure.className)"""
    )
    page.close()
    assert shown == []
    assert set(divided) <= {"forest rows"}  # its rows are kept whole


def test_the_real_studies_are_of_an_older_version() -> None:
    for name in REAL[:-1]:
        assert '"schema_version"' not in (REAL_STUDIES / name / "finding.json").read_text()
