"""Sample submissions: the columns, ids and kind of values that a competition requires."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart import progress
from headstart.data import locate, name_archive_in_errors, open_table
from headstart.errors import InputError, suggest_name

_MOST_NAMED = 8  # columns or classes in a message
# Names of two classes of which the second is the one that a probability refers to.
_POSITIVE_OF_TWO = (
    ("0", "1"),
    ("no", "yes"),
    ("false", "true"),
    ("negative", "positive"),
    ("absent", "present"),
)


@dataclass(frozen=True)
class Sample:
    """The columns and ids that a sample submission requires.

    Attributes:
        name: Name of the file, for messages.
        columns: The id, then one column for the label, one for a probability, or one per class.
        ids: Ids of the rows, in order.
        probability_of: The class whose probability the second of two columns holds. None if the
            second column holds labels, or if there is one column per class.
    """

    name: str
    columns: tuple[str, ...]
    ids: tuple[str, ...]
    probability_of: str | None = None


def read_sample(
    path: Path, class_names: Sequence[str], probability_of: str | None = None
) -> Sample:
    """Read the columns, ids and kind of values of a sample submission.

    Args:
        path: The CSV, which may be in an archive.
        class_names: Names of the K classes of the model.
        probability_of: The class whose probability the second of two columns shall hold. By
            default, the sample decides between labels and probabilities.

    Raises:
        InputError: The columns are neither id and one value nor id and every class, an id occurs
            twice, or the file has no rows. Or the sample holds numbers that are not classes, and
            it is unclear whose probability they are.
    """
    if probability_of is not None and probability_of not in class_names:
        raise InputError(
            f"invalid --probability-of: expected a class of the run, got '{probability_of}'.",
            suggest_name(probability_of, tuple(class_names)),
        )

    located = locate(path.absolute())
    if located is None or not located.place.is_file():
        problem = "does not exist" if located is None else "is a folder"
        raise InputError(
            f"invalid --sample: {path} {problem}.",
            "Pass the sample submission of the competition, a CSV.",
        )
    with name_archive_in_errors(located), open_table(located.place) as table:
        columns = table.columns
        rows = [fields for _, fields in table.rows]
    ids = [row[0].strip() for row in rows]
    _check_columns(path, columns, class_names)
    _check_ids(path, columns[0], ids)

    if len(columns) != 2:
        return Sample(path.name, columns, tuple(ids))
    if probability_of is None:
        values = [row[1].strip() for row in rows]
        probability_of = _choose_class(path, columns[1], values, class_names)
    return Sample(path.name, columns, tuple(ids), probability_of)


def _check_columns(path: Path, columns: Sequence[str], class_names: Sequence[str]) -> None:
    if len(columns) != 2 and set(columns[1:]) != set(class_names):
        raise InputError(
            f"invalid columns of {path.name}: expected an id and one column for the label, "
            f"or an id and one column for each of the {len(class_names)} classes, "
            f"got {_listing(columns)}.",
            f"Pass the sample submission of these classes: {_listing(class_names)}.",
        )


def _check_ids(path: Path, column: str, ids: Sequence[str]) -> None:
    if not ids:
        raise InputError(
            f"{path.name} has a header but no rows.",
            "Pass the sample submission of the competition.",
        )
    repeated = [key for key, count in Counter(ids).items() if count > 1]
    if repeated:
        raise InputError(
            f"{path.name} has the id '{repeated[0]}' more than once in its first column, {column}.",
            "Pass the sample submission as it was published. Its first column holds the ids.",
        )


def _choose_class(
    path: Path, column: str, values: Sequence[str], class_names: Sequence[str]
) -> str | None:
    """Return the class whose probability a column asks for, or None if it asks for labels."""
    given = {value for value in values if value}
    unknown = sorted(given - set(class_names))
    if not unknown:
        # A sample of zeros may stand for labels or for probabilities; 0 is a class here.
        return column if column in class_names and len(class_names) == 2 else None

    parsed = [_number(value) for value in given]
    if None in parsed:
        progress.say(
            f"{path.name} has '{unknown[0]}' in its column {column}, which is not a class of the "
            "run; labels are written as the run knows them"
        )
        return None

    named = _class_in_column_name(column, class_names) or _positive_class(class_names)
    is_probability = all(number is not None and 0 <= number <= 1 for number in parsed)
    if is_probability and named is not None:
        progress.say(
            f"{path.name} has numbers in its column {column}: the probability of '{named}' is "
            "written; for another class, pass --probability-of"
        )
        return named
    raise InputError(
        f"{path.name} has numbers such as {unknown[0]} in its column {column}, but the classes of "
        f"the run are {_listing(class_names)}. It is unclear whose probability is wanted.",
        f"Pass the class, for example --probability-of '{class_names[-1]}'. If the numbers stand "
        "for classes, train on a table that has these numbers as labels.",
    )


def _class_in_column_name(column: str, class_names: Sequence[str]) -> str | None:
    """Return the only class whose name is the column's, or is among its words."""
    if column in class_names:
        return column
    words = set(re.split(r"[\W_]+", column.lower()))
    named = [name for name in class_names if name.lower() in words]
    return named[0] if len(named) == 1 else None


def _positive_class(class_names: Sequence[str]) -> str | None:
    by_lower = {name.lower(): name for name in class_names}
    for negative, positive in _POSITIVE_OF_TWO:
        if set(by_lower) == {negative, positive}:
            return by_lower[positive]
    return None


def _number(text: str) -> float | None:
    """Return the finite number that a text is, with a decimal point or comma, or None."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _listing(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
