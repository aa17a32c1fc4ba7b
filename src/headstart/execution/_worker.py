"""A worker: a process that makes one run after the other, and ends when the process that started it does."""

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
from headstart.execution._shared_images import Shared
from headstart.training import Observe, observed_by

SIGN_OF_LIFE_SECONDS = 1.0
_LOOK_SECONDS = 0.1
_NEARLY_ALL = 0.8  # of the memory it may use; a guess

# What a worker says: None is a sign of life; an outcome; or what stops the whole study.
Said = Outcome | ResourceError | Stopped | None


@dataclass(frozen=True)
class Setup:
    """What a worker is told first.

    Attributes:
        data: without the images.
        memory_bytes: that it may use.
        observe: makes the observers of its runs.
    """

    data: SplitDataset
    images: Shared
    memory_bytes: int | None
    observe: Observe | None = None


def work(handle: int, parent: int) -> None:
    """Make the runs that come through the socket `handle` until it closes."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    connection = Connection(handle)
    setup: Setup = connection.recv()
    dataset = replace(setup.data.dataset, images=setup.images.map())
    data = SplitDataset(dataset, setup.data.split)
    from headstart.training import train  # noqa: F401  # torch first: it needs memory before any run does

    if setup.memory_bytes is not None and sys.platform == "linux":
        # Not RLIMIT_AS: that counts maps of files too, the images among them.
        resource.setrlimit(
            resource.RLIMIT_DATA, (setup.memory_bytes, resource.getrlimit(resource.RLIMIT_DATA)[1])
        )
    progress.on_advance(_signs_of_life(connection))
    connection.send(None)
    while (job := _next(connection)) is not None:
        try:
            with observed_by(setup.observe):
                outcome = attempt(job, data)
        except (ResourceError, Stopped) as error:
            connection.send(error)
            return
        if (
            outcome.reason == "error"
            and setup.memory_bytes is not None
            and _used_bytes() > _NEARLY_ALL * setup.memory_bytes
        ):
            outcome = replace(outcome, reason="memory")  # not all libraries say so
        connection.send(outcome)


def _next(connection: Connection) -> Job | None:
    try:
        job: Job = connection.recv()
    except EOFError:
        return None
    return job


def _used_bytes() -> int:
    """What RLIMIT_DATA counts; freed memory that the allocator keeps is in it."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return 1024 * int(next((line.split()[1] for line in lines if line.startswith("VmData")), 0))


def _signs_of_life(connection: Connection) -> Callable[[], None]:
    last = time.monotonic()

    def tell() -> None:
        nonlocal last
        if time.monotonic() - last >= SIGN_OF_LIFE_SECONDS:
            last = time.monotonic()
            connection.send(None)

    return tell


def _end_with(parent: int) -> None:
    """End this process soon after its parent, however that ended: it would keep the folders of its runs locked for nobody."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)
