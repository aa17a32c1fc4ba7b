"""One thin file a verb: parse, call the function of the same name in `headstart.api`, print.

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

_KEEP_NOTHING = {
    "predict",
    "explain",
    "submit",
    "export",
    "serve",
    "data",
    "runs",
    "report",
}  # verbs that begin anew


def main() -> None:
    """Run the command line, and turn what goes wrong into words and an exit status."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _stopped)
    signal.signal(
        signal.SIGPIPE, signal.SIG_DFL
    )  # end quietly when the reader of our output has gone, as `| head` does
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
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EFBIG):
            raise
        sys.stdout = None  # or the interpreter tries once more to flush it
        _end(
            f"cannot write the output: {error.strerror}.\n  The results are kept; `headstart runs` lists them.",
            3,
        )


def _end(text: str, status: int) -> NoReturn:
    print(f"headstart: {text}", file=sys.stderr)
    sys.exit(status)


def _stopped(signum: int, _: FrameType | None) -> None:
    text = "stopped. Run the same command again: finished runs are reused, an unfinished one goes on from its last checkpoint."
    if not _KEEP_NOTHING.isdisjoint(sys.argv[1:2]):
        text = "stopped."
    print(f"\nheadstart: {text}", file=sys.stderr)
    sys.exit(128 + signum)
