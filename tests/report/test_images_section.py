"""The images behind the errors: what the page holds, and what a browser makes of it."""

from __future__ import annotations

import base64
import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compare_example import Built, build_comparison
from examples import Data, Example, write_run
from pages import page_text

from browsers import needs_browser, open_page, start_browser
from headstart.report import verify, write_report, write_run_report
from headstart.report._image_pool import ImagePool, PooledImage, PooledPrediction
from headstart.report.pages import _render
from headstart.report.pages._images_section import _SHEET_BYTES, _sheet_uri

CONTENDERS = (Example("cnn", 0.8), Example("efficientnet-lite0", 0.9))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_render, "_save_figures", lambda *_: None)
        built = Built(CONTENDERS, Data(images=200), seeds=1)
        folder = build_comparison(tmp_path_factory.mktemp("images"), built)
        write_report(folder)
    return folder


def images_data(page: str) -> dict[str, Any]:
    element = re.search(r'<script type="application/json" id="images-data">(.*?)</script>', page)
    assert element is not None
    content: dict[str, Any] = json.loads(element[1])
    return content


def test_every_error_is_there_with_the_predictions_of_all_contenders(study: Path) -> None:
    page = (study / "report.html").read_text(encoding="utf-8")
    data = images_data(page)
    metrics = json.loads((study / "runs/contender0-seed0/metrics.json").read_text())
    confusion = np.array(metrics["test"]["confusion"])
    assert [entry["name"] for entry in data["entries"]] == ["cnn", "efficientnet-lite0"]
    assert sum(count for *_, count in data["entries"][0]["cells"]) == confusion.sum() == 200

    shown = np.zeros_like(confusion)
    for _, label, predictions in data["images"]:
        assert None not in predictions
        shown[label, predictions[0][0]] += 1
        assert 0 <= predictions[0][2] <= predictions[0][1] <= 1
    errors = ~np.eye(10, dtype=bool)
    assert (shown[errors] == confusion[errors]).all()


def test_a_probability_is_rounded_once(study: Path) -> None:
    """49.46% is 49%. Rounded to 49.5% first, it would be shown as 50%."""
    probabilities = {
        float(value)
        for path in study.glob("runs/*/predictions.csv")
        for row in csv.reader(path.read_text(encoding="utf-8").splitlines()[1:])
        for value in row[6:]
    }
    data = images_data((study / "report.html").read_text(encoding="utf-8"))
    shown = {said[1] for _, _, predictions in data["images"] for said in predictions}
    assert len(shown) > 20 and shown <= probabilities


def test_a_changed_probability_of_an_image_is_found(study: Path, tmp_path: Path) -> None:
    page = (study / "report.html").read_text(encoding="utf-8")
    probability = re.search(r"\[\d,0\.\d", page)
    assert probability is not None
    digit = 9 - int(probability[0][-1])
    changed = page.replace(probability[0], f"{probability[0][:-1]}{digit}", 1)
    path = tmp_path / "report.html"
    path.write_text(changed, encoding="utf-8")
    assert "Images behind the errors" in {found.where for found in verify(path).differences}


@pytest.mark.usefixtures("page_only")
def test_a_run_of_an_earlier_version_has_no_such_section(tmp_path: Path) -> None:
    write_run(tmp_path, CONTENDERS[0], Data(images=60))
    with np.load(tmp_path / "gallery.npz") as gallery:
        arrays = {name: gallery[name] for name in ("right", "wrong", "images")}
    np.savez(tmp_path / "gallery.npz", **arrays)
    page = page_text(tmp_path)
    assert "Images behind the errors" not in page and "Example predictions" in page


def test_two_thousand_images_of_noise_stay_within_the_size_of_a_page() -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (2000, 56, 56, 3)).astype(np.uint8)
    image = PooledImage("a", 0, (PooledPrediction(0, 1.0, 1.0),))
    uri = _sheet_uri(ImagePool((), (image,) * 2000, tiles, {}))
    assert len(base64.b64decode(uri.partition(",")[2])) <= _SHEET_BYTES


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from start_browser()


@needs_browser
def test_a_cell_opens_its_images_with_the_keyboard_alone(browser: Any, study: Path) -> None:
    page, problems = open_page(browser, f"file://{study / 'report.html'}")
    data = images_data((study / "report.html").read_text(encoding="utf-8"))
    cells = {(true, predicted): count for true, predicted, count in data["entries"][0]["cells"]}
    assert page.locator("table.confusion td[tabindex='0']").count() == 2, "one stop per matrix"
    page.locator("table.confusion td[tabindex='0']").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("heading").inner_text() == "0 predicted as 1"
    images = dialog.get_by_role("img")
    images.first.wait_for()
    assert images.count() == cells[0, 1]
    expected = sorted(
        (predictions[0][2], name)
        for name, label, predictions in data["images"]
        if (label, predictions[0][0]) == (0, 1)
    )
    assert images.first.get_attribute("aria-label").startswith(expected[0][1]), "worst first"

    page.keyboard.press("Escape")
    assert dialog.count() == 0
    assert page.evaluate("document.activeElement.cellIndex") == 2, "the focus returns to the cell"
    page.locator("table.pairs .link").first.click()
    assert dialog.get_by_role("heading").count() == 1
    assert problems == []
    page.close()


@needs_browser
def test_the_gallery_filters_and_sorts(browser: Any, study: Path) -> None:
    page, problems = open_page(browser, f"file://{study / 'report.html'}")
    data = images_data((study / "report.html").read_text(encoding="utf-8"))["images"]
    first = page.locator("#images-list li").first
    first.wait_for()

    page.locator("[name=kind]").select_option("contenders disagree")
    page.locator("[name=order]").select_option("largest disagreement")
    differ = [
        (abs(one[2] - other[2]), name) for name, _, (one, other) in data if one[0] != other[0]
    ]
    page.get_by_text(re.compile(rf"^(48 of )?{len(differ)} images$")).wait_for()
    assert max(differ)[1] in first.inner_text()

    page.locator("[name=entry]").select_option("cnn")
    page.locator("[name=kind]").select_option("incorrect")
    page.locator("[name=true]").select_option("3")
    page.locator("[name=order]").select_option("most confident first")
    wrong = [(said[0][1], name) for name, label, said in data if label == 3 != said[0][0]]
    page.get_by_text(re.compile(rf"^{len(wrong)} images?$")).wait_for()
    assert max(wrong)[1] in first.inner_text()
    assert problems == []
    page.close()


@needs_browser
@pytest.mark.usefixtures("page_only")
def test_the_picture_of_many_classes_has_a_cursor(browser: Any, tmp_path: Path) -> None:
    names = [f"class {number}" for number in range(30)]
    write_run(tmp_path, Example("cnn", 0.5), Data(class_names=names, images=120))
    write_run_report(tmp_path)
    page, problems = open_page(browser, f"file://{tmp_path / 'report.html'}")
    # Without this, opening a cell of 100 classes takes as long as drawing the whole page.
    section = page.locator("main > section").last
    assert section.evaluate("(section) => getComputedStyle(section).contentVisibility") == "auto"
    page.get_by_role("application").focus()
    assert "class 0, correctly classified" in page.locator(".heat .under").inner_text()
    page.keyboard.press("Enter")
    assert page.get_by_role("dialog").get_by_role("heading").count() == 1
    page.keyboard.press("Escape")

    picture = page.locator(".heat img")
    cell = picture.bounding_box()["width"] / 30
    picture.hover(position={"x": 4.5 * cell, "y": 3.5 * cell})
    page.get_by_text("class 3 predicted as class 4").wait_for()
    assert problems == []
    page.close()


@needs_browser
def test_a_curve_says_its_values_to_pointer_and_keyboard(browser: Any, study: Path) -> None:
    page, problems = open_page(browser, f"file://{study / 'report.html'}")
    curves = np.genfromtxt(study / "runs/contender0-seed0/curves.csv", delimiter=",", names=True)
    figure = page.locator("figure.hovers [role=img]").first
    assert "validation from" in figure.get_attribute("aria-label")
    figure.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    said = page.locator("figure.hovers + .heard").first.inner_text()
    value = float(said.partition("validation ")[2].partition(",")[0])
    assert said.startswith("epoch 2, ") and abs(value - curves["validation_loss"][1]) < 1e-3

    width = figure.locator("svg").bounding_box()["width"]
    figure.locator("svg").hover(position={"x": 0.96 * width, "y": 60})
    page.get_by_text("epoch 6").first.wait_for()
    assert problems == []
    page.close()


@needs_browser
@pytest.mark.usefixtures("page_only")
def test_any_two_contenders_can_be_chosen(browser: Any, tmp_path: Path) -> None:
    examples = [Example(name, 0.9) for name in ("one", "two", "three")]
    built = Built(examples, Data(images=60), seeds=1, winner=None)
    path = write_report(build_comparison(tmp_path, built))
    page, problems = open_page(browser, f"file://{path}")
    page.locator("[name=a]").select_option("three")
    page.locator("[name=b]").select_option("two")
    shown = page.locator(".two:visible")
    assert shown.count() == 1
    names = {shown.get_attribute("data-a"), shown.get_attribute("data-b")}
    assert names == {"two", "three"}
    assert problems == []
    page.close()
