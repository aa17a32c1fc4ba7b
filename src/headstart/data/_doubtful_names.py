"""Class names that may be mistakes: two that are nearly the same, or one that a program damaged.

"hot dog" and "hot-dog", or "Cat" and "cats", may be one class or two. So they are reported, and
never merged. Names that differ in case or blanks alone are refused: see
`_class_names.require_distinct_classes`. A damaged name was decoded with a wrong encoding.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from headstart.data._class_names import INVISIBLE
from headstart.formatting import display_name

_SEPARATORS = re.compile(r"(?<=[^\s_])[\s_\-\u2010-\u2015\u2212.'\u2019]+(?=[^\s_])")
_MINUS = re.compile(r"\s[-\u2212]$")
_QUOTES = "'\"`\u2018\u2019\u201c\u201d\u00ab\u00bb"
_ACCENTS = re.compile("[\u0300-\u036f]")
# What file managers add to the name of a copy: "cat (1)", "cat - Copy", "cat copy 2".
_COPY = re.compile(r"(?<=\w)([\s_-]+(copy|kopie|copie|copia)([\s_]*\(?\d+\)?)?|\s*\(\d+\))$")
# Letters of Cyrillic and Greek that look like Latin ones.
_LOOK_ALIKES = str.maketrans("авекмнорстухіјѕԁαορν", "abekmhopctyxijsdaopv")
_SHORTEST = 2  # characters. Single ones, such as "a" and "A", are classes of handwriting.
_SHORTEST_SINGULAR = 3
_REPLACEMENT = "\ufffd"
_WRONG_ENCODINGS = ("cp1252", "latin-1", "mac_roman", "cp437")


def similar_class_names(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs of class names that are nearly the same, in the order of the classes.

    Case, accents, separators such as blanks and hyphens within a name, quotation marks, wide forms
    of letters, letters of other scripts that look the same, what a file manager adds to a copy, and
    an English plural make no difference. Separators between digits and signs do: "1.0" is not "10",
    "-1" is not "1", and "AA-" is not "AA".

    Args:
        names: The distinct names of the classes.
    """
    first_with_form: dict[str, str] = {}
    form_of = {name: _plain_form(name) for name in names}
    for name, form in form_of.items():
        if len(form) >= _SHORTEST:
            first_with_form.setdefault(form, name)

    pairs: list[tuple[str, str]] = []
    for name, form in form_of.items():
        forms = [form, *_singulars(form)]
        others = [first_with_form[other] for other in forms if other in first_with_form]
        pairs += [(other, name) for other in others if other != name]
    order = {name: number for number, name in enumerate(names)}
    in_order = [
        (first, second) if order[first] < order[second] else (second, first)
        for first, second in pairs
    ]
    return sorted(set(in_order), key=lambda pair: (order[pair[0]], order[pair[1]]))


def similar_names_sentence(names: Sequence[str]) -> str:
    """Return a sentence about class names that are nearly the same, or an empty text."""
    pairs = similar_class_names(names)
    if not pairs:
        return ""
    first, second = (f"'{display_name(name)}'" for name in pairs[0])
    if len(pairs) == 1:
        text = f"The class names {first} and {second} are nearly the same."
    else:
        text = (
            f"{len(pairs):,} pairs of class names are nearly the same, such as {first} and "
            f"{second}."
        )
    return (
        f"{text} They are read as different classes; if they mean the same class, give both the "
        "same name."
    )


def _plain_form(name: str) -> str:
    """Return a name without case, accents, separators and the other differences."""
    text = INVISIBLE.sub("", unicodedata.normalize("NFKC", name)).casefold().strip()
    text = _ACCENTS.sub("", unicodedata.normalize("NFKD", text)).translate(_LOOK_ALIKES)
    text = _COPY.sub("", text.strip(_QUOTES))

    def join(match: re.Match[str]) -> str:
        before, after = text[match.start() - 1], text[match.end()]
        is_number = after.isdigit() and (before.isdigit() or _MINUS.search(match.group()))
        return match.group() if is_number else ""

    return _SEPARATORS.sub(join, text)


def _singulars(form: str) -> list[str]:
    """Return the forms that this one may be the English plural of."""
    singulars = []
    if form.endswith("s") and not form.endswith("ss"):
        singulars.append(form[:-1])
    if form.endswith("es"):
        singulars.append(form[:-2])
    if form.endswith("ies"):
        singulars.append(f"{form[:-3]}y")
    return [singular for singular in singulars if len(singular) >= _SHORTEST_SINGULAR]


def damaged_names_sentence(names: Sequence[str]) -> str:
    """Return a sentence about class names that are not what somebody typed, or an empty text.

    They are used as they are: what was lost cannot be known.

    Args:
        names: The names of the classes.
    """
    lost = [name for name in names if _REPLACEMENT in name]
    if lost:
        return (
            f"The class name '{display_name(lost[0])}' has lost characters (U+FFFD): an earlier "
            "program read it with a wrong encoding. Names that differed in them may be one class "
            "now."
        )
    for name in names:
        original = _undo_wrong_decoding(name)
        if original is not None:
            return (
                f"The class name '{display_name(name)}' looks like '{display_name(original)}', "
                "read with a wrong encoding by an earlier program. It is used as it is."
            )
    return ""


def _undo_wrong_decoding(name: str) -> str | None:
    """Return the UTF-8 text that became this name in a wrong encoding, or None."""
    if name.isascii():
        return None
    for encoding in _WRONG_ENCODINGS:
        try:
            original = name.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        if original.isprintable():
            return original
    return None
