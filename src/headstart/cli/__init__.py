"""One thin file a verb: parse, call the function of the same name in `headstart.api`, print.

Does not belong here: anything that decides, computes or writes.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

from headstart.cli._app import app
from headstart.errors import HeadstartError

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line, and turn what goes wrong into words and an exit status."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _stopped)
    try:
        app()
    except HeadstartError as error:
        print(f"headstart: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except MemoryError:
        print("headstart: not enough memory.\n  Try a smaller --batch, --image-size or --train-images.", file=sys.stderr)
        sys.exit(3)
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        sys.stderr.close()
        sys.exit(0)


def _stopped(signum: int, _: FrameType | None) -> None:
    print("\nheadstart: stopped. Run the same command again: finished runs are reused.", file=sys.stderr)
    sys.exit(128 + signum)
