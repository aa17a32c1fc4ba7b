"""The page of `headstart serve` in a real browser."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import headstart
from browsers import axe_violations

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = next(
    (
        path
        for path in (Path("/usr/bin/chromium"), Path("/usr/bin/chromium-browser"))
        if path.exists()
    ),
    None,
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium in /usr/bin")

SEVEN = [(0.35, 0.2), (0.7, 0.2), (0.6, 0.5), (0.5, 0.85)]  # shares of the drawing area
BAR = [(0.35, 0.52), (0.78, 0.5)]  # the packaged digits have it
EXPECTED = re.compile("422|503")  # answers that a test asks for, and a browser notes
Page = Any


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with a small net for digits. One class name contains HTML."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("OMP_NUM_THREADS", "1")
        digits = headstart.load("digits")
        names = np.array([*"01234567", "<img src=x onerror=alert(1)>", "9"])
        headstart.train(
            (digits.images, names[digits.labels]),
            model="cnn",
            nodes=16,
            epochs=4,
            shift=0.1,
            flip=False,
            out=folder,
        )
        command = [
            sys.executable,
            "-m",
            "headstart",
            "serve",
            str(folder),
            "--port",
            "0",
            "--json",
            "-q",
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["url"]
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Page]:
    """The loaded page. At the end it must not have logged an error or requested another site."""
    context = browser.new_context(viewport={"width": 1180, "height": 900})
    opened, problems = context.new_page(), []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on(
        "console",
        lambda message: (
            problems.append(message.text)
            if message.type == "error" and not EXPECTED.search(message.text)
            else None
        ),
    )
    opened.on(
        "request",
        lambda request: problems.append(request.url) if not _is_own(request.url, address) else None,
    )
    opened.goto(address)
    opened.locator("#facts dt").first.wait_for()
    yield opened
    context.close()
    assert problems == []


def _is_own(url: str, address: str) -> bool:
    return url.startswith((address, "data:", "blob:"))


def _draw(page: Page, points: list[tuple[float, float]]) -> None:
    box = page.locator("#pad").bounding_box()
    for number, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=6)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def _wait_for_reasons(page: Page) -> None:
    page.get_by_text("covering it lowers the probability").wait_for(timeout=30_000)


def _choose(page: Page, name: str) -> None:
    """Click the bar of a class and wait for its explanation.

    On a busy machine the prediction of the last stroke may arrive after the click. It resets the
    choice, because the drawing has changed, so the click is repeated.
    """
    evidence = page.get_by_text(f"Evidence for “{name}”")
    for _ in range(3):
        page.locator("#bars .name", has_text=re.compile(f"^{name}$")).click()
        try:
            evidence.wait_for(timeout=20_000)
        except sync_api.TimeoutError:
            continue
        return
    evidence.wait_for()


def test_a_drawn_seven_is_classified_as_seven(page: Page) -> None:
    _draw(page, SEVEN)
    _draw(page, BAR)
    sync_api.expect(page.locator("#answer b")).to_have_text("7")
    _wait_for_reasons(page)
    bars = page.locator("#bars li")
    assert bars.count() == 10 and bars.first.locator(".name").inner_text() == "7"
    assert page.locator("#answer").get_attribute("role") == "status"
    assert "The strongest evidence is in the" in page.locator("#heat").get_attribute("aria-label")
    page.get_by_text("Grad-CAM", exact=True).click()
    page.get_by_text("in the feature map of the network").wait_for()
    page.get_by_role("button", name="Clear").click()
    page.get_by_text("No image yet").wait_for()
    assert bars.count() == 0


def test_a_bar_explains_its_class(page: Page) -> None:
    _draw(page, SEVEN)
    _draw(page, BAR)
    _wait_for_reasons(page)
    _choose(page, "2")
    assert page.locator("#bars [aria-pressed=true] .name").inner_text() == "2"


def test_a_prediction_stays_if_its_explanation_fails(page: Page) -> None:
    message = {"error": "the server is busy.", "hint": "Try again in a second."}
    page.route("**/explain*", lambda route: route.fulfill(status=503, json=message))
    _draw(page, SEVEN)
    _draw(page, BAR)
    page.get_by_text("the server is busy. Try again").wait_for()
    sync_api.expect(page.locator("#answer b")).to_have_text("7")
    assert page.locator("#bars li").count() == 10
    page.unroute("**/explain*")
    _choose(page, "2")
    assert page.locator("#problem").is_hidden()


def test_a_click_on_a_bar_does_not_drop_the_request_in_progress(page: Page, tmp_path: Path) -> None:
    for name, image in zip(
        ("zero", "three"), headstart.load("digits").images[[0, 3], ..., 0], strict=True
    ):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    page.set_input_files("#file", tmp_path / "zero.png")
    _wait_for_reasons(page)
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/predict*", hold)
    page.set_input_files("#file", tmp_path / "three.png")
    page.locator("#bars .name", has_text=re.compile("^2$")).click()
    while not held:
        page.wait_for_timeout(20)
    held[0].continue_()
    sync_api.expect(page.locator("#answer b")).to_have_text("3")
    page.get_by_text("Evidence for “2”").wait_for()


def test_the_box_of_the_explanation_says_why_it_is_empty(page: Page) -> None:
    ghost = page.locator("#heat-ghost")
    assert ghost.inner_text() == "The explanation appears here"
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/explain*", hold)
    _draw(page, SEVEN)
    sync_api.expect(ghost).to_have_text("Computing the explanation …")
    while not held:
        page.wait_for_timeout(20)
    held[-1].continue_()
    _wait_for_reasons(page)
    assert ghost.is_hidden()
    page.unroute("**/explain*")
    page.get_by_role("button", name="Clear").click()
    sync_api.expect(ghost).to_have_text("The explanation appears here")


def test_the_keyboard_draws(page: Page) -> None:
    page.locator("#pad").focus()
    stroke = ["ArrowRight"] * 14 + ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowLeft"] * 8
    to_bar = ["ArrowUp"] * 12 + ["ArrowLeft"] * 4
    for key in (
        ["ArrowLeft"] * 6
        + ["ArrowUp"] * 12
        + [" ", *stroke, " ", *to_bar, " "]
        + ["ArrowRight"] * 16
        + [" "]
    ):
        page.keyboard.press(key)
    sync_api.expect(page.locator("#answer b")).to_have_text("7")
    _wait_for_reasons(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "undo"
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.get_by_text("No image yet").wait_for()


def test_a_photo_can_be_chosen_or_pasted_and_an_invalid_one_is_reported(
    page: Page, tmp_path: Path
) -> None:
    digit = tmp_path / "three.png"
    image = headstart.load("digits").images[3, ..., 0]
    Image.fromarray(image).save(digit)
    page.set_input_files("#file", digit)
    sync_api.expect(page.locator("#answer b")).to_have_text("3")
    _wait_for_reasons(page)
    assert page.locator("#tab-photo").get_attribute("aria-selected") == "true"
    with page.expect_file_chooser():
        page.get_by_role("button", name="Choose another image").click()
    (tmp_path / "bad.png").write_bytes(b"no image")
    page.set_input_files("#file", tmp_path / "bad.png")
    page.get_by_text("the file is not an image: it is a text file").wait_for()
    assert page.locator("#answer b").count() == 0
    assert page.locator("#another").is_hidden() and page.locator("#drop-text").is_visible()
    page.evaluate(
        """async (numbers) => {
            const transfer = new DataTransfer();
            const content = new Uint8Array(numbers);
            transfer.items.add(new File([content], "three.png", { type: "image/png" }));
            const options = { clipboardData: transfer, bubbles: true };
            document.dispatchEvent(new ClipboardEvent("paste", options));
        }""",
        list(digit.read_bytes()),
    )
    sync_api.expect(page.locator("#answer b")).to_have_text("3")
    _wait_for_reasons(page)
    assert page.locator("#problem").is_hidden()


def test_class_names_are_not_interpreted_as_html(page: Page) -> None:
    assert page.locator("#classes li", has_text="<img src=x").count() == 1
    assert page.locator("#classes img").count() == 0


def test_everything_has_a_name_for_a_screen_reader(page: Page) -> None:
    for element in page.locator("button:visible, input, canvas, a").all():
        named = element.evaluate(
            "e => e.ariaLabel || e.innerText.trim()"
            " || (e.labels && [...e.labels].map(l => l.innerText).join(' '))"
        )
        assert named, element.evaluate("e => e.outerHTML")
    page.get_by_role("tab", name="Draw").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("tab", name="Photo").get_attribute("aria-selected") == "true"
    assert page.locator("#panel-photo").is_visible() and page.locator("#panel-draw").is_hidden()


def test_no_choice_is_cut_at_any_width(page: Page) -> None:
    for width_px in (320, 680, 690, 1001, 1100):
        page.set_viewport_size({"width": width_px, "height": 900})
        cut = page.evaluate(
            """() => [...document.querySelectorAll(".choice button, .choice span")]
                .filter((each) => each.offsetParent)
                .filter((each) => each.scrollWidth > each.clientWidth
                    || each.getBoundingClientRect().right
                        > each.closest(".choice").getBoundingClientRect().right)
                .map((each) => each.textContent)"""
        )
        assert cut == [], width_px
        assert page.evaluate("document.documentElement.scrollWidth") == width_px


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(browser: Any, address: str, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    opened = context.new_page()
    opened.goto(address)
    opened.locator("#facts dt").first.wait_for()
    assert axe_violations(opened) == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone(browser: Any, address: str, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, color_scheme=scheme, has_touch=True, is_mobile=True
    )
    opened = context.new_page()
    opened.goto(address)
    opened.locator("#facts dt").first.wait_for()
    assert opened.evaluate("document.documentElement.scrollWidth") == 360
    background = opened.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) > 600) == (scheme == "light")
    context.close()
