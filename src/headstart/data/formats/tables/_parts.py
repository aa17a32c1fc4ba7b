"""The columns of a table that say which images are for training, validation and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._types import PART_NAMES as NAME_OF_PART, TEST, TRAIN, VALIDATION
from headstart.data.formats.folders._part_words import (
    PART_OF_WORD,
    part_of_name,
    resolve_evaluation,
)
from headstart.data.formats.tables._columns import FOLD_NAMES, PART_NAMES, TRUTHS, plain_name
from headstart.data.formats.tables._problems import TableProblems
from headstart.errors import suggest_name

# The parts of FER-2013, which its column Usage names.
_PART_OF_PLAIN_WORD = {"publictest": VALIDATION, "privatetest": TEST}
# Columns of yes and no, by their plain name. `is_valid` is fastai's.
_PART_OF_FLAG = {
    **dict.fromkeys(("istrain", "istraining", "istrainingimage", "intrain"), TRAIN),
    **dict.fromkeys(("isvalid", "isval", "isvalidation", "isdev"), VALIDATION),
    **dict.fromkeys(("istest", "istesting", "isholdout"), TEST),
}
PART_COLUMN_NAMES = (*PART_NAMES, *_PART_OF_FLAG)


def may_name_parts(column: str) -> bool:
    """Return whether a column's name is usual for parts, such as split, is_valid or fold."""
    return plain_name(column) in (*PART_COLUMN_NAMES, *FOLD_NAMES)


def is_part_word(word: str) -> bool:
    """Return whether a text names a part, such as "train" or "TEST"."""
    return _codes_of({word.strip()})[word.strip()] is not None


def parts_of_columns(
    table: str,
    columns: Mapping[str, Sequence[str]],
    lines: Sequence[int],
    problems: TableProblems,
) -> NDArray[np.uint8] | None:
    """Return the part that each row names, by the first column that names parts.

    A column with a usual name counts if its values name parts, or are yes and no, as in `is_valid`.
    Any other column counts if all of its values name parts, and at least two of them. What was
    decided is printed, except for a usual column of words.

    Args:
        table: Name of the table, for messages.
        columns: The N texts of each column by its name. They are neither paths nor labels.
        lines: Line numbers of the N rows.
        problems: Where unknown words are added.

    Returns:
        Uint8 array of shape (N,), or None if no column names parts.
    """
    for column, words in columns.items():
        if plain_name(column) in PART_NAMES:
            parts = parts_of_words(column, lines, words, problems)
            if parts is not None:
                return parts

    flags = {
        column: words for column, words in columns.items() if plain_name(column) in _PART_OF_FLAG
    }
    parts = _parts_of_flags(table, flags, lines)
    if parts is not None:
        return parts

    for column, words in columns.items():
        if may_name_parts(column):
            continue
        code_of = _codes_of(set(words))
        if None not in code_of.values() and len(set(code_of.values())) > 1:
            progress.say(f"{table}: the column '{column}' names the parts of the split")
            return np.array([code_of[word] for word in words], np.uint8)

    ignored = [column for column in columns if may_name_parts(column)]
    if ignored:
        progress.say(
            f"{table}: ignored the column '{ignored[0]}', whose values name no parts; expected "
            "train, validation or test"
        )
    return None


def _parts_of_flags(
    table: str, flags: Mapping[str, Sequence[str]], lines: Sequence[int]
) -> NDArray[np.uint8] | None:
    """Return the part of each row by columns of yes and no, or None if these name no parts."""
    truths = {
        column: [TRUTHS.get(word.casefold()) for word in words] for column, words in flags.items()
    }
    truths = {column: values for column, values in truths.items() if None not in values}
    if not truths:
        return None

    flagged = {_PART_OF_FLAG[plain_name(column)] for column in truths}
    other = TRAIN
    if TRAIN in flagged:
        other = VALIDATION if TEST in flagged else TEST
    parts = np.full(len(lines), other, np.uint8)
    for column, values in truths.items():
        parts[np.array(values, bool)] = _PART_OF_FLAG[plain_name(column)]

    names = " and ".join(f"'{column}'" for column in truths)
    if np.count_nonzero(parts == TRAIN) * 2 < len(parts):
        progress.say(
            f"{table}: ignored {names}, which would leave less than half of the images for "
            "training. If it names the parts, write a column split with train, validation and test"
        )
        return None
    counts = [
        f"{np.count_nonzero(parts == part):,} images are for {NAME_OF_PART[part]}"
        for part in np.unique(parts).tolist()
    ]
    progress.say(f"{table}: by {names}, {', '.join(counts)}")
    return parts


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
    return resolve_evaluation(code_of)
