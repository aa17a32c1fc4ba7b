"""Texts and names that are not UTF-8: how they read in the encodings that people use."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

# Names for messages, and names that Python, iconv, convmv and `python -m zipfile` all know.
_ENCODINGS = (
    ("Shift-JIS", "CP932"),
    ("EUC-KR", "CP949"),
    ("GB18030", "GB18030"),
    ("EUC-JP", "EUC-JP"),
    ("Big5", "CP950"),
    ("Windows-1251", "CP1251"),
    ("KOI8-R", "KOI8-R"),
    ("Windows-1253", "CP1253"),
    ("Windows-1252", "CP1252"),
    ("Windows-1250", "CP1250"),
    ("Mac Roman", "MACINTOSH"),
)
# Encodings of names in zip archives only.
ZIP_ENCODINGS = (*_ENCODINGS, ("CP437", "CP437"), ("CP866", "CP866"))
# First bytes of the characters that are in daily use, by the encoding. Others fit any bytes.
_USUAL_FIRST_BYTES = {
    "CP932": range(0x88, 0x99),
    "GB18030": range(0xB0, 0xD8),
    "CP950": range(0xA4, 0xC7),
    "CP949": range(0xB0, 0xC9),
    "EUC-JP": range(0xB0, 0xD0),
}
_LEAST_SHARE = 0.7
_MOST_READINGS = 3
_LONGEST_EXAMPLE = 40
_WORD = re.compile(r"[^\W\d_]+")
_KANA = range(0x3041, 0x30FF)


class Reading(NamedTuple):
    """A text in one encoding.

    Attributes:
        name: The encoding, for people.
        codec: Its name for Python and for tools.
        example: A word, or a few, of the text.
    """

    name: str
    codec: str
    example: str


def plausible_readings(
    content: bytes, encodings: tuple[tuple[str, str], ...] = _ENCODINGS
) -> list[Reading]:
    """Return the encodings in which a text consists of words, the most plausible first.

    Which one is right cannot be known from a few bytes. So a person has to choose.

    Args:
        content: Lines or names, some of which are not ASCII.
        encodings: The names of the encodings that come into question.
    """
    lines = [line for line in content.splitlines() if not line.isascii()]
    scored: list[tuple[float, int, Reading]] = []
    for rank, (name, codec) in enumerate(encodings):
        try:
            text = b"\n".join(lines).decode(codec)
        except UnicodeDecodeError:
            continue
        share = _share_of_words(text, codec)
        if share >= _LEAST_SHARE:
            scored.append((-share, rank, Reading(name, codec, _example(text))))
    scored.sort()
    return [reading for _, _, reading in scored[:_MOST_READINGS]]


def readings_sentence(readings: list[Reading]) -> str:
    """Return a sentence about how a text would read, or an empty text."""
    if not readings:
        return ""
    shown = [f"'{reading.example}' in {reading.name}" for reading in readings]
    listed = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"
    return f" It would read {listed}."


def _share_of_words(text: str, codec: str) -> float:
    """Return which share of the characters that are not ASCII belong to plausible words."""
    good = total = 0.0
    for character in text:
        # Dashes, quotation marks and the like say nothing.
        if not character.isascii() and unicodedata.category(character)[0] not in "PLM":
            total += 1
    for word in _WORD.findall(text):
        foreign = sum(not character.isascii() for character in word)
        total += foreign
        if foreign:
            good += foreign * _plausibility(word, foreign, codec)
    return good / total if total else 0.0


def _plausibility(word: str, foreign: int, codec: str) -> float:
    """Return how plausible a word with letters that are not ASCII is, from 0 to 1."""
    if codec in _USUAL_FIRST_BYTES:
        if foreign < len(word):
            return 0.0
        usual = sum(_is_usual(character, codec) for character in word)
        return usual / len(word)

    scripts = {unicodedata.name(character, "").partition(" ")[0] for character in word}
    if not (word.islower() or word.isupper() or word.istitle()):
        return 0.0
    if scripts == {"LATIN"}:
        # Some letters of a Latin word are ASCII. Otherwise it is a word in another script.
        is_usual = 4 * foreign <= 3 * len(word)
        return 1.0 if is_usual else 0.8 * (len(word) == 1)
    if scripts in ({"CYRILLIC"}, {"GREEK"}):
        # Encodings of Russian differ in which half is upper case.
        return 1.0 if word[1:].islower() else 0.7
    return 0.0


def _is_usual(character: str, codec: str) -> bool:
    if ord(character) in _KANA:
        return codec in ("CP932", "EUC-JP")
    return character.encode(codec)[0] in _USUAL_FIRST_BYTES[codec]


def _example(text: str) -> str:
    """Return the first word that is not ASCII, with what surrounds it in its line."""
    line = next((line for line in text.splitlines() if not line.isascii()), "")
    cells = re.split(r"[,;\t|/\\\"]", line)
    cell = next((cell for cell in cells if not cell.isascii()), line).strip()
    return cell if len(cell) <= _LONGEST_EXAMPLE else f"{cell[:_LONGEST_EXAMPLE]}…"
