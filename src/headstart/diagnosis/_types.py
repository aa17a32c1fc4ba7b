"""The diagnosis of one folder or of one property of the machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headstart.errors import HeadstartError

State = Literal["healthy", "unfinished", "in use", "damaged", "debris"]
Kind = Literal["run", "study", "classifier", "cache entry", "checkpoint", "temporary", "machine"]


@dataclass(frozen=True)
class Diagnosis:
    """The state of one folder, or of a property of the machine.

    Attributes:
        path: The folder, or the name of the property of the machine.
        kind: What it is.
        state: "unfinished" can be resumed, and "debris" is what a killed process left.
        file: The damaged file, relative to the folder; None for none or for the whole folder.
        reason: What is wrong or notable, in words that follow "it" or the name of the file.
        works: What can still be used, in a sentence; "" if that is everything or nothing.
        help: What to do, beginning with a verb; "" if there is nothing to do.
        bytes: Size of debris; 0 for anything else.
    """

    path: str
    kind: Kind
    state: State
    file: str | None = None
    reason: str = ""
    works: str = ""
    help: str = ""
    bytes: int = 0


def damage_of(
    folder: Path, kind: Kind, file: str | None, check: Callable[[], object], help: str
) -> list[Diagnosis]:
    """Run a check that raises an error about damage, and return that as a diagnosis.

    Args:
        folder: The folder.
        kind: What it is.
        file: The file that is checked.
        check: The check.
        help: What to do about damage.
    """
    try:
        check()
    except (HeadstartError, OSError, ValueError, LookupError, TypeError) as error:
        message = error.message if isinstance(error, HeadstartError) else str(error)
        return [Diagnosis(str(folder), kind, "damaged", file, message.rstrip("."), "", help)]
    return []
