"""How the tests read a page, and names that try to become a part of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from headstart.report import write_report, write_run_report

NASTY_NAMES = (
    '<script>alert("x")</script>',
    'a"b onload=x',
    "$5 & $6",
    "猫 кот",
    "line\nbreak\x0b",
    "x" * 300,
    "-->",
    "{{ 7*7 }}",
    "7",
    "8",
)


class Tags(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def values(self, *names: str) -> Iterator[str]:
        for _, attributes in self.tags:
            for name, value in attributes.items():
                if name in names:
                    yield value or ""


def page_text(folder: Path) -> str:
    """Write the report of a study or run, and return its text with single spaces."""
    is_study = (folder / "finding.json").exists()
    path = write_report(folder) if is_study else write_run_report(folder)
    return re.sub(r"\s+", " ", path.read_text(encoding="utf-8"))


def section(page: str, name: str) -> str:
    """Return one section of a page by the identifier of its heading."""
    return page.partition(f'<h2 id="{name}"')[2].partition("</section>")[0]


def section_names(page: str) -> list[str]:
    """Return the identifiers of the headings of a page."""
    return re.findall(r'<h2 id="(\w+)"', page)
