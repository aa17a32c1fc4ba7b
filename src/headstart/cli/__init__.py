"""The command line: one thin file per verb, which parses, calls `headstart.api` and prints.

Does not belong here: anything that decides, computes or writes.
"""

from __future__ import annotations

import atexit
import errno
import gc
import sys
from typing import NoReturn

from headstart import progress, signals
from headstart.cli._app import app
from headstart.cli._streams import prepare_streams
from headstart.errors import HeadstartError
from headstart.formatting import printable

__all__ = ["app", "main"]

# Verbs that keep nothing from which a stopped command could resume.
_NOT_RESUMABLE = frozenset(
    (
        *("predict", "explain", "submit", "export", "serve", "data"),
        *("watch", "runs", "report", "verify", "doctor"),
    )
)
# Messages of the dynamic linker, which loads torch and NumPy, and of Python's threads.
_MEMORY_MESSAGES = (
    *("failed to map segment", "cannot allocate memory", "Cannot allocate memory"),
    "can't start new thread",
)
# Importing PyTorch makes 290,000 objects, none of which is garbage. With Python's threshold of 700,
# the collector took 0.2 of 1.6 s of processor time, and 0.3 s more at exit (busy machine).
_OBJECTS_PER_COLLECTION = 50_000
_OUTPUT_ERRORS = (errno.ENOSPC, errno.EIO, errno.EFBIG)


def main() -> None:
    """Run the command line, and turn failures into a message and an exit status."""
    thresholds = gc.get_threshold()
    gc.set_threshold(_OBJECTS_PER_COLLECTION)
    atexit.register(gc.freeze)  # what a process still holds at its end is not searched for garbage
    prepare_streams()
    with signals.end_on_signals(_announce_stop):
        progress.on_advance(signals.raise_if_stopped)
        try:
            _run()
        finally:
            progress.on_advance(None)
            gc.set_threshold(*thresholds)


def _run() -> None:
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except HeadstartError as error:
        _end(str(error), error.exit_code)
    except (MemoryError, ImportError, OSError, RuntimeError) as error:
        if _is_lack_of_memory(error):
            _end("not enough memory.\n  Try a smaller --batch, --image-size or --train-images.", 3)
        if not isinstance(error, OSError) or error.errno not in _OUTPUT_ERRORS:
            raise
        sys.stdout = None  # or the interpreter tries once more to flush it
        _end(
            f"cannot write the output: {error.strerror}.\n"
            "  The results are kept; list them with: headstart runs",
            3,
        )


def _is_lack_of_memory(error: BaseException) -> bool:
    """Return whether an error means that the process may not have more memory."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return any(text in str(error) for text in _MEMORY_MESSAGES)


def _end(text: str, status: int) -> NoReturn:
    print(f"headstart: {printable(text)}", file=sys.stderr)
    sys.exit(status)


def _announce_stop() -> None:
    text = "stopped."
    if _NOT_RESUMABLE.isdisjoint(sys.argv[1:2]):
        text += (
            " Run the same command again: it reuses finished runs and resumes an unfinished one "
            "from its last checkpoint."
        )
    print(f"\nheadstart: {text}", file=sys.stderr)
