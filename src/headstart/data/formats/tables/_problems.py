"""Problems of a table, collected line by line and reported together."""

from __future__ import annotations

from typing import NamedTuple

from headstart.errors import InputError

MOST_LISTED = 20
_MIXED = "lines have problems"


class _Problem(NamedTuple):
    """A problem: its line, its description without a full stop, and what to do about it."""

    line: int
    text: str
    hint: str


class TableProblems:
    """The problems of one table. The first 20 are listed, and all are counted.

    Args:
        table: Name of the file, for messages.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        self._listed: list[_Problem] = []
        self._kinds: set[str] = set()
        self.count = 0

    def add(self, line: int, text: str, hint: str, kind: str = _MIXED) -> None:
        """Add a problem.

        Args:
            line: Line number in the file.
            text: Description without a full stop, such as "label is empty".
            hint: What to do about it.
            kind: Plural noun and verb that count problems like this one, such as
                "files are missing".
        """
        self.count += 1
        self._kinds.add(kind)
        if len(self._listed) < MOST_LISTED:
            self._listed.append(_Problem(line, text, hint))

    def require_none(self, hint: str = "") -> None:
        """Raise an error if there is a problem.

        Args:
            hint: What to do if the first problem has no hint of its own.

        Raises:
            InputError: There is one. The message describes up to 20 of them.
        """
        if not self._listed:
            return

        first, *others = sorted(self._listed)
        message = f"line {first.line:,} of {self._table}: {first.text}."
        if self.count > 1:
            kind = self._kinds.copy().pop() if len(self._kinds) == 1 else _MIXED
            message += f" {self.count:,} {kind} in total."
        for problem in others:
            message += f"\n    line {problem.line:,}: {problem.text}"
        if self.count > MOST_LISTED:
            message += f"\n    and {self.count - MOST_LISTED:,} more"
        raise InputError(message, first.hint or hint)
