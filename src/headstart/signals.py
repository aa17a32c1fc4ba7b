"""Ctrl-C and SIGTERM: finish the step, save, then stop. A second signal ends at once.

The first signal outside of a training step ends a command by an exception. Python discards an
exception that is raised inside a destructor or a weak reference's callback. So the request is also
remembered, and read where a job, a step or another piece of work begins.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from headstart.errors import Stopped

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class _Received:
    """The signals that this command has received.

    Attributes:
        count: Number of signals since the command began.
        ends: The signal that ends the command; None while there is none.
        blocks: Number of blocks of `deferred_signals` in progress.
        explained: Number of blocks of `explained_stops` in progress.
    """

    count: int = 0
    ends: int | None = None
    blocks: int = 0
    explained: int = 0


_received = _Received()


class StopRequest:
    """A request to stop.

    Attributes:
        signum: The signal that asked for it; None while there is none.
    """

    signum: int | None = None


@contextmanager
def end_on_signals(announce: Callable[[], None]) -> Iterator[None]:
    """End this command by SystemExit at the first SIGINT or SIGTERM, and at once at the second.

    After the block, signals have their earlier effect.

    Args:
        announce: Called at the first signal, to print a message. It is not called within a block
            of `explained_stops`, which has a message of its own.
    """
    _received.count, _received.ends = 0, None
    previous, hook = _handlers(), sys.unraisablehook

    def end(signum: int, _: FrameType | None) -> None:
        _received.count += 1
        if _received.count > 1:
            os._exit(128 + signum)
        _received.ends = signum
        if not _received.explained:
            announce()
        sys.exit(128 + signum)

    try:
        for signum in _SIGNALS:
            signal.signal(signum, end)
        sys.unraisablehook = _quiet_about_stops(hook)
        yield
    finally:
        sys.unraisablehook = hook
        _restore(previous)
        _received.count, _received.ends = 0, None


@contextmanager
def explained_stops(explain: Callable[[int], Stopped]) -> Iterator[None]:
    """Raise an exception that says what was kept, if a signal ends the block.

    It replaces a `Stopped` of a training loop. Between loops, it replaces the SystemExit of a
    command, or the KeyboardInterrupt of a Python session.

    Args:
        explain: Returns the exception for the number of a signal.
    """
    _received.explained += 1
    try:
        yield
    except Stopped as stopped:
        raise explain(stopped.signum) from stopped
    except KeyboardInterrupt as interrupt:
        raise explain(signal.SIGINT) from interrupt
    except SystemExit as end:
        if _received.ends is None:
            raise
        raise explain(_received.ends) from end
    finally:
        _received.explained -= 1


def _handlers() -> dict[signal.Signals, Any]:
    return {signum: signal.getsignal(signum) for signum in _SIGNALS}


def _restore(handlers: Mapping[signal.Signals, Any]) -> None:
    for signum, handler in handlers.items():
        signal.signal(signum, handler)


def raise_if_stopped() -> None:
    """Raise SystemExit if a signal ends this command, and its exception was discarded.

    Inside `deferred_signals` nothing is raised: the block reads its request.
    """
    if _received.ends is None or _received.blocks:
        return
    if threading.current_thread() is threading.main_thread():
        sys.exit(128 + _received.ends)


@contextmanager
def deferred_signals() -> Iterator[StopRequest]:
    """Record the first SIGINT or SIGTERM during the block, instead of acting on it.

    A second signal reaches the handlers that were installed before; those of `end_on_signals` end
    the process at once. Outside the main thread Python allows no handlers, so nothing is recorded.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    request.signum = _received.ends
    previous = _handlers()

    def record(signum: int, _: FrameType | None) -> None:
        request.signum = signum
        _received.count += 1
        _restore(previous)

    _received.blocks += 1
    try:
        for signum in previous:
            signal.signal(signum, record)
        yield request
    finally:
        _restore(previous)
        _received.blocks -= 1


def _quiet_about_stops(
    hook: Callable[[sys.UnraisableHookArgs], object],
) -> Callable[[sys.UnraisableHookArgs], None]:
    """Return a hook that reports no discarded exception of a stop: it is not lost."""

    def report(unraisable: sys.UnraisableHookArgs) -> None:
        if not isinstance(unraisable.exc_value, SystemExit):
            hook(unraisable)

    return report
