"""A real browser for the tests of pages, where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_PATHS = (Path("/usr/bin/chromium"), Path("/usr/bin/chromium-browser"))
CHROMIUM = next((path for path in _PATHS if path.exists()), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium in /usr/bin")


def start_browser() -> Iterator[Any]:
    """Yield headless Chromium, for a fixture."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


def open_page(browser: Any, address: str, **options: Any) -> tuple[Any, list[str]]:
    """Open a page, and return it with a list that collects errors of scripts and requests."""
    page = browser.new_page(**options)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if "http" in request.url else 0)
    page.goto(address)
    return page, problems


def axe_violations(page: Any) -> list[str]:
    """Return what axe-core finds in a page as it is now: rule, and the first element.

    The rules that compare a name with the visible text are off in the version that the tests
    install, and on in later ones.
    """
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    rules = {"label-content-name-mismatch": {"enabled": True}}
    found = axe.Axe().run(page, options={"resultTypes": ["violations"], "rules": rules})
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found.response["violations"]
    ]
