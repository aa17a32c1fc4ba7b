"""The command that fills a folder, recorded so that an interrupted one can be resumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from headstart.store._files import remove_file, write_json
from headstart.store._json import read_json_or

COMMAND_FILE = "command.json"


@dataclass(frozen=True)
class RecordedCommand:
    """A command line, and the folder in which it was started.

    Attributes:
        command: The command line, quoted for a shell.
        folder: The working folder, as an absolute path. Paths in the command are relative to it.
    """

    command: str
    folder: str


def record_command(folder: Path, command: str) -> None:
    """Write the command that fills a folder to `command.json`, with the present working folder.

    Args:
        folder: The run or study folder.
        command: The command line. Nothing is written if it is empty.

    Raises:
        ResourceError: The disk is full, or writing is not permitted.
    """
    try:
        place = str(Path.cwd())
    except FileNotFoundError:  # The working folder was removed, so that nothing is relative to it.
        return
    if command:
        write_json(folder / COMMAND_FILE, asdict(RecordedCommand(command, place)))


def forget_command(folder: Path) -> None:
    """Remove the record from a folder whose results are complete, which name the command too."""
    remove_file(folder / COMMAND_FILE)


def read_command(folder: Path) -> RecordedCommand | None:
    """Return the recorded command of a folder; None if none is recorded, or it is damaged."""
    content: Mapping[str, object] = read_json_or(folder / COMMAND_FILE, {})
    command, place = content.get("command"), content.get("folder")
    if not isinstance(command, str) or not isinstance(place, str) or not command:
        return None
    return RecordedCommand(command, place)
