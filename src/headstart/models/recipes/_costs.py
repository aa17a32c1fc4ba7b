"""The costs of wrong predictions: a CSV with one row per true class, as text in a recipe."""

from __future__ import annotations

import csv
import io
import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CORNER = "true"
_EXAMPLE = "Example: a first line `true,cat,dog`, then `cat,0,1` and `dog,5,0`."


def read_costs(value: object) -> object:
    """Return costs as the text that a recipe holds.

    Args:
        value: The path of a CSV, or its content. The first row names the predicted classes, the
            first column the true ones. Everything else is a cost of at least 0.

    Raises:
        InputError: The file cannot be read, or does not hold such a table.
    """
    if not isinstance(value, str | Path):
        return value
    if "\n" in str(value):
        return _canonical(str(value), "costs")
    try:
        content = Path(value).expanduser().read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise InputError(
            f"cannot read the costs {value}: {reason.lower()}.",
            "Set --costs to the path of a CSV file.",
        ) from error
    return _canonical(content, str(value))


@lru_cache(maxsize=16)
def cost_matrix(text: str, class_names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return costs in the order of the classes, float64 of shape (K, K).

    Args:
        text: The costs of a recipe.
        class_names: The K class names.

    Returns:
        Costs with one row per true class and one column per predicted class.

    Raises:
        InputError: A class has no costs, or the costs name a class that does not exist.
    """
    import numpy as np

    table = list(csv.reader(io.StringIO(text)))
    names = table[0][1:]
    for name in names:
        if name not in class_names:
            raise InputError(
                f"the costs name '{name}', which is not a class{did_you_mean(name, class_names)}",
                f"Use the names of the classes: {', '.join(class_names[:20])}.",
            )
    missing = [name for name in class_names if name not in names]
    if missing:
        raise InputError(
            f"the costs lack {', '.join(missing[:5])}: expected {len(class_names)} classes, "
            f"got {len(names)}.",
            "Add a row and a column for each class.",
        )
    places = [names.index(name) for name in class_names]
    values = np.array([row[1:] for row in table[1:]], np.float64)[np.ix_(places, places)]
    values.setflags(write=False)
    return values


def _canonical(content: str, source: str) -> str:
    """Check a table and return it with rows in the order of the columns."""
    rows = []
    for number, row in enumerate(csv.reader(io.StringIO(content)), 1):
        cells = [cell.strip() for cell in row]
        if any(cells):
            rows.append((number, cells))

    names = rows[0][1][1:] if rows else []
    if len(names) < 2 or len(set(names)) < len(names) or "" in names:
        raise InputError(
            f"{source}: invalid first line: expected the names of two or more classes, each once, "
            f"got {', '.join(names) or 'nothing'}.",
            _EXAMPLE,
        )
    costs: dict[str, list[str]] = {}
    for number, (name, *cells) in rows[1:]:
        place = f"{source}, line {number}"
        if name not in names or name in costs:
            raise InputError(f"{place}: {_wrong_row(name, names)}", _EXAMPLE)
        costs[name] = _check_row(name, names, cells, place)

    missing = [name for name in names if name not in costs]
    if missing:
        raise InputError(f"{source}: the class '{missing[0]}' has no row.", _EXAMPLE)
    if set().union(*costs.values()) == {"0"}:
        raise InputError(f"{source}: all costs are 0.", _EXAMPLE)

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_CORNER, *names])
    writer.writerows([name, *costs[name]] for name in names)
    return text.getvalue()


def _check_row(name: str, names: list[str], cells: list[str], place: str) -> list[str]:
    """Return the costs of a true class as canonical numbers."""
    if len(cells) != len(names):
        raise InputError(
            f"{place}: expected {len(names)} costs, got {len(cells)}.",
            "Give one cost per predicted class.",
        )
    return [
        _number(cell, f"{place}: invalid cost of predicting {predicted} for {name}")
        for predicted, cell in zip(names, cells, strict=True)
    ]


def _wrong_row(name: str, names: list[str]) -> str:
    """Return the end of a message about the class of a row."""
    if name in names:
        return f"the class '{name}' occurs twice."
    return f"the class '{name}' has no column{did_you_mean(name, names)}"


def _number(cell: str, problem: str) -> str:
    try:
        cost = float(cell)
    except ValueError:
        cost = math.nan
    if not (math.isfinite(cost) and cost >= 0):
        raise InputError(
            f"{problem}: expected a number of at least 0, got '{cell}'.",
            "Give costs in any unit. A correct prediction usually costs 0.",
        )
    return f"{abs(cost):.12g}"  # without the sign of -0
