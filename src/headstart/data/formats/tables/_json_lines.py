"""Tables as JSON Lines: one object per line, as the `metadata.jsonl` of Hugging Face."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from headstart import store
from headstart.data.formats._reading import translate_read_errors
from headstart.data.formats.tables._csv_table import Table
from headstart.data.formats.tables._problems import TableProblems
from headstart.errors import InputError

_LARGEST_BYTES = 1 << 30


@contextmanager
def open_json_lines(path: Path, name: str | None = None) -> Iterator[Table]:
    """Open a file of JSON objects as a table, whose columns are the fields of the first object.

    An absent field is an empty text. A list of one value is that value, and longer lists stay JSON.

    Args:
        path: The file.
        name: Its name in messages. By default that of the file.

    Raises:
        InputError: The file is empty or not UTF-8, or a line is not a JSON object.
    """
    name = name or path.name
    with translate_read_errors(path):
        objects = _read_objects(path)
        first = next(objects, None)
        if first is None:
            raise InputError(
                f"{path} is empty; each line should be an object with file_name and label.",
                'For example: {"file_name": "1.jpg", "label": "cat"}',
            )
        columns = tuple(first[1])
        problems = TableProblems(name)
        rows = (
            (line, [_text_of(fields.get(column)) for column in columns])
            for line, fields in chain([first], objects)
        )
        yield Table(name, columns, rows, problems)
        problems.require_none()


def _read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line number and the fields of each object."""
    try:
        lines = store.read_file(path, _LARGEST_BYTES).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text: {error.reason} at byte {error.start:,}.",
            "Save it as UTF-8.",
        ) from error
    for line, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"line {line} of {path} is not JSON: {error}.", "Correct or remove the line."
            ) from error
        if not isinstance(fields, dict):
            raise InputError(
                f"line {line} of {path}: expected an object with file_name and label.",
                "Correct or remove the line.",
            )
        yield line, fields


def _text_of(value: Any) -> str:
    if value is None or value == []:
        return ""
    if isinstance(value, list) and len(value) == 1:
        return _text_of(value[0])
    return json.dumps(value) if isinstance(value, list | dict) else str(value)
