"""Parallel work in threads, with progress."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from headstart import progress
from headstart.machine import usable_cores

_SECONDS_BETWEEN_LOOKS = 0.1

_this_thread = threading.local()

Item = TypeVar("Item")
Result = TypeVar("Result")


def is_stopping() -> bool:
    """Return whether this thread works for `map_in_threads`, and its work is no longer wanted.

    Work that takes seconds asks this, so that an interrupt need not wait for it.
    """
    is_stopped = getattr(_this_thread, "is_stopped", None)
    return is_stopped is not None and is_stopped.is_set()


def map_in_threads(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    title: str,
    unit: str = "images",
    *,
    on_progress: Callable[[], None] | None = None,
) -> list[Result]:
    """Apply a function to each item on all usable cores, and show progress.

    Threads suffice for decoding: Pillow releases the interpreter's lock. After an exception, such
    as an interrupt, each thread only finishes the item that it is working on. See `is_stopping`.

    Args:
        function: The function to apply.
        items: Its arguments.
        title: Title of the progress bar.
        unit: Name of what is counted, in the plural.
        on_progress: Called in this thread, about ten times per second and once at the end, also
            after an exception.

    Returns:
        The results, in the order of the items.
    """
    results: dict[int, Result] = {}
    is_stopped = threading.Event()
    # Taking the next position is one step of the interpreter, so two threads never share it.
    positions = itertools.count()

    def work() -> None:
        _this_thread.is_stopped = is_stopped
        for position in positions:
            if position >= len(items) or is_stopped.is_set():
                return
            try:
                results[position] = function(items[position])
            except BaseException:
                is_stopped.set()
                raise

    workers = min(usable_cores(), max(1, len(items)))
    with progress.task(title, len(items), unit) as task, ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work) for _ in range(workers)]
        try:
            shown = 0
            pending = set(futures)
            while pending:
                _, pending = wait(pending, timeout=_SECONDS_BETWEEN_LOOKS)
                done = len(results)
                if done > shown:
                    task.advance(done - shown)
                    shown = done
                if on_progress is not None:
                    on_progress()
        except BaseException:
            is_stopped.set()
            wait(futures)
            if on_progress is not None:
                on_progress()
            raise
    for future in futures:
        future.result()
    return [results[position] for position in range(len(items))]
