"""One thread that answers requests, as many at once as have come in meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Busy(Exception):
    """As many questions wait as may."""


class Worker(Generic[Question, Answer]):
    """Puts the questions of many tasks to one function, in batches.

    Nobody waits for a batch to fill: the first question starts at once, and those that come while it is answered are the next
    batch. So one client alone has no delay, and a crowd has large batches.

    Args:
        answer: called in the worker's thread with 1 to `most_at_once` questions; one answer each. What it raises, all of
            them raise.
        most_at_once: the largest batch.
        longest_queue: questions that may wait.
    """

    def __init__(
        self,
        answer: Callable[[list[Question]], Sequence[Answer]],
        most_at_once: int,
        longest_queue: int,
    ) -> None:
        self._answer, self._most_at_once = answer, most_at_once
        self._queue: queue.Queue[tuple[Question, asyncio.Future[Answer]] | None] = queue.Queue(
            longest_queue
        )
        self._thread = threading.Thread(target=self._run, daemon=True, name="headstart-worker")
        self._thread.start()

    async def ask(self, question: Question) -> Answer:
        """The answer to one question.

        Raises:
            Busy: the queue is full.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((question, future))
        except queue.Full:
            raise Busy from None
        return await future

    def close(self) -> None:
        """Answer what waits, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, is_last = [first], False
            while len(batch) < self._most_at_once and not self._queue.empty():
                following = self._queue.get()  # this thread alone takes from the queue
                if following is None:
                    is_last = True
                    break
                batch.append(following)
            self._reply(
                [(question, future) for question, future in batch if not future.cancelled()]
            )
            if is_last:
                return

    def _reply(self, batch: list[tuple[Question, asyncio.Future[Answer]]]) -> None:
        if not batch:
            return
        futures = [future for _, future in batch]
        try:
            answers: Sequence[Answer] | Exception = self._answer(
                [question for question, _ in batch]
            )
        except Exception as error:
            answers = error
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            futures[0].get_loop().call_soon_threadsafe(_deliver, futures, answers)


def _deliver(futures: list[asyncio.Future[Answer]], answers: Sequence[Answer] | Exception) -> None:
    for place, future in enumerate(futures):
        if future.done():  # its client has gone
            continue
        if isinstance(answers, Exception):
            future.set_exception(answers)
        else:
            future.set_result(answers[place])
