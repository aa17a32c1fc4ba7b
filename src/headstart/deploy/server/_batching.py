"""A worker thread that answers requests in batches."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class QueueFull(Exception):
    """Too many requests are waiting."""


class BatchWorker(Generic[Item, Result]):
    """Process the items of many tasks with one function, in batches.

    No item waits for a batch to fill. The first one is processed immediately, and those that arrive
    meanwhile form the next batch. A single client has no delay, and many clients get large batches.

    Args:
        process: Called in the worker's thread with 1 to `largest_batch` items. It returns one
            result per item. If it raises an exception, all of them raise it.
        largest_batch: The largest number of items per call.
        longest_queue: The largest number of waiting items.
    """

    def __init__(
        self,
        process: Callable[[list[Item]], Sequence[Result]],
        largest_batch: int,
        longest_queue: int,
    ) -> None:
        self._process, self._largest_batch = process, largest_batch
        self._queue: queue.Queue[tuple[Item, asyncio.Future[Result]] | None] = queue.Queue(
            longest_queue
        )
        self._thread = threading.Thread(target=self._run, daemon=True, name="headstart-worker")
        self._thread.start()

    async def submit(self, item: Item) -> Result:
        """Return the result for one item.

        Raises:
            QueueFull: Too many items are waiting.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((item, future))
        except queue.Full:
            raise QueueFull from None
        return await future

    def close(self) -> None:
        """Process what is waiting, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, is_last = [first], False
            while len(batch) < self._largest_batch and not self._queue.empty():
                following = self._queue.get()  # no other thread takes items from the queue
                if following is None:
                    is_last = True
                    break
                batch.append(following)

            self._process_batch(
                [(item, future) for item, future in batch if not future.cancelled()]
            )
            if is_last:
                return

    def _process_batch(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        if not batch:
            return
        futures = [future for _, future in batch]
        try:
            results: Sequence[Result] | Exception = self._process([item for item, _ in batch])
        except Exception as error:
            results = error
        # A RuntimeError means that the event loop has ended. Then nobody is waiting.
        with contextlib.suppress(RuntimeError):
            futures[0].get_loop().call_soon_threadsafe(_deliver, futures, results)


def _deliver(futures: list[asyncio.Future[Result]], results: Sequence[Result] | Exception) -> None:
    for place, future in enumerate(futures):
        if future.done():  # its client has disconnected
            continue
        if isinstance(results, Exception):
            future.set_exception(results)
        else:
            future.set_result(results[place])
