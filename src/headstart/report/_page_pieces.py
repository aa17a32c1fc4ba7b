"""The pieces of a page, tags and texts, and how two pages differ."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Literal

_LONGEST = 80  # characters of a piece in a message
_HEADINGS = ("h1", "h2", "h3")
# Attributes that a reader never meets. The others hold text, or lengths that show a number.
_LAYOUT_ATTRIBUTES = frozenset({"class", "id", "role", "scope", "tabindex", "type"})

# What differs: words and numbers of the page, its styles and layout, its scripts, its pictures, or
# the data inside it.
DifferenceKind = Literal["text", "styles", "scripts", "pictures", "data"]


@dataclass(frozen=True)
class Piece:
    """One tag or text of a page.

    Attributes:
        content: The tag as it is written, or the text.
        place: The heading above it, and the row of its table, for messages.
        words: What a reader meets of it: the text, or the values of attributes.
        is_script: True for a program.
        is_text: True for a text that a reader sees.
    """

    content: str
    place: str
    words: str
    is_script: bool = False
    is_text: bool = False


@dataclass(frozen=True)
class Difference:
    """Something that a report shows, and what it should be.

    Attributes:
        where: The heading and row on the page, or the field of the data.
        shown: What the report has.
        expected: What its data give; for styles and scripts, what this version writes.
        kind: What it is a part of.
    """

    where: str
    shown: str
    expected: str
    kind: DifferenceKind = "data"

    def as_json(self) -> dict[str, str]:
        """Return the four texts."""
        return {
            "where": self.where,
            "shown": self.shown,
            "expected": self.expected,
            "kind": self.kind,
        }


class _Reader(HTMLParser):
    """A reader of pieces. Unlike a browser it keeps comments, and does not decode entities."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.pieces: list[Piece] = []
        self._heading = self._row = ""
        self._open: str | None = None
        self._hidden: Literal["style", "script"] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self._row = ""
        is_row_heading = tag == "th" and ("scope", "row") in attrs
        if tag in _HEADINGS or is_row_heading:
            self._open = tag
            if tag == "th":
                self._row = ""
            else:
                self._heading = self._row = ""
        if tag == "style":
            self._hidden = "style"
        elif tag == "script" and ("type", "application/json") not in attrs:
            self._hidden = "script"
        words = [f"{name}={value}" for name, value in attrs if name not in _LAYOUT_ATTRIBUTES]
        self._add(self.get_starttag_text() or tag, " ".join(words))

    def handle_endtag(self, tag: str) -> None:
        if tag == self._open:
            self._open = None
        if tag == self._hidden:
            self._hidden = None
        self._add(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._add_text(data)

    def handle_entityref(self, name: str) -> None:
        self._add_text(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._add_text(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        self._add(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self._add(f"<!{decl}>")

    def _add_text(self, text: str) -> None:
        if self._open == "th":
            self._row += text
        elif self._open is not None:
            self._heading += text
        is_text = not self._hidden and bool(text.strip())
        self._add(text, "" if self._hidden else text, is_text=is_text)

    def _add(self, content: str, words: str = "", *, is_text: bool = False) -> None:
        place = " › ".join(filter(None, (_short(self._heading), _short(self._row))))
        is_script = self._hidden == "script"
        place = place or "head of the page"
        self.pieces.append(Piece(content, place, words, is_script, is_text))


def count_numbers(page: str) -> int:
    """Return the number of numbers in the visible text of a page."""
    text = re.sub(r"<(script|style|svg)\b.*?</\1>|<[^>]*>", " ", page, flags=re.S)
    return len(re.findall(r"\d+(?:[.,]\d+)*", text))


def page_differences(shown: str, expected: str) -> Iterator[Difference]:
    """Yield the pieces in which a page differs from the expected one."""
    if shown != expected:
        yield from _differences(_pieces(shown), _pieces(expected))


def text_differences(shown: str, expected: str) -> Iterator[Difference]:
    """Yield the texts in which a drawing differs from the expected one, whatever its shapes are."""
    ours, theirs = (
        [piece for piece in _pieces(drawing) if piece.is_text] for drawing in (shown, expected)
    )
    yield from _differences(ours, theirs)


def _differences(ours: Sequence[Piece], theirs: Sequence[Piece]) -> Iterator[Difference]:
    matcher = difflib.SequenceMatcher(
        None, [piece.content for piece in ours], [piece.content for piece in theirs], autojunk=False
    )
    for kind, start, end, other_start, other_end in matcher.get_opcodes():
        if kind == "equal":
            continue
        before = "".join(piece.content for piece in ours[start:end])
        after = "".join(piece.content for piece in theirs[other_start:other_end])
        place = (ours[start:end] or theirs[other_start:other_end])[0].place
        part = _kind(ours[start:end], theirs[other_start:other_end])
        yield Difference(place, *_around_first_difference(before, after), part)


def _kind(shown: Sequence[Piece], expected: Sequence[Piece]) -> DifferenceKind:
    if _words(shown) != _words(expected):
        return "text"
    is_script = any(piece.is_script for piece in (*shown, *expected))
    return "scripts" if is_script else "styles"


def _words(pieces: Sequence[Piece]) -> list[str]:
    return " ".join(piece.words for piece in pieces).split()


def _pieces(page: str) -> list[Piece]:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.pieces


def _around_first_difference(shown: str, expected: str) -> tuple[str, str]:
    """Return two texts, shortened around the first character in which they differ."""
    pairs = zip(shown, expected, strict=False)
    place = next((place for place, (a, b) in enumerate(pairs) if a != b), 0)
    start = max(0, place - _LONGEST // 2)
    return _short(shown[start:]), _short(expected[start:])


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
