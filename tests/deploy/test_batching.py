"""Batches of the server: their sizes, their order, their errors and their end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from headstart.deploy.server._batching import BatchWorker, QueueFull


def test_a_batch_starts_when_half_of_the_clients_wait() -> None:
    sizes = []

    def process(items: list[int]) -> list[int]:
        sizes.append(len(items))
        time.sleep(0.02)
        return [2 * item for item in items]

    async def client(worker: BatchWorker[int, int], number: int) -> None:
        for item in range(10):
            assert await worker.submit(100 * number + item) == 2 * (100 * number + item)

    async def run() -> None:
        worker = BatchWorker(process, 32, 100)
        await asyncio.gather(*(client(worker, number) for number in range(8)))
        worker.close()

    asyncio.run(run())
    # The first client did not wait for others, and the last ones had none to wait for.
    assert sizes[0] == 1
    assert sum(sizes) == 80 and min(sizes[2:-4]) >= 4, sizes


def test_a_single_client_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        worker: BatchWorker[int, int] = BatchWorker(lambda items: items, 32, 100)
        monkeypatch.setattr(asyncio.get_running_loop(), "call_later", None)  # no timer is set
        for number in range(20):
            assert await worker.submit(number) == number
        worker.close()

    asyncio.run(run())


def test_threads_process_batches_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=20)

    def process(items: list[int]) -> list[int]:
        both.wait()
        return items

    async def run() -> Sequence[int]:
        worker = BatchWorker(process, 1, 100, threads=2)
        results = await asyncio.gather(*(worker.submit(number) for number in range(4)))
        worker.close()
        return results

    assert asyncio.run(run()) == [0, 1, 2, 3]


def test_a_thread_that_becomes_idle_does_not_prolong_the_wait_for_another() -> None:
    async def run() -> None:
        gates = [threading.Event(), threading.Event()]

        def process(items: list[int]) -> list[int]:
            gates[items[0]].wait(20)
            return items

        worker = BatchWorker(process, 1, 100, threads=2)
        tasks = [asyncio.create_task(worker.submit(number)) for number in (0, 1)]
        idle_since = []
        for task, gate in zip(tasks, gates, strict=True):
            await asyncio.sleep(0.01)
            gate.set()
            await task
            idle_since.append(worker._idle_since)
        worker.close()
        assert 0 < idle_since[0] == idle_since[1]

    asyncio.run(run())


def test_an_error_reaches_all_of_its_batch_and_cancelled_items_are_not_processed() -> None:
    seen: list[int] = []
    gate = threading.Event()

    def process(items: list[int]) -> list[int]:
        gate.wait(20)
        seen.extend(items)
        if -1 in items:
            raise ValueError("a negative item")
        return items

    async def run() -> None:
        worker = BatchWorker(process, 8, 3)
        tasks = [asyncio.create_task(worker.submit(number)) for number in (0, 1, -1, 7)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await worker.submit(9)
        tasks[3].cancel()
        gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[0] == 0
        assert [type(result) for result in results[1:]] == [
            ValueError,
            ValueError,
            asyncio.CancelledError,
        ]
        worker.close()

    asyncio.run(run())
    assert seen == [0, 1, -1]
