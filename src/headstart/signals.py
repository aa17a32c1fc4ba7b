"""Ctrl-C and SIGTERM while training: finish the step, save, then stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Whether somebody asked to stop, and with which signal."""

    signum: int | None = None


@contextmanager
def listening() -> Iterator[Stop]:
    """Note the first SIGINT or SIGTERM while the block runs; a second one goes where signals went before.

    Outside the main thread, where Python allows no handlers, nothing is noted.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for signum, handler in before.items():
            signal.signal(signum, handler)

    def note(signum: int, _: FrameType | None) -> None:
        stop.signum = signum
        restore()

    try:
        for signum in before:
            signal.signal(signum, note)
        yield stop
    finally:
        restore()
