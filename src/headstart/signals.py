"""Ctrl-C and SIGTERM during training: finish the step, save, then stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """A request to stop.

    Attributes:
        signum: The signal that asked for it; None while there is none.
    """

    signum: int | None = None


@contextmanager
def deferred_signals() -> Iterator[StopRequest]:
    """Record the first SIGINT or SIGTERM during the block, instead of acting on it.

    A second signal reaches the handlers that were installed before. Outside the main thread Python
    allows no handlers, so nothing is recorded.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    previous = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for signum, handler in previous.items():
            signal.signal(signum, handler)

    def record(signum: int, _: FrameType | None) -> None:
        request.signum = signum
        restore()

    try:
        for signum in previous:
            signal.signal(signum, record)
        yield request
    finally:
        restore()
