"""SQLite files, checked before somebody uses them."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

from headstart.store._limits import require_regular

_SECONDS = 5.0  # that another process may hold the file


def sqlite_damage(path: Path, tables: Collection[str] = ()) -> str | None:
    """Let SQLite check a database, which is opened for reading only.

    Args:
        path: The file.
        tables: Names of tables that it must have, unless it has none at all.

    Returns:
        What is wrong with it, in words; None if nothing is.

    Raises:
        InputError: The path is a FIFO, a socket or a device.
    """
    import sqlite3  # only searches have a database

    require_regular(path)
    uri = f"{path.resolve().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_SECONDS)) as database:
            answers = database.execute("PRAGMA quick_check(1)").fetchall()
            rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            present = {str(name) for (name,) in rows}
    except sqlite3.DatabaseError as error:
        return f"SQLite cannot read it: {error}"
    if answers != [("ok",)]:
        reason = " ".join(str(answers[0][0]).split())
        return f"SQLite finds it damaged: {reason}"
    missing = sorted(set(tables) - present)
    if present and missing:
        return f"it has no table {missing[0]}"
    return None
