"""Fonts for letters that the bundled font lacks, such as Chinese class names in figure files.

A page needs none of this: its reader's browser finds the fonts.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from headstart.formatting import cut_middle, name_width, wrap_name
from headstart.progress import warn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BUNDLED = "DejaVu Sans"
POINTS_PER_INCH = 72
_HINTING = 1.03  # a PNG draws a line up to 3% wider than its outlines are
_FIRST_LETTER = 0x250  # DejaVu Sans has all letters below, so most texts are not looked at
# Letters without a picture: variation selectors, joiners, marks of direction.
_INVISIBLE = frozenset([*range(0x200B, 0x2010), *range(0x2060, 0x2070), *range(0xFE00, 0xFE10)])
_LISTED_LETTERS = 12
_said: set[str] = set()


def use_fallback_fonts(figure: Figure) -> None:
    """Give the texts of a figure a font of this machine for each letter that the bundled one lacks.

    Letters that no installed font has are named in a warning, once per process. They become boxes.

    Args:
        figure: A figure whose texts are complete.
    """
    from matplotlib.text import Text

    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    for axes in figure.axes:
        texts += [*axes.get_xticklabels(), *axes.get_yticklabels()]
    missing = _missing_letters(text.get_text() for text in texts)
    if not missing:
        return

    families, boxes = fallback_fonts(frozenset(missing))
    for text in texts:
        text.set_fontfamily([BUNDLED, *families])
    _warn_once(boxes)


@cache
def fallback_fonts(letters: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return a few installed fonts that have these letters, and the letters that none has.

    Args:
        letters: Letters that the bundled font lacks.
    """
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    having: dict[str, set[str]] = {}
    for path in sorted(font_manager.findSystemFonts()):
        try:
            font = FT2Font(path)
            drawable = {letter for letter in letters if font.get_char_index(ord(letter))}
            # Fonts of colour bitmaps cannot be drawn. Another DejaVu Sans would replace the bundled
            # one in all figures.
            if not drawable or not font.scalable or font.family_name == BUNDLED:
                continue
            font_manager.fontManager.addfont(path)
        except (OSError, RuntimeError, ValueError):
            continue  # a damaged font
        having.setdefault(font.family_name, set()).update(drawable)

    left = set(letters)
    families: list[str] = []
    while having and left:
        best = max(sorted(having), key=lambda family: len(having[family] & left))
        if not having[best] & left:
            break
        families.append(best)
        left -= having.pop(best)
    return tuple(families), frozenset(left)


def _missing_letters(texts: Iterable[str]) -> set[str]:
    letters = {letter for letter in "".join(texts) if ord(letter) >= _FIRST_LETTER}
    if not letters:
        return set()
    known = _bundled_letters() | _INVISIBLE
    return {letter for letter in letters if ord(letter) not in known}


@cache
def _bundled_letters() -> frozenset[int]:
    from matplotlib import font_manager

    path = font_manager.findfont(BUNDLED)
    return frozenset(font_manager.get_font(path).get_charmap())


def _warn_once(letters: frozenset[str]) -> None:
    new = sorted(letters - _said)
    if not new:
        return
    _said.update(new)
    listed = " ".join(new[:_LISTED_LETTERS])
    more = f" and {len(new) - _LISTED_LETTERS} more" if len(new) > _LISTED_LETTERS else ""
    warn(
        f"WARNING: no installed font has {listed}{more}: PNG and SVG figures show boxes instead. "
        "Install a font that has them, such as Noto Sans CJK, and write the figures again."
    )


def text_width(line: str, size: float, weight: str = "normal") -> float:
    """Return the width of a line in inches.

    It serves to plan a layout before the drawing. A letter that the bundled font lacks has the
    width of half an em, or of one em if it is Chinese, Japanese or Korean.

    Args:
        line: The text.
        size: Size of the font in points.
        weight: "normal" or "bold".
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=BUNDLED, weight=weight, size=size)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        width, _, _ = text_to_path.get_text_width_height_descent(line, font, ismath=False)
    return float(max(_HINTING * width, 0.5 * size * name_width(line))) / POINTS_PER_INCH


def wrap_to_width(
    text: str, width: float, size: float, weight: str = "normal", longest: int = 48
) -> str:
    """Return a text in as few lines as fit a width, joined by line breaks.

    Args:
        text: The text, such as the name of a class. It breaks as in `wrap_name`.
        width: The largest width of a line in inches.
        size: Size of the font in points.
        weight: "normal" or "bold".
        longest: The largest width of the whole text in letters. A longer text is cut.
    """
    narrow_letter = 0.4 * size / POINTS_PER_INCH
    for letters in range(max(2, int(width / narrow_letter)), 1, -1):
        wrapped = wrap_name(text, letters, lines=longest, longest=longest)
        if all(text_width(line, size, weight) <= width for line in wrapped.split("\n")):
            break
    return wrapped


def cut_to_width(text: str, width: float, size: float, weight: str = "normal") -> str:
    """Return a text on one line, cut in its middle if it is wider than a width.

    Args:
        text: The text, such as the name of an image.
        width: The largest width in inches.
        size: Size of the font in points.
        weight: "normal" or "bold".
    """
    longest = name_width(text)
    while longest > 2 and text_width(cut_middle(text, longest), size, weight) > width:
        longest -= 1
    return cut_middle(text, longest)
