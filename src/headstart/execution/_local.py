"""Local processes that execute jobs. One that dies or hangs costs only its own run."""

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
from headstart.execution._job import (
    Job,
    Outcome,
    Reason,
    Where,
    known_outcome,
    with_decided_precision,
)
from headstart.execution._shared_images import share_images
from headstart.execution._worker import Message, Setup
from headstart.formatting import counted
from headstart.machine import usable_cores, usable_memory_bytes
from headstart.results import RunSummary
from headstart.signals import deferred_signals
from headstart.training import current_observer_factory

START_SECONDS = 60.0  # for importing torch from a cold disk
SAVE_SECONDS = 30.0  # for the checkpoints of stopped workers
_POLL_SECONDS = 0.2
_CRASH_SECONDS = 5.0  # for the exit status of a worker that closed its connection

# Parts of the last messages of C++ and Rust when memory runs out.
_MEMORY_MESSAGES = ("bad_alloc", "llocate memory", "memory allocation of")
_MOST_LOG_BYTES, _MOST_LOG_LINES = 10_000, 5

# Not multiprocessing's own start method: that imports the user's script a second time. Our modules
# may be importable through our sys.path only.
_BOOT = (
    "import sys; sys.path[:] = {path!r}; "
    "from headstart.execution._worker import work; work({handle}, {parent})"
)


@contextmanager
def local_processes(where: Where, data: SplitDataset) -> Iterator[LocalProcesses]:
    """Open workers of this machine for the block; they start when they are needed."""
    images, file = share_images(data.dataset.images)
    with file or contextlib.nullcontext():
        no_images = np.empty((0, *data.image_shape), np.uint8)
        without_images = SplitDataset(replace(data.dataset, images=no_images), data.split)
        setup = Setup(without_images, images, _memory_per_worker(where), current_observer_factory())
        executor = LocalProcesses(where, data, setup)
        try:
            yield executor
        finally:
            executor.stop()


def _memory_per_worker(where: Where) -> int | None:
    """Return the memory limit of a worker in bytes; None if the free memory is unknown."""
    if where.memory_gb is not None:
        return int(where.memory_gb * 1e9)
    free = usable_memory_bytes()
    return None if free is None else free // where.workers


class LocalProcesses:
    """The executor on processes of this machine; see `Executor`."""

    def __init__(self, where: Where, data: SplitDataset, setup: Setup) -> None:
        self.slots = where.workers
        self._hung_seconds = where.hung_seconds
        self._data, self._setup = data, setup
        self._waiting: deque[Job] = deque()
        self._done: deque[Outcome] = deque()
        self._workers: list[_Worker] = []

    def submit(self, job: Job) -> None:
        """See `Executor`."""
        outcome = known_outcome(job, self._data)
        if outcome is not None:
            self._done.append(outcome)
            return
        self._waiting.append(job)
        self._assign()

    def next_done(self) -> Outcome:
        """See `Executor`."""
        with deferred_signals() as stop:
            while not self._done:
                if stop.signum is not None:
                    raise self._stopped(stop.signum)
                busy = [worker for worker in self._workers if worker.job is not None]
                if not busy:
                    raise LookupError("no run was submitted")

                wait([worker.connection for worker in busy], _POLL_SECONDS)
                for worker in busy:
                    outcome = worker.poll(self._hung_seconds)
                    if outcome is not None:
                        self._done.append(outcome)
                self._assign()
        return self._done.popleft()

    def _assign(self) -> None:
        """Give waiting jobs to idle workers, and start workers while there are too few."""
        for worker in self._workers:
            if worker.job is None and worker.process.poll() is not None:
                worker.end(0.0)
        self._workers = [worker for worker in self._workers if not worker.has_ended]

        while self._waiting:
            idle = next((worker for worker in self._workers if worker.job is None), None)
            if idle is None:
                if len(self._workers) == self.slots:
                    return
                idle = _Worker(self._setup, max(1, usable_cores() // self.slots))
                self._workers.append(idle)
            idle.begin(self._waiting.popleft())

    def _stopped(self, signum: int) -> Stopped:
        running = sum(worker.job is not None for worker in self._workers)
        self.stop()
        return Stopped(
            signum,
            f"stopped with {counted(running, 'run')} in progress; their state is saved in their "
            "folders.",
            "Run the same command again to resume.",
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
    """The parent's end of one worker process.

    Attributes:
        process: The process.
        connection: The connection to it.
        errors: The file that its stderr goes to.
        job: The job that it executes; None if it is idle.
        log: The end of its stderr, once it has ended.
        has_ended: Whether it has ended.
    """

    def __init__(self, setup: Setup, cores: int) -> None:
        ours, theirs = socket.socketpair()
        self.errors = store.anonymous_file()
        with theirs:
            self.process = _start_process(setup, theirs.fileno(), cores, self.errors)
        self.connection = Connection(ours.detach())
        self.job: Job | None = None
        self.log = ""
        self.has_ended = False
        self._has_started = False
        self._last_message = 0.0
        self._send(setup)

    def begin(self, job: Job) -> None:
        """Send it a job."""
        self.job, self._last_message = job, time.monotonic()
        self._send(with_decided_precision(replace(job, folder=job.folder.absolute())))

    def _send(self, message: Setup | Job) -> None:
        # If the process is dead, `poll` reports it.
        with contextlib.suppress(OSError):
            self.connection.send(message)

    def poll(self, hung_seconds: float) -> Outcome | None:
        """Return the outcome of its job, if the run has ended in some way.

        Raises:
            ResourceError: As `headstart.training.train`.
            Stopped: As `headstart.training.train`.
        """
        try:
            outcome = self._receive()
        except (EOFError, ConnectionError):
            return self._crashed()
        if outcome is not None:
            if outcome.reason == "memory":
                self.end(0.0)  # its memory is fragmented: the next run gets a new process
            return self._finish_job(outcome.summary, outcome.reason, outcome.message)

        allowed = hung_seconds if self._has_started else max(hung_seconds, START_SECONDS)
        if time.monotonic() - self._last_message <= allowed:
            return None
        self.end(0.0)
        message = f"the worker showed no progress for {allowed:.0f} s and was killed."
        return self._finish_job(None, "hung", message)

    def _receive(self) -> Outcome | None:
        """Receive its messages up to an outcome; None if only heartbeats have arrived."""
        while self.connection.poll():
            message: Message = self.connection.recv()
            self._has_started, self._last_message = True, time.monotonic()
            if isinstance(message, Exception):
                self.job = None
                self.end(0.0)
                raise message
            if message is not None:
                return message
        return None

    def _finish_job(
        self, summary: RunSummary | None, reason: Reason | None, message: str
    ) -> Outcome:
        assert self.job is not None
        job, self.job = self.job, None
        if summary is not None:
            summary = summary.model_copy(update={"run": str(job.folder)})
        return Outcome(job, summary, reason, message)

    def _crashed(self) -> Outcome:
        """Return the outcome of a job whose process ended."""
        status = self.end(_CRASH_SECONDS)
        if status >= 0:
            cause = f"exit status {status}"
        else:
            cause = f"signal {-status} ({signal.Signals(-status).name})"
        hint = ""
        if status == -signal.SIGKILL:
            hint = " Try fewer workers if the system ran out of memory."

        lines = self.log.splitlines()
        memory_lines = [line for line in lines if any(text in line for text in _MEMORY_MESSAGES)]
        shown = memory_lines[:1] or lines[-_MOST_LOG_LINES:]
        log = "".join(f"\n  {line}" for line in shown)
        reason: Reason = "memory" if memory_lines else "crashed"
        return self._finish_job(None, reason, f"the worker process ended with {cause}.{hint}{log}")

    def end(self, seconds: float) -> int:
        """Wait for the process to end, then kill it.

        Args:
            seconds: Time to wait.

        Returns:
            Its exit status, or minus the signal that ended it.
        """
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
            self.errors.seek(max(0, size - _MOST_LOG_BYTES))
            self.log = self.errors.read().decode("utf-8", "replace")
        return status


def _start_process(setup: Setup, handle: int, cores: int, errors: Any) -> subprocess.Popen[bytes]:
    """Start a worker process.

    Args:
        setup: Its setup; the descriptor of shared images is inherited.
        handle: Descriptor of its end of the connection.
        cores: Cores that it may use.
        errors: File for its stderr.
    """
    inherited = [handle]
    if isinstance(setup.images.file, int):
        inherited.append(setup.images.file)
    boot = _BOOT.format(path=sys.path, handle=handle, parent=os.getpid())
    return subprocess.Popen(
        [sys.executable, "-c", boot],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        pass_fds=inherited,
        env={**os.environ, "OMP_NUM_THREADS": _threads(cores)},
        start_new_session=True,  # a terminal's Ctrl-C reaches us alone, and we tell the workers
    )


def _threads(cores: int) -> str:
    """Return OMP_NUM_THREADS of a worker: its share of the cores, or the user's if fewer."""
    requested = os.environ.get("OMP_NUM_THREADS", "")
    if requested.isdigit() and 0 < int(requested) < cores:
        return requested
    return str(cores)
