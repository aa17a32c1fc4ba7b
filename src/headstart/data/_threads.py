"""Parallel work in threads, with progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from headstart import progress
from headstart.machine import usable_cores

ITEMS_PER_BATCH = 256  # An interrupt waits for the items that the threads have been given.

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], title: str, unit: str = "images"
) -> list[Result]:
    """Apply a function to each item on all usable cores, and show progress.

    Threads suffice for decoding: Pillow releases the interpreter's lock.

    Args:
        function: The function to apply.
        items: Its arguments.
        title: Title of the progress bar.
        unit: Name of what is counted, in the plural.

    Returns:
        The results, in the order of the items.
    """
    results: list[Result] = []
    with progress.task(title, len(items), unit) as task, ThreadPoolExecutor(usable_cores()) as pool:
        for start in range(0, len(items), ITEMS_PER_BATCH):
            for result in pool.map(function, items[start : start + ITEMS_PER_BATCH]):
                results.append(result)
                task.advance()
    return results
