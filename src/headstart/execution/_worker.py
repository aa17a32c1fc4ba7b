"""A worker: a process that executes one job after the other, and ends when its parent ends."""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from headstart import progress
from headstart.data import SplitDataset
from headstart.errors import ResourceError, Stopped
from headstart.execution._job import Job, Outcome, attempt
from headstart.execution._shared_images import SharedImages
from headstart.training import ObserverFactory, observing

HEARTBEAT_SECONDS = 1.0
_PARENT_CHECK_SECONDS = 0.1

# A run that fails while it uses more than this fraction of its memory is counted as a lack of
# memory. The number is a guess.
_NEARLY_ALL = 0.8

# What a worker sends: None is a heartbeat; an outcome; or an error that stops the whole study.
Message = Outcome | ResourceError | Stopped | None


@dataclass(frozen=True)
class Setup:
    """The first message to a worker.

    Attributes:
        data: The data, without the images.
        images: Where to find the images.
        memory_bytes: Memory that the worker may use; None without a limit.
        observer_factory: Makes the observers of its runs.
    """

    data: SplitDataset
    images: SharedImages
    memory_bytes: int | None
    observer_factory: ObserverFactory | None = None


def work(handle: int, parent: int) -> None:
    """Execute the jobs that arrive through the socket `handle`, until it closes.

    Args:
        handle: Descriptor of the socket.
        parent: Process id of the parent.
    """
    threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()
    connection = Connection(handle)
    setup: Setup = connection.recv()
    dataset = replace(setup.data.dataset, images=setup.images.map())
    data = SplitDataset(dataset, setup.data.split)
    # torch first: it needs memory before any run.
    from headstart.training import train  # noqa: F401

    if setup.memory_bytes is not None and sys.platform == "linux":
        # Not RLIMIT_AS: that counts maps of files too, the images among them.
        _, hard_limit = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (setup.memory_bytes, hard_limit))

    progress.on_advance(_heartbeat(connection))
    connection.send(None)
    job = _receive_job(connection)
    while job is not None:
        try:
            with observing(setup.observer_factory):
                outcome = attempt(job, data)
        except (ResourceError, Stopped) as error:
            connection.send(error)
            return
        connection.send(_recognise_lack_of_memory(outcome, setup.memory_bytes))
        job = _receive_job(connection)


def _receive_job(connection: Connection) -> Job | None:
    """Wait for the next job; None when the connection is closed."""
    try:
        job: Job = connection.recv()
    except EOFError:
        return None
    return job


def _recognise_lack_of_memory(outcome: Outcome, memory_bytes: int | None) -> Outcome:
    """Change the reason to "memory" where nearly all memory is used: not all libraries say so."""
    if outcome.reason != "error" or memory_bytes is None:
        return outcome
    if _used_bytes() <= _NEARLY_ALL * memory_bytes:
        return outcome
    return replace(outcome, reason="memory")


def _used_bytes() -> int:
    """Return the bytes that RLIMIT_DATA counts; 0 if unknown.

    Freed memory that the allocator keeps is included.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith("VmData"):
            return 1024 * int(line.split()[1])
    return 0


def _heartbeat(connection: Connection) -> Callable[[], None]:
    """Return a function that sends a heartbeat, at most once per second."""
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        if time.monotonic() - last >= HEARTBEAT_SECONDS:
            last = time.monotonic()
            connection.send(None)

    return beat


def _exit_with_parent(parent: int) -> None:
    """End this process soon after its parent, however that ended.

    Otherwise it would keep the folders of its runs locked for nobody.
    """
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_SECONDS)
    os._exit(1)
