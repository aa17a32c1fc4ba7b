"""Plans: CSV files of an audit that say which images to drop or relabel."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

from headstart import store
from headstart.data.formats.folders._file_tree import is_image
from headstart.errors import InputError
from headstart.formatting import one_line

PlanAction = Literal["drop", "relabel", "keep"]
_LARGEST_PLAN_BYTES = 1 << 30
PLAN_COLUMNS = ("image", "action", "label", "new_label", "reason", "probability")
PROBLEMS_LISTED = 20
_NEEDED_COLUMNS = ("image", "action")
_SEPARATORS = (",", ";", "\t")  # a spreadsheet may save with another one than the comma


class PlanRow(NamedTuple):
    """One row of a plan: what happens to one image.

    Attributes:
        image: Name of the image, as in `Dataset.image_names`.
        action: "drop" removes the image, "relabel" gives it `new_label`, "keep" changes nothing.
        label: Class of the image in the data. An empty text is not checked.
        new_label: Class of the image under the plan; empty unless the action is "relabel".
        reason: Why the row is in the plan.
        probability: Estimated probability of `new_label`, or None.
        line: Line of the file; 0 if the row was not read from one.
    """

    image: str
    action: PlanAction
    label: str = ""
    new_label: str = ""
    reason: str = ""
    probability: float | None = None
    line: int = 0


def plan_text(rows: Iterable[PlanRow]) -> str:
    """Return the text of a plan, one line per row below a header.

    Names that a spreadsheet would evaluate have an apostrophe before them, which `read_plan`
    removes; see `store.guard_cell`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(PLAN_COLUMNS)
    for row in rows:
        probability = "" if row.probability is None else f"{row.probability:.3f}"
        texts = (row.image, row.action, row.label, row.new_label, row.reason)
        writer.writerow([*map(store.guard_cell, texts), probability])
    return text.getvalue()


def write_plan(path: Path, rows: Iterable[PlanRow]) -> None:
    """Write a plan atomically. An existing plan is replaced.

    Args:
        path: The CSV file.
        rows: The rows of the plan.

    Raises:
        InputError: The path is a folder, or an existing file that is not a plan.
        ResourceError: The disk is full, or writing is not permitted.
    """
    check_plan_path(path)
    # Names of files that are not UTF-8 come back as they were.
    store.write_bytes(path, plan_text(rows).encode("utf-8", "surrogateescape"))


def check_plan_path(path: Path) -> None:
    """Check that a plan may be written to this path.

    Args:
        path: The CSV file that is to be written.

    Raises:
        InputError: The path is a folder, an existing file that is not a plan, or named like an
            image.
    """
    if not path.exists():
        if is_image(path):
            raise InputError(
                f"invalid plan: expected the name of a CSV file, got that of an image, {path}.",
                f"For example: {path.with_suffix('.csv')}",
            )
        return
    if path.is_dir():
        raise InputError(
            f"invalid plan: expected the name of a file, got the folder {path}.",
            f"Write it as {path / 'plan.csv'}.",
        )
    try:
        columns = _read_cells(path)[0][1]
    except (InputError, IndexError):
        columns = []
    if not set(PLAN_COLUMNS) <= set(columns):
        raise InputError(
            f"{path} exists and is not a plan of headstart audit, so it is not overwritten.",
            "Choose another name for the plan, or move the file away.",
        )


def read_plan(path: Path) -> tuple[PlanRow, ...]:
    """Read a plan.

    The columns may have any order, and further columns are ignored. Commas, semicolons or tabs
    separate them.

    Args:
        path: The CSV file.

    Returns:
        The rows of the plan, in the order of the file.

    Raises:
        InputError: The file is missing or not a plan, or rows of it are invalid. At most 20 of
            these rows are listed.
    """
    cells = _read_cells(path)
    columns = cells[0][1] if cells else []
    missing = [name for name in _NEEDED_COLUMNS if name not in columns]
    if missing:
        raise InputError(
            f"{path}: invalid plan: expected the columns {', '.join(PLAN_COLUMNS)}, "
            f"got {', '.join(columns) or 'an empty file'}.",
            "Write a plan with: headstart audit DATA --fix plan.csv",
        )

    rows: list[PlanRow] = []
    problems: list[str] = []
    lines: dict[tuple[str, str], PlanRow] = {}
    for line, values in cells[1:]:
        row, problem = _parse(line, dict(zip(columns, values, strict=False)))
        if row is not None and not problem:
            earlier = lines.setdefault((row.image, row.label), row)
            if (earlier.action, earlier.new_label) != (row.action, row.new_label):
                problem = f"line {line}: {one_line(row.image)} has another action in line "
                problem += f"{earlier.line}"
        if problem:
            problems.append(problem)
        elif row is not None:
            rows.append(row)
    raise_problems(path, problems)
    return tuple(rows)


def raise_problems(path: Path, problems: Sequence[str]) -> None:
    """Raise an InputError that lists the first problems of a plan, if there are any."""
    if not problems:
        return
    shown = [
        f"  {problem}" if problem.endswith("?") else f"  {problem}."
        for problem in problems[:PROBLEMS_LISTED]
    ]
    if len(problems) > PROBLEMS_LISTED:
        shown.append(f"  … and {len(problems) - PROBLEMS_LISTED:,} more.")
    rows = "1 row" if len(problems) == 1 else f"{len(problems):,} rows"
    raise InputError(
        "\n".join([f"{path}: the plan does not fit the data in {rows}:", *shown]),
        "Correct these rows, and remove those of files that you moved or deleted. Or write the "
        "plan again: headstart audit DATA --fix plan.csv",
    )


def _read_cells(path: Path) -> list[tuple[int, list[str]]]:
    """Return the lines of a CSV that are not empty, with their numbers, as stripped cells."""
    try:
        text = store.read_file(path, _LARGEST_PLAN_BYTES).decode("utf-8-sig", "surrogateescape")
    except FileNotFoundError:
        raise InputError(
            f"the plan {path} does not exist.",
            "Write one with: headstart audit DATA --fix plan.csv",
        ) from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", "Pass the CSV file of a plan."
        ) from error

    header = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    cells: list[tuple[int, list[str]]] = []
    try:
        for values in reader:
            if any(values):
                cells.append((reader.line_num, [store.bare_cell(value) for value in values]))
    except csv.Error as error:
        raise InputError(
            f"{path}, line {reader.line_num}: invalid CSV: {error}.", "Pass the file of a plan."
        ) from error
    if cells:
        cells[0] = (cells[0][0], [name.strip().lower() for name in cells[0][1]])
    return cells


def _parse(line: int, cells: dict[str, str]) -> tuple[PlanRow | None, str]:
    """Return the row of a line, or None and what is wrong with it."""
    image, label = cells.get("image", ""), cells.get("label", "")
    action = cells.get("action", "").strip().lower()
    new_label = cells.get("new_label", "")
    if not image:
        return None, f"line {line}: the image is empty"
    if action not in get_args(PlanAction):
        return None, f"line {line}: invalid action: expected drop, relabel or keep, got '{action}'"
    if action == "relabel" and not new_label:
        return None, f"line {line}: {one_line(image)} is relabelled, but new_label is empty"

    probability: float | None = None
    text = cells.get("probability", "").strip().replace(",", ".")
    if text:
        try:
            probability = float(text)
        except ValueError:
            return None, f"line {line}: invalid probability: expected a number, got '{text}'"
    row = PlanRow(
        image,
        cast("PlanAction", action),
        label,
        new_label if action == "relabel" else "",
        cells.get("reason", ""),
        probability,
        line,
    )
    return row, ""
