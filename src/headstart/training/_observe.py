"""Who else is told how a run goes, epoch by epoch: a tracker, say. An observer that fails never ends a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from headstart import progress
from headstart.errors import Stopped
from headstart.training._run_folder import read_curves

if TYPE_CHECKING:
    from headstart.training._state import Row


class Observer(Protocol):
    """Is told of one run. A run that was killed begins again, with an observer that was told of some of its epochs before."""

    def begin(self, folder: Path, curve: Sequence[Row]) -> None:
        """The run in `folder` begins, or goes on after the epochs in `curve`; its recipe, data and plan are written there."""

    def epoch(self, number: int, row: Row) -> None:
        """Epoch `number`, from 1, has ended; the last one need not be whole."""

    def end(self, metrics: dict[str, Any]) -> None:
        """The run is finished, and all its files are in its folder."""

    def fail(self, message: str, *, may_go_on: bool) -> None:
        """The run ended before its time: it failed, or was stopped and may go on later."""


Observe = Callable[[], Observer]  # makes one for each run; it travels to other processes
_observe: Observe | None = None


@contextmanager
def observed_by(observe: Observe | None) -> Iterator[None]:
    """Runs that this process trains in the block are told to an observer each; None leaves it as it is."""
    global _observe
    before, _observe = _observe, observe or _observe
    try:
        yield
    finally:
        _observe = before


def present_observe() -> Observe | None:
    """What `observed_by` set, for processes that train on behalf of this one."""
    return _observe


class Watch:
    """Tells the observer, if there is one; after its first failure, no more.

    Attributes:
        problems: what failed, a sentence each.
    """

    def __init__(self, folder: Path) -> None:
        self.problems: list[str] = []
        self._folder = folder
        self._observer: Observer | None = None
        if (
            _observe is not None and os.environ.get("RANK", "0") == "0"
        ):  # of several processes, the first one tells
            self._observer = _observe()

    def begin(self, curve: Sequence[Row]) -> None:
        self._tell(lambda observer: observer.begin(self._folder, curve))

    def epoch(self, number: int, row: Row) -> None:
        self._tell(lambda observer: observer.epoch(number, row))

    def end(self, metrics: dict[str, Any]) -> None:
        self._tell(lambda observer: observer.end(metrics))

    def fail(self, error: BaseException) -> None:
        is_stopped = isinstance(error, Stopped | KeyboardInterrupt)
        self._tell(lambda observer: observer.fail(str(error), may_go_on=is_stopped))

    def was_finished(self, metrics: dict[str, Any]) -> None:
        """Tell of a run that was finished before: killed before its observer knew, or never observed."""
        if self._observer is not None:
            columns = read_curves(self._folder)
            rows: list[Row] = [
                {
                    key: None if value != value else float(value)
                    for key, value in zip(columns, values, strict=True)
                }
                for values in zip(*columns.values(), strict=True)
            ]
            self.begin(rows)
            self.end(metrics)

    def _tell(self, tell: Callable[[Observer], None]) -> None:
        if (observer := self._observer) is None:
            return
        try:
            tell(observer)
        except Exception as error:
            self._observer = None
            text = f"the tracker failed, and is not told any more of this run: {type(error).__name__}: {error}"
            self.problems.append(text)
            progress.warn(f"WARNING: {self._folder}: {text}")
            with suppress(Exception):  # so that it closes what it holds open
                observer.fail(str(error), may_go_on=False)


@contextmanager
def watched(folder: Path, curve: Sequence[Row]) -> Iterator[Watch]:
    """A watch over the run while the block trains it."""
    watch = Watch(folder)
    watch.begin(curve)
    try:
        yield watch
    except BaseException as error:
        watch.fail(error)
        raise
