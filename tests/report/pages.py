"""How the tests read a page, and names that try to become a part of it."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

NASTY = (
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
    """Every start tag with its attributes, and the identifiers."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def values(self, *names: str) -> Iterator[str]:
        return (
            value or ""
            for _, attributes in self.tags
            for name, value in attributes.items()
            if name in names
        )
