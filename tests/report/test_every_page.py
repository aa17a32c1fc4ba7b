"""What holds for the page of every kind of study: one safe, complete file, the same twice."""

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fake_studies import make_backbones, make_effects, make_labels, make_lr, make_tune
from fake_study import make_study
from pages import Tags

from headstart.report import write_report

MAKERS: dict[str, Callable[[Path], Path]] = {
    "compare": make_study,
    "tune": make_tune,
    "lr": make_lr,
    "labels": make_labels,
    "effects": make_effects,
    "backbones": make_backbones,
}


@pytest.fixture(scope="module", params=MAKERS)
def study(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = MAKERS[request.param](tmp_path_factory.mktemp(request.param))
    write_report(folder)
    return folder


@pytest.fixture
def page(study: Path) -> str:
    return (study / "report.html").read_text(encoding="utf-8")


def test_the_page_loads_nothing(page: str) -> None:
    references = list(
        Tags(page).values("src", "href", "srcset", "xlink:href", "action", "poster", "data")
    )
    assert all(one.startswith(("#", "data:image/")) for one in references)
    assert "@import" not in page
    assert not re.findall(r"url\((?!#)", page)
    assert "//" not in re.sub(r"data:image/\w+;base64,[\w+/=]*|^// .*$", "", page, flags=re.M)


def test_identifiers_are_unique_and_every_reference_has_one(page: str) -> None:
    identifiers = list(Tags(page).values("id"))
    assert len(identifiers) == len(set(identifiers))
    wanted = {one[1:] for one in Tags(page).values("href", "xlink:href")} | set(
        re.findall(r"url\(#([^)]*)\)", page)
    )
    assert wanted <= set(identifiers)


def test_every_image_has_a_text_and_every_table_its_headers(page: str) -> None:
    tags = Tags(page).tags
    assert all(attributes.get("alt") for tag, attributes in tags if tag == "img")
    assert all(
        attributes.get("aria-label") for _, attributes in tags if attributes.get("role") == "img"
    )
    assert all(attributes.get("scope") for tag, attributes in tags if tag == "th")


def test_every_tag_is_closed_and_nested(page: str) -> None:
    without_script = re.sub(r"<(script|style)>.*?</\1>", "", page, flags=re.S)
    empty = re.sub(r"<(meta|img|source|col|br)\b([^>]*?)/?>", r"<\1\2/>", without_script)
    plain = re.sub(
        r"&(?!#|lt|gt|amp|quot)\w+;",
        "",
        empty.replace("<!doctype html>", "").replace("<html", '<html xmlns:xlink="x"'),
    )
    ElementTree.fromstring(
        re.sub(r"(<\w+[^>]*?) (data-sortable|data-fixed)(?=[ >])", r'\1 \2=""', plain)
    )


def test_every_figure_is_a_png_and_an_svg(study: Path) -> None:
    names = {path.stem for path in (study / "figures").iterdir()}
    assert names
    for name in names:
        assert (study / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert ElementTree.parse(study / "figures" / f"{name}.svg").getroot().tag.endswith("svg")


def test_the_same_study_gives_the_same_bytes(study: Path) -> None:
    before = {
        path: path.read_bytes() for path in [study / "report.html", *(study / "figures").iterdir()]
    }
    write_report(study)
    assert {path for path, content in before.items() if path.read_bytes() != content} == set()
