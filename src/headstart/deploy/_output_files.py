"""Checks of the files that users name for results: they never replace an input or a run's file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from headstart import progress, store
from headstart.errors import InputError

_RUN_FILES = ("recipe.json", "finding.json")


def check_output(path: Path, inputs: Iterable[object], option: str) -> None:
    """Raise an error if writing a file would replace an input or a result of a run.

    Args:
        path: The file to write.
        inputs: Files that the command reads. Items that are not paths are ignored.
        option: The option that names the file, for the message.

    Raises:
        InputError: The file is an input, an existing file of a run or study, or a folder.
    """
    if path.is_dir():
        raise InputError(f"invalid {option}: expected a file, got the folder {path}.", _CHOOSE)

    resolved = path.resolve()
    for source in inputs:
        if isinstance(source, str | Path) and Path(source).resolve() == resolved:
            raise InputError(
                f"invalid {option}: {path} is an input of this command and would be overwritten.",
                _CHOOSE,
            )

    is_in_run = any((path.parent / name).is_file() for name in _RUN_FILES)
    if path.exists() and is_in_run:
        raise InputError(
            f"invalid {option}: {path} is a file of a run or study and would be overwritten.",
            _CHOOSE,
        )


_CHOOSE = "Choose another file name."


def keep_earlier(path: Path) -> None:
    """Rename an existing file, so that a new one may take its name. The new name is reported.

    `submission.csv` becomes `submission-1.csv`, or the next number that is free.
    """
    if not path.exists():
        return
    number = 1
    while True:
        earlier = path.with_name(f"{path.stem}-{number}{path.suffix}")
        if not earlier.exists():
            break
        number += 1
    store.rename(path, earlier)
    progress.say(f"kept the earlier {path.name} as {earlier}")
