"""A reader that sees no pictures: the text of a page as a screen reader goes through it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_SILENT = frozenset({"head", "script", "style", "template"})
_VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta"})
_INLINE = frozenset({"a", "abbr", "b", "code", "em", "i", "small", "span", "strong", "sub", "sup"})
_CELLS = frozenset({"td", "th"})


class TextReader(HTMLParser):
    """The lines of a page.

    A figure is its alternative text in brackets. The cells of a row stand on one line, with "|"
    before each. Scripts do not run, so what they would add is not read.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self._lines = [""]
        self._open: list[tuple[str, bool]] = []
        self.feed(page)

    @property
    def lines(self) -> list[str]:
        """The lines with single spaces, without empty ones."""
        lines = (re.sub(r"\s+", " ", line).strip() for line in self._lines)
        return [line for line in lines if line]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        is_figure = tag == "img" or attributes.get("role") == "img"
        is_hidden = (
            tag in _SILENT or "hidden" in attributes or attributes.get("aria-hidden") == "true"
        )
        if not self._is_silent:
            self._break_line(tag)
            label = attributes.get("aria-label") or attributes.get("alt")
            if label and not is_hidden:
                self._lines[-1] += f" [{label}] " if is_figure else f" ({label}) "
        if tag not in _VOID:
            self._open.append((tag, is_hidden or is_figure))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Read nothing: only shapes of a drawing close themselves."""

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            if self._open.pop()[0] == tag:
                break
        if tag not in _CELLS and not self._is_silent:
            self._break_line(tag)

    def handle_data(self, data: str) -> None:
        if not self._is_silent:
            self._lines[-1] += data

    @property
    def _is_silent(self) -> bool:
        return any(is_silent for _, is_silent in self._open)

    def _break_line(self, tag: str) -> None:
        if tag in _CELLS:
            self._lines[-1] += " | "
        elif tag not in _INLINE and not any(name in _CELLS for name, _ in self._open):
            self._lines.append("")
