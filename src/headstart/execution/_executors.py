"""Opening an executor, and running many jobs on one; runs in this process need no more than this."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from headstart.data import SplitDataset
from headstart.execution._job import Executor, Job, Outcome, Where, attempt


class ThisProcess:
    """One run after the other, here."""

    slots = 1

    def __init__(self, data: SplitDataset) -> None:
        self._data = data
        self._waiting: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        self._waiting.append(job)

    def next_done(self) -> Outcome:
        if not self._waiting:
            raise LookupError("no run was submitted")
        return attempt(self._waiting.popleft(), self._data)


@contextmanager
def open_executor(where: Where, data: SplitDataset) -> Iterator[Executor]:
    """The executor for runs on these data while the block lasts; what it started ends with the block.

    A block that ends with runs still going on stops them: they save what they have, for at most half a minute.

    Raises:
        InputError: no such Ray cluster, or Ray is not installed; ResourceError: no space to share images that lie in memory.
    """
    if where.ray is not None:
        from headstart.execution._ray import on_ray

        with on_ray(where.ray, data) as executor:
            yield executor
    elif where.workers > 1:
        from headstart.execution._local import local_processes

        with local_processes(where, data) as executor:
            yield executor
    else:
        yield ThisProcess(data)


def run_all(executor: Executor, jobs: Iterable[Job]) -> Iterator[Outcome]:
    """The outcomes of all jobs as they end. The next job is asked for only when there is a slot for it."""
    waiting, running = iter(jobs), 0
    while True:
        while running < executor.slots and (job := next(waiting, None)) is not None:
            executor.submit(job)
            running += 1
        if not running:
            return
        yield executor.next_done()
        running -= 1
