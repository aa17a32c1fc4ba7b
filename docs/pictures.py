r"""Make the screenshots of the documentation again: docs/report.png and docs/images/serve.png.

    headstart compare fashion-mnist --train-images 1800 --validation 0.03 --epochs 4 \
        --time-limit none --out part2
    headstart train mnist --preset fast --out mnist
    python docs/pictures.py part2 mnist

The commands themselves draw docs/predict.png and docs/images/explain.png. The images are test
images of Fashion-MNIST, and test image 5165 of MNIST:

    headstart train fashion-mnist --preset fast --train-images 10000 --out fashion
    headstart predict fashion clothes/ --top 3 --figure docs/predict.png
    headstart train mnist --preset fast --train-images 6000 --out mnist
    headstart train mnist --model mlp --preset fast --train-images 6000 --out mnist-mlp
    headstart explain mnist digit-65165.png --against mnist-mlp --out docs/images/explain.png

It needs Playwright, and Chromium in /usr/bin. Look at both pictures before they are committed.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

DOCS = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"
REPORT_WIDTH, SERVE_WIDTH = 1180, 1180  # CSS pixels
SERVE_SCALE = 1.5  # the page has small text
LAST_SECTION = "results"  # of the report; the picture ends below it
SECONDS = 60_000  # milliseconds that an explanation may take


def main(study: Path, run: Path) -> None:
    """Write both pictures.

    Args:
        study: Folder of a finished comparison.
        run: Folder of a finished run on MNIST.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        picture_of_report(browser, study, DOCS / "report.png")
        picture_of_server(browser, run, DOCS / "images" / "serve.png")
        browser.close()


def picture_of_report(browser: Any, study: Path, path: Path) -> None:
    """Show the beginning of a report, to the end of its table of results."""
    page = browser.new_page(viewport={"width": REPORT_WIDTH, "height": 900})
    page.goto((study / "report.html").resolve().as_uri())
    table = page.locator(f"section[aria-labelledby={LAST_SECTION}] table").bounding_box()
    height = math.ceil(table["y"] + table["height"])
    clip = {"x": 0, "y": 0, "width": REPORT_WIDTH, "height": height}
    page.screenshot(path=path, full_page=True, clip=clip)
    page.close()


def picture_of_server(browser: Any, run: Path, path: Path) -> None:
    """Draw a nine on the page of `headstart serve`, and wait for its explanation."""
    command = [*(sys.executable, "-m", "headstart", "serve", str(run)), "--port", "0", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["url"]
        page = browser.new_page(
            viewport={"width": SERVE_WIDTH, "height": 900}, device_scale_factor=SERVE_SCALE
        )
        page.goto(address)
        page.locator("#facts dt").first.wait_for()
        draw(page, nine())
        page.get_by_text("covering it lowers the probability").wait_for(timeout=SECONDS)
        bottom = max(
            box["y"] + box["height"]
            for box in (card.bounding_box() for card in page.locator("main > section").all())
            if box["y"] < 400
        )
        clip = {"x": 0, "y": 0, "width": SERVE_WIDTH, "height": math.ceil(bottom)}
        page.screenshot(path=path, full_page=True, clip=clip)
    finally:
        server.terminate()
        server.wait()


def nine() -> list[tuple[float, float]]:
    """Return the points of a nine, as shares of the drawing area."""
    loop = [math.radians(angle) for angle in range(0, -361, -15)]
    points = [(0.5 + 0.17 * math.cos(angle), 0.33 + 0.17 * math.sin(angle)) for angle in loop]
    return [*points, (0.66, 0.5), (0.61, 0.66), (0.52, 0.86)]


def draw(page: Any, points: list[tuple[float, float]]) -> None:
    """Draw a line through points on the drawing area."""
    box = page.locator("#pad").bounding_box()
    for number, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=3)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
