"""Checks of the files that users name for results: they never replace an input or a run's file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from headstart import progress, store
from headstart.errors import InputError

_RUN_FILES = ("recipe.json", "finding.json")
_REPORT = "report.html"
_CHOOSE = "Choose another file name."


def check_output(path: Path, inputs: Iterable[object], option: str) -> None:
    """Raise an error if writing a file would replace an input or a result of a run.

    Args:
        path: The file to write.
        inputs: Files that the command reads. Items that are not paths are ignored.
        option: The option that names the file, for the message.

    Raises:
        InputError: The file is an input, an existing file of a run or study, or a folder, or its
            name is not UTF-8.
    """
    store.encode_text(str(path))
    _refuse_folder(path, option)
    resolved = path.resolve()
    for source in inputs:
        if isinstance(source, str | Path) and Path(source).resolve() == resolved:
            raise InputError(
                f"invalid {option}: {path} is an input of this command and would be overwritten.",
                _CHOOSE,
            )

    if path.exists() and _is_in_run(path):
        raise _would_be_overwritten(path, option)


def check_csv_output(path: Path, inputs: Iterable[object], option: str) -> None:
    """Raise an error if a CSV file would replace an input, a result of a run, or any image.

    The images that a table lists or a folder holds are inputs as well.

    Args:
        path: The file to write.
        inputs: Files that the command reads. Items that are not paths are ignored.
        option: The option that names the file, for the message.

    Raises:
        InputError: See `check_output`. Or the file is named like an image.
    """
    from headstart.data import is_image

    check_output(path, inputs, option)
    if is_image(path):
        raise InputError(
            f"invalid {option}: expected the name of a CSV file, got that of an image, {path}.",
            f"For example: {path.with_suffix('.csv')}",
        )


def check_export(path: Path, option: str) -> None:
    """Raise an error if an exported file would replace something else than an earlier export.

    Exports may lie in a run folder. Of the files there, only the report has the suffix of one.

    Args:
        path: The file to write.
        option: The option that names the file, for the message.

    Raises:
        InputError: The file is the report of a run or study, or a folder, or a device.
    """
    _refuse_folder(path, option)
    if store.is_stream(path):
        raise InputError(
            f"invalid {option}: expected a file, got {path}, which discards its input.", _CHOOSE
        )
    if path.name == _REPORT and path.exists() and _is_in_run(path):
        raise _would_be_overwritten(path, option)


def _refuse_folder(path: Path, option: str) -> None:
    if path.is_dir():
        raise InputError(f"invalid {option}: expected a file, got the folder {path}.", _CHOOSE)


def _is_in_run(path: Path) -> bool:
    return any((path.parent / name).is_file() for name in _RUN_FILES)


def _would_be_overwritten(path: Path, option: str) -> InputError:
    return InputError(
        f"invalid {option}: {path} is a file of a run or study and would be overwritten.", _CHOOSE
    )


def keep_earlier(path: Path) -> None:
    """Rename an existing file, so that a new one may take its name. The new name is reported.

    `submission.csv` becomes `submission-1.csv`, or the next number that is free.

    Args:
        path: The name of the new file.
    """
    if not path.exists() or store.is_stream(path):
        return
    number = 1
    while True:
        earlier = path.with_name(f"{path.stem}-{number}{path.suffix}")
        if not earlier.exists():
            break
        number += 1
    store.rename(path, earlier)
    progress.say(f"kept the earlier {path.name} as {earlier}")
