"""Observers of runs, such as trackers: they receive every epoch, and can never end a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from headstart import progress
from headstart.errors import Stopped
from headstart.results import RunMetrics
from headstart.training._curve import CurveRow, read_curve_rows


class Observer(Protocol):
    """Receives the events of one run.

    After a kill, a resumed run may report epochs again.
    """

    def begin(self, folder: Path, curve: Sequence[CurveRow]) -> None:
        """Receive the start of a run.

        Args:
            folder: The run folder, with recipe, data and plan in it.
            curve: The epochs before the run was resumed; empty for a new run.
        """

    def epoch(self, number: int, row: CurveRow) -> None:
        """Receive the end of an epoch; numbers start at 1. The last epoch may be incomplete."""

    def end(self, metrics: RunMetrics) -> None:
        """Receive the results of a finished run. All its files are in its folder."""

    def fail(self, message: str, *, is_resumable: bool) -> None:
        """Receive the failure of a run, or its stop if it can be resumed."""


# Makes one observer per run. It is sent to other processes, so it must be picklable.
ObserverFactory = Callable[[], Observer]
_factory: ObserverFactory | None = None


@contextmanager
def observing(factory: ObserverFactory | None) -> Iterator[None]:
    """Observe all runs that this process trains in the block; None changes nothing."""
    global _factory
    previous = _factory
    _factory = factory or previous
    try:
        yield
    finally:
        _factory = previous


def current_observer_factory() -> ObserverFactory | None:
    """Return the factory that `observing` set, for processes that train on behalf of this one."""
    return _factory


class RunObserver:
    """The observer of one run, if there is one. After its first failure it receives nothing more.

    Attributes:
        problems: One sentence per failure.
    """

    def __init__(self, folder: Path) -> None:
        self.problems: list[str] = []
        self._folder = folder
        self._observer: Observer | None = None
        # Of several processes that train together, only the main one observes.
        if _factory is not None and os.environ.get("RANK", "0") == "0":
            self._observer = _factory()

    def begin(self, curve: Sequence[CurveRow]) -> None:
        """Report the start of the run, after the epochs in `curve`."""
        self._send(lambda observer: observer.begin(self._folder, curve))

    def epoch(self, number: int, row: CurveRow) -> None:
        """Report the end of an epoch."""
        self._send(lambda observer: observer.epoch(number, row))

    def end(self, metrics: RunMetrics) -> None:
        """Report the results."""
        self._send(lambda observer: observer.end(metrics))

    def fail(self, error: BaseException) -> None:
        """Report a failure or a stop."""
        is_resumable = isinstance(error, Stopped | KeyboardInterrupt)
        self._send(lambda observer: observer.fail(str(error), is_resumable=is_resumable))

    def report_finished_run(self, metrics: RunMetrics) -> None:
        """Report a run that was already finished.

        It may have been killed before its observer received the end, or never been observed.
        """
        if self._observer is not None:
            self.begin(read_curve_rows(self._folder))
            self.end(metrics)

    def _send(self, event: Callable[[Observer], None]) -> None:
        observer = self._observer
        if observer is None:
            return
        try:
            event(observer)
        except Exception as error:
            self._observer = None
            problem = (
                "the tracker failed, and receives nothing more of this run: "
                f"{type(error).__name__}: {error}"
            )
            self.problems.append(problem)
            progress.warn(f"WARNING: {self._folder}: {problem}")
            # So that it closes what it holds open.
            with suppress(Exception):
                observer.fail(str(error), is_resumable=False)


@contextmanager
def observed_run(folder: Path, curve: Sequence[CurveRow]) -> Iterator[RunObserver]:
    """Report the start of the run in `folder`, and the failure of the block that trains it."""
    observer = RunObserver(folder)
    observer.begin(curve)
    try:
        yield observer
    except BaseException as error:
        observer.fail(error)
        raise
