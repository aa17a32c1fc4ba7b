"""Starting the recorded command of an interrupted run or study again."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from headstart import store
from headstart.errors import InputError, ResourceError

# Commands that resume what they began. Nothing else is started, whatever a folder records.
_RESUMABLE = frozenset(
    {"audit", "backbones", "compare", "effects", "fit", "labels", "lr", "train", "tune"}
)
_STOPPED = (0, 130, 143, -2, -15)  # exit statuses of a command that ended as it was asked to
_MOST_BYTES = 8192  # of the output of a command that failed


def command_text(command: store.RecordedCommand | None) -> str:
    """Return a recorded command to type in any folder; "" for None."""
    if command is None:
        return ""
    return f"cd {shlex.quote(command.folder)} && {command.command}"


def read_own_command(folder: Path) -> store.RecordedCommand | None:
    """Return the recorded command of a folder, if this user wrote it, and it resumes something."""
    command = store.read_command(folder)
    if command is None or _words(command) is None:
        return None
    try:
        owner = (folder / store.COMMAND_FILE).lstat().st_uid
    except OSError:
        return None
    return command if owner == os.getuid() else None


def _words(command: store.RecordedCommand) -> list[str] | None:
    """Return the words behind `headstart`; None if the command does not resume anything."""
    try:
        words = shlex.split(command.command)
    except ValueError:
        return None
    is_resumable = len(words) >= 3 and words[0] == "headstart" and words[1] in _RESUMABLE
    return words[1:] if is_resumable else None


def words_to_resume(command: store.RecordedCommand, folder: Path) -> list[str]:
    """Return the words that follow `headstart` to resume the work in a folder.

    The folder is named with `--out`, so that a command without it cannot fill another folder. An
    extension of a run, `--epochs +N`, names the run that it extends instead.

    Args:
        command: The recorded command.
        folder: The run or study folder.

    Raises:
        InputError: The command does not resume anything.
    """
    words = _words(command)
    if words is None:
        raise InputError(f"{folder} does not record a command that resumes it.")
    has_folder = "--out" in words or "-o" in words
    is_extension = any(word.startswith("+") for word in words)
    if not has_folder and not is_extension:
        words += ["--out", str(folder.absolute())]
    return words


@dataclass
class _Started:
    """A command that was started.

    Attributes:
        process: Its process.
        output: What it prints; None after it has ended.
        problem: Why it failed; "" if it did not.
    """

    process: subprocess.Popen[bytes]
    output: FileIO | None
    problem: str = ""


class Resumer:
    """Starts recorded commands, and tells why one ended early.

    Each runs in a session of its own: it continues when the page and its terminal are closed.
    """

    def __init__(self) -> None:
        self._started: dict[str, _Started] = {}

    def resume(self, identifier: str, folder: Path) -> None:
        """Start the command of a folder again.

        Args:
            identifier: The id of its entry.
            folder: The run or study folder.

        Raises:
            InputError: The folder is in use or finished, or it records no command.
            ResourceError: The command cannot be started.
        """
        command = read_own_command(folder)
        if command is None:
            raise InputError(f"{folder} does not record a command that resumes it.")
        if store.lock_holder(folder) is not None or self.is_starting(identifier):
            raise InputError(f"{folder} is in use already.")

        words = [sys.executable, "-m", "headstart", *words_to_resume(command, folder)]
        output = store.anonymous_file()
        try:
            process = subprocess.Popen(
                words,
                cwd=command.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as error:
            output.close()
            raise ResourceError(
                f"the command cannot be started: {error.strerror}.",
                f"Type it: {command_text(command)}",
            ) from error
        self._started[identifier] = _Started(process, output)

    def is_starting(self, identifier: str) -> bool:
        """Return whether a command that was started here for this entry still runs."""
        started = self._started.get(identifier)
        return started is not None and self._is_running(started)

    def problem(self, identifier: str) -> str:
        """Return why the command that was started here failed; "" if it did not fail."""
        started = self._started.get(identifier)
        return "" if started is None or self._is_running(started) else started.problem

    def close(self) -> None:
        """Close the outputs of commands. Those that run continue."""
        for started in self._started.values():
            if not self._is_running(started) or started.output is None:
                continue
            started.output.close()
            started.output = None

    def _is_running(self, started: _Started) -> bool:
        """Return whether a command still runs; take note of its last words when it has ended."""
        status = started.process.poll()
        if status is None:
            return True
        if started.output is not None:
            if status not in _STOPPED:
                started.problem = f"Resuming failed: {_last_words(started.output)}"
            started.output.close()
            started.output = None
        return False


def _last_words(output: FileIO) -> str:
    """Return the message of a command that failed, or else the last line that it printed."""
    size = os.fstat(output.fileno()).st_size
    tail = os.pread(output.fileno(), _MOST_BYTES, max(0, size - _MOST_BYTES))
    lines = tail.decode("utf-8", "replace").strip().splitlines() or [""]
    messages = [line for line in lines if line.startswith("headstart: ")]
    return messages[0].removeprefix("headstart: ") if messages else lines[-1]
