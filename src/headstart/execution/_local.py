"""Local processes: each makes one run after the other; one that dies or hangs costs the run it had, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np

from headstart import store
from headstart.data import SplitDataset
from headstart.errors import Stopped
from headstart.execution._job import Job, Outcome, Reason, Where, already_there
from headstart.execution._shared_images import share
from headstart.execution._worker import Said, Setup
from headstart.machine import usable_cores, usable_memory_bytes
from headstart.signals import listening
from headstart.training import present_observe

START_SECONDS = 60.0  # that a worker may take to import torch, from a cold disk
SAVE_SECONDS = 30.0  # that stopped workers have for their checkpoints
_LOOK_SECONDS = 0.2
_NO_MEMORY = ("bad_alloc", "llocate memory", "memory allocation of")  # last words of C++ and Rust
_LAST_BYTES, _LAST_LINES = 10_000, 5

# Not multiprocessing's own start: that imports the user's script a second time. Its modules may only be found by our sys.path.
_BOOT = "import sys; sys.path[:] = {path!r}; from headstart.execution._worker import work; work({handle}, {parent})"


@contextmanager
def local_processes(where: Where, data: SplitDataset) -> Iterator[LocalProcesses]:
    """Workers of this machine while the block lasts; they start when they are needed."""
    images, file = share(data.dataset.images)
    with file or contextlib.nullcontext():
        free = usable_memory_bytes()
        limit = None if free is None else free // where.workers
        if where.memory_gb is not None:
            limit = int(where.memory_gb * 1e9)
        no_images = np.empty((0, *data.image_shape), np.uint8)
        imageless = SplitDataset(replace(data.dataset, images=no_images), data.split)
        setup = Setup(imageless, images, limit, present_observe())
        executor = LocalProcesses(where, data, setup)
        try:
            yield executor
        finally:
            executor.stop()


class LocalProcesses:
    """See `Executor`."""

    def __init__(self, where: Where, data: SplitDataset, setup: Setup) -> None:
        self.slots = where.workers
        self._hung_seconds = where.hung_seconds
        self._data, self._setup = data, setup
        self._waiting: deque[Job] = deque()
        self._done: deque[Outcome] = deque()
        self._workers: list[_Worker] = []

    def submit(self, job: Job) -> None:
        if (outcome := already_there(job, self._data)) is not None:
            self._done.append(outcome)
        else:
            self._waiting.append(job)
            self._hand_out()

    def next_done(self) -> Outcome:
        with listening() as stop:
            while not self._done:
                if stop.signum is not None:
                    raise self._stopped(stop.signum)
                busy = {
                    worker.connection: worker for worker in self._workers if worker.job is not None
                }
                if not busy:
                    raise LookupError("no run was submitted")
                wait(list(busy), _LOOK_SECONDS)
                self._done.extend(
                    outcome
                    for worker in busy.values()
                    if (outcome := worker.hear(self._hung_seconds))
                )
                self._hand_out()
        return self._done.popleft()

    def _hand_out(self) -> None:
        for worker in self._workers:
            if worker.job is None and worker.process.poll() is not None:
                worker.end(0.0)
        self._workers = [worker for worker in self._workers if not worker.has_ended]
        while self._waiting:
            free = next((worker for worker in self._workers if worker.job is None), None)
            if free is None:
                if len(self._workers) == self.slots:
                    return
                free = _Worker(self._setup, max(1, usable_cores() // self.slots))
                self._workers.append(free)
            free.begin(self._waiting.popleft())

    def _stopped(self, signum: int) -> Stopped:
        running = sum(worker.job is not None for worker in self._workers)
        self.stop()
        return Stopped(
            signum,
            f"stopped with {running} run{'' if running == 1 else 's'} in hand; what each had done is saved in its folder.",
            "Do the same again to go on from there.",
        )

    def stop(self) -> None:
        """End all workers. Those with a run save it first."""
        for worker in self._workers:
            worker.process.terminate()
        deadline = time.monotonic() + SAVE_SECONDS
        for worker in self._workers:
            worker.end(max(0.0, deadline - time.monotonic()))
        self._workers = []


class _Worker:
    """Our end of one worker."""

    def __init__(self, setup: Setup, cores: int) -> None:
        ours, theirs = socket.socketpair()
        handles = [
            theirs.fileno(),
            *([setup.images.file] if isinstance(setup.images.file, int) else []),
        ]
        self.errors = store.anonymous_file()
        with theirs:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _BOOT.format(path=sys.path, handle=theirs.fileno(), parent=os.getpid()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                pass_fds=handles,
                env={**os.environ, "OMP_NUM_THREADS": _threads(cores)},
                start_new_session=True,  # a terminal's Ctrl-C goes to us alone, and we tell the workers
            )
        self.connection = Connection(ours.detach())
        self.job: Job | None = None
        self.last_words = ""
        self.has_ended = False
        self.is_ready = False
        self.heard = 0.0
        self._tell(setup)

    def begin(self, job: Job) -> None:
        self.job, self.heard = job, time.monotonic()
        self._tell(replace(job, folder=job.folder.absolute()))

    def _tell(self, what: Setup | Job) -> None:
        with contextlib.suppress(OSError):  # it is dead: `hear` says so
            self.connection.send(what)

    def hear(self, hung_seconds: float) -> Outcome | None:
        """The outcome of its run, if that has ended in some way.

        Raises:
            ResourceError, Stopped: as `headstart.training.train`.
        """
        try:
            while self.connection.poll():
                said: Said = self.connection.recv()
                self.is_ready, self.heard = True, time.monotonic()
                if isinstance(said, Exception):
                    self.job = None
                    self.end(0.0)
                    raise said
                if said is not None:
                    if said.reason == "memory":
                        self.end(
                            0.0
                        )  # what is left of its memory is in pieces: the next run gets a fresh process
                    return self._ended(said.summary, said.reason, said.message)
        except (EOFError, ConnectionError):
            return self._crashed()
        allowed = hung_seconds if self.is_ready else max(hung_seconds, START_SECONDS)
        if time.monotonic() - self.heard <= allowed:
            return None
        self.end(0.0)
        return self._ended(
            None, "hung", f"the worker showed no progress for {allowed:.0f} s and was killed."
        )

    def _ended(
        self, summary: dict[str, Any] | None, reason: Reason | None, message: str
    ) -> Outcome:
        assert self.job is not None
        job, self.job = self.job, None
        return Outcome(
            job, None if summary is None else {**summary, "run": str(job.folder)}, reason, message
        )

    def _crashed(self) -> Outcome:
        status = self.end(5.0)
        how = (
            f"exit status {status}"
            if status >= 0
            else f"signal {-status} ({signal.Signals(-status).name})"
        )
        hint = (
            " Perhaps the system had no memory left: try fewer workers."
            if status == -signal.SIGKILL
            else ""
        )
        lines = self.last_words.splitlines()
        short = [line for line in lines if any(word in line for word in _NO_MEMORY)]
        said = "".join(f"\n  {line}" for line in short[:1] or lines[-_LAST_LINES:])
        reason: Reason = "memory" if short else "crashed"
        return self._ended(None, reason, f"the worker process ended with {how}.{hint}{said}")

    def end(self, seconds: float) -> int:
        """Wait so long for the process to end by itself; its exit status, or minus the signal that ended it."""
        if self.has_ended:
            return self.process.wait()
        self.has_ended = True
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.connection.close()
        with self.errors:
            size = self.errors.seek(0, os.SEEK_END)
            self.errors.seek(max(0, size - _LAST_BYTES))
            self.last_words = self.errors.read().decode("utf-8", "replace")
        return status


def _threads(cores: int) -> str:
    """For OMP_NUM_THREADS: an equal share of the cores, or fewer where the user said so."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return said if said.isdigit() and 0 < int(said) < cores else str(cores)
