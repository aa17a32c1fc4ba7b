"""The choice of an executor, many jobs on one executor, and the executor of this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from headstart import signals
from headstart.data import SplitDataset
from headstart.execution._job import Executor, Job, Outcome, Where, attempt


class ThisProcess:
    """The executor that runs one job after the other in this process; see `Executor`."""

    slots = 1

    def __init__(self, data: SplitDataset) -> None:
        self._data = data
        self._waiting: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """See `Executor`."""
        self._waiting.append(job)

    def next_done(self) -> Outcome:
        """See `Executor`."""
        if not self._waiting:
            raise LookupError("no run was submitted")
        return attempt(self._waiting.popleft(), self._data)


@contextmanager
def open_executor(where: Where, data: SplitDataset) -> Iterator[Executor]:
    """Open an executor for the block; what it started ends with the block.

    Runs that are still in progress then are stopped. They save their state, for at most half a
    minute.

    Raises:
        InputError: There is no such Ray cluster, or Ray is not installed.
        ResourceError: There is no space to share images that are in memory.
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
    """Yield the outcomes of all jobs as they end.

    The next job is taken from `jobs` only when a slot is free, and no signal ends the command.
    """
    waiting, running = iter(jobs), 0
    while True:
        signals.raise_if_stopped()
        while running < executor.slots:
            job = next(waiting, None)
            if job is None:
                break
            executor.submit(job)
            running += 1

        if not running:
            return
        yield executor.next_done()
        running -= 1
