"""The command line: one thin file per verb, which parses, calls `headstart.api` and prints.

Does not belong here: anything that decides, computes or writes.
"""

from __future__ import annotations

import errno
import signal
import sys
from types import FrameType
from typing import NoReturn

from headstart.cli._app import app
from headstart.errors import HeadstartError

__all__ = ["app", "main"]

# Verbs that keep nothing from which a stopped command could resume.
_NOT_RESUMABLE = {"predict", "explain", "submit", "export", "serve", "data", "runs", "report"}
_OUTPUT_ERRORS = (errno.ENOSPC, errno.EIO, errno.EFBIG)


def main() -> None:
    """Run the command line, and turn failures into a message and an exit status."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _stop)
    # End quietly when the reader of the output is gone, as with `| head`.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except HeadstartError as error:
        _end(str(error), error.exit_code)
    except MemoryError:
        _end("not enough memory.\n  Try a smaller --batch, --image-size or --train-images.", 3)
    except OSError as error:
        if error.errno not in _OUTPUT_ERRORS:
            raise
        sys.stdout = None  # or the interpreter tries once more to flush it
        _end(
            f"cannot write the output: {error.strerror}.\n"
            "  The results are kept; list them with: headstart runs",
            3,
        )


def _end(text: str, status: int) -> NoReturn:
    print(f"headstart: {text}", file=sys.stderr)
    sys.exit(status)


def _stop(signum: int, _: FrameType | None) -> None:
    text = "stopped."
    if _NOT_RESUMABLE.isdisjoint(sys.argv[1:2]):
        text += (
            " Run the same command again: it reuses finished runs and resumes an unfinished one "
            "from its last checkpoint."
        )
    print(f"\nheadstart: {text}", file=sys.stderr)
    sys.exit(128 + signum)
