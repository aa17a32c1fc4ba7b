"""Worker threads that answer requests in batches."""

from __future__ import annotations

import asyncio
import contextlib
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
# The longest time for which requests wait for others to join their batch.
_MOST_PATIENCE_SECONDS = 0.005
# By which an estimate of the number of clients falls per batch.
_FORGETTING = 0.9


class QueueFull(Exception):
    """Too many requests are waiting."""


class _Waiting(NamedTuple, Generic[Item, Result]):
    """An item, the future of its result, and the time when it came."""

    item: Item
    future: asyncio.Future[Result]
    since: float


class BatchWorker(Generic[Item, Result]):
    """Process the items of many tasks with one function, in batches.

    An item of a single client is processed immediately. With more clients, a batch starts when half
    of them wait: the others are being answered or are sending their next request meanwhile. While a
    thread is idle, no item waits longer for others than a recent batch took, or than 5 ms.

    Args:
        process: Called in a thread of the worker with 1 to `largest_batch` items. It returns one
            result per item. If it raises an exception, all of them raise it.
        largest_batch: The largest number of items per call.
        longest_queue: The largest number of waiting items.
        threads: Number of threads, each of which processes one batch at a time.
    """

    def __init__(
        self,
        process: Callable[[list[Item]], Sequence[Result]],
        largest_batch: int,
        longest_queue: int,
        threads: int = 1,
    ) -> None:
        self._process = process
        self._largest_batch, self._longest_queue = largest_batch, longest_queue
        # All of these are used by the event loop only. The threads see one batch at a time.
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._idle_threads, self._computing = threads, 0
        self._clients, self._patience, self._idle_since = 0.0, 0.0, 0.0
        self._timer: asyncio.TimerHandle | None = None

        self._batches: queue.SimpleQueue[list[_Waiting[Item, Result]] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, daemon=True, name="headstart-worker")
            for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def submit(self, item: Item) -> Result:
        """Return the result for one item.

        Raises:
            QueueFull: Too many items are waiting.
        """
        if len(self._waiting) >= self._longest_queue:
            raise QueueFull
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append(_Waiting(item, future, loop.time()))
        self._start_batches(loop)
        return await future

    def close(self) -> None:
        """Process what is waiting, then end the threads."""
        while self._waiting:
            self._batches.put(self._take_batch())
        for _ in self._threads:
            self._batches.put(None)
        for thread in self._threads:
            thread.join()

    def _start_batches(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give batches to the idle threads, or set a timer if it is better to wait for more."""
        while self._idle_threads and self._waiting:
            wait = max(self._waiting[0].since, self._idle_since) + self._patience - loop.time()
            clients = max(self._computing + len(self._waiting), self._clients)
            if wait > 0 and len(self._waiting) < min(self._largest_batch, math.ceil(clients / 2)):
                if self._timer is None:
                    self._timer = loop.call_later(wait, self._end_of_patience, loop)
                return
            self._clients = max(self._computing + len(self._waiting), _FORGETTING * self._clients)
            batch = self._take_batch()
            if batch:
                self._idle_threads -= 1
                self._computing += len(batch)
                self._batches.put(batch)

    def _end_of_patience(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._start_batches(loop)

    def _take_batch(self) -> list[_Waiting[Item, Result]]:
        """Remove a batch of items from the queue, without those whose clients have gone."""
        batch: list[_Waiting[Item, Result]] = []
        while self._waiting and len(batch) < self._largest_batch:
            waiting = self._waiting.popleft()
            if not waiting.future.done():
                batch.append(waiting)
        return batch

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            if not batch:
                continue
            started = time.perf_counter()
            try:
                results: Sequence[Result] | Exception = self._process(
                    [waiting.item for waiting in batch]
                )
            except Exception as error:
                results = error
            seconds = time.perf_counter() - started
            # A RuntimeError means that the event loop has ended. Then nobody is waiting.
            with contextlib.suppress(RuntimeError):
                loop = batch[0].future.get_loop()
                loop.call_soon_threadsafe(self._deliver, batch, results, seconds)

    def _deliver(
        self,
        batch: list[_Waiting[Item, Result]],
        results: Sequence[Result] | Exception,
        seconds: float,
    ) -> None:
        loop = batch[0].future.get_loop()
        if not self._idle_threads:  # otherwise items have waited for others since then
            self._idle_since = loop.time()
        self._idle_threads += 1
        self._computing -= len(batch)
        self._patience = min(seconds, _MOST_PATIENCE_SECONDS)
        self._start_batches(loop)
        for place, waiting in enumerate(batch):
            if waiting.future.done():  # its client has disconnected
                continue
            if isinstance(results, Exception):
                waiting.future.set_exception(results)
            else:
                waiting.future.set_result(results[place])
