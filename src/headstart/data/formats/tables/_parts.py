"""The column of a table that says which images are for training, validation and test."""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np
from numpy.typing import NDArray

from headstart.data._types import TEST, VALIDATION
from headstart.data.formats.folders._part_words import EVALUATION, PART_OF_WORD, part_of_name
from headstart.data.formats.tables._columns import PART_NAMES, plain_name
from headstart.data.formats.tables._problems import TableProblems
from headstart.errors import suggest_name

# The parts of FER-2013, which its column Usage names.
_PART_OF_PLAIN_WORD = {"publictest": VALIDATION, "privatetest": TEST}


def parts_of_words(
    column: str, lines: Sequence[int], words: Sequence[str], problems: TableProblems
) -> NDArray[np.uint8] | None:
    """Return the part that each row names.

    Args:
        column: Name of the column.
        lines: Line numbers of the N rows.
        words: The N texts of the column.
        problems: Where unknown words are added.

    Returns:
        Uint8 array of shape (N,), or None if the column is not called split and has none of the
        words that name parts.
    """
    code_of = _codes_of(set(words))
    is_split = plain_name(column) == PART_NAMES[0]
    if not is_split and not any(code is not None for code in code_of.values()):
        return None

    for line, word in zip(lines, words, strict=True):
        if code_of[word] is None:
            problems.add(
                line,
                f"invalid {column} '{word}': expected train, validation or test",
                suggest_name(word.lower(), tuple(PART_OF_WORD)),
                "lines name no known part",
            )
    return np.array([code_of[word] or 0 for word in words], np.uint8)


def _codes_of(words: Set[str]) -> dict[str, int | None]:
    """Return the part that each word names, or None. Evaluation images are the test images."""
    code_of: dict[str, int | None] = {}
    for word in words:
        named = part_of_name(word)
        code_of[word] = _PART_OF_PLAIN_WORD.get(plain_name(word))
        if code_of[word] is None and named is not None and not named.rest:
            code_of[word] = named.part

    other = VALIDATION if TEST in code_of.values() else TEST
    return {word: other if code == EVALUATION else code for word, code in code_of.items()}
