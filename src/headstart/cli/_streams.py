"""The standard streams of the command line, and what happens when nobody reads them."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn, TextIO, TypeVar

# The status of a program that SIGPIPE ends, as shells report it.
OUTPUT_CLOSED_STATUS = 141

StreamT = TypeVar("StreamT", bound=io.TextIOWrapper)


class _Output(io.TextIOWrapper):
    """Standard output, which ends the command quietly when its reader is gone, as in `| head`.

    Python ignores SIGPIPE, and so do we: the signal would end the command for any socket or pipe
    that is closed by the other side, such as a client of the server.
    """

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except BrokenPipeError:
            self._end()

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            self._end()

    def _end(self) -> NoReturn:
        _discard(self)
        sys.exit(OUTPUT_CLOSED_STATUS)


class _Messages(io.TextIOWrapper):
    """Standard error, which is discarded when its reader is gone: messages end no work."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except BrokenPipeError:
            _discard(self)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            _discard(self)


def prepare_streams() -> None:
    """Replace the standard streams by ones that survive a reader that is gone.

    They print a question mark where the terminal's encoding lacks a character. JSON is not
    affected: it has escapes for all characters.
    """
    sys.stdout = _replace(sys.stdout, sys.__stdout__, _Output)
    sys.stderr = _replace(sys.stderr, sys.__stderr__, _Messages)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _replace(stream: TextIO, original: TextIO | None, kind: type[StreamT]) -> TextIO:
    """Return a stream of another kind on the same file; a stream that is not ours stays."""
    if stream is not original or type(stream) is not io.TextIOWrapper:
        return stream
    encoding, is_line_buffered = stream.encoding, stream.line_buffering
    return kind(stream.detach(), encoding, line_buffering=is_line_buffered)


def _discard(stream: io.TextIOWrapper) -> None:
    """Send what is still written, now and when the interpreter ends, to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
