"""A Ray cluster that executes jobs: tasks in temporary folders of nodes, whose files come back."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart import store
from headstart.data import SplitDataset
from headstart.errors import InputError, ResourceError, Stopped
from headstart.execution._job import (
    Job,
    Outcome,
    attempt,
    known_outcome,
    with_decided_precision,
)
from headstart.formatting import counted
from headstart.machine import usable_cores
from headstart.results import read_metrics
from headstart.signals import deferred_signals
from headstart.training import run_summary

CORES_PER_RUN = 1
RETRIES = 3  # of a run whose node or worker process was lost
_CANCEL_SECONDS = 10.0
_CONNECT_SECONDS = 10.0
_POLL_SECONDS = 0.2

# Object store of a cluster of our own, in addition to the images: for files of runs on their way
# back.
_OBJECT_STORE_BYTES = 256 << 20

# Written last: its presence means that a run is finished.
_METRICS, _SEAL = "metrics.json", "manifest.json"

Files = dict[str, bytes]


@contextmanager
def on_ray(address: str, data: SplitDataset) -> Iterator[RayTasks]:
    """Connect to the cluster at `address` for the block.

    A cluster that this process was already connected to stays connected.
    """
    ray = _import_ray()
    is_ours = not ray.is_initialized()
    if is_ours:
        with _preserve_sigterm():
            _connect(ray, address, data.dataset.images.nbytes)
    try:
        executor = RayTasks(ray, data)
        try:
            yield executor
        finally:
            executor.stop()
    finally:
        if is_ours:
            ray.shutdown()


def _import_ray() -> Any:
    # Read when ray is imported, and by the processes that it starts. The first makes a cluster of
    # our own listen on 127.0.0.1, as Ray does on macOS; its `_node_ip_address` would be replaced by
    # an address that others can reach (2.60).
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_task_oom_retries", "0")  # without end, otherwise
    try:
        import ray
    except ImportError as error:
        raise InputError(
            "--ray needs Ray, which is not installed.", "pip install 'headstart[ray]'"
        ) from error
    return ray


def _connect(ray: Any, address: str, images_bytes: int) -> None:
    """Connect to a cluster; with address "auto", start one of this machine if there is none."""
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address != "auto":
            _require_answer(address)
            ray.init(address=address, **quiet)
            return
        object_store = _OBJECT_STORE_BYTES + 2 * images_bytes
        try:
            ray.init(num_cpus=usable_cores(), object_store_memory=object_store, **quiet)
        except ValueError:  # there is a cluster, which has resources of its own
            ray.init(**quiet)
            return
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"cannot connect to a Ray cluster at --ray {address}: {str(error).splitlines()[0]}",
            "Check it with `ray status`. If clusters need a token, RAY_AUTH_MODE=token sends it. "
            "Without a cluster, --ray auto starts one on this machine.",
        ) from error

    if not ray.util.get_node_ip_address().startswith("127."):
        ray.shutdown()
        raise InputError(
            "Ray was imported before Headstart, and would listen beyond this machine.",
            "Call ray.init() yourself, or set RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 before Python "
            "starts.",
        )


def _require_answer(address: str) -> None:
    """Check that something listens at HOST:PORT. Ray itself would try for minutes.

    Raises:
        OSError: Nothing listens there.
    """
    host, _, port = address.rpartition(":")
    if "//" not in address and port.isdigit():
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()


@contextmanager
def _preserve_sigterm() -> Iterator[None]:
    """Restore the SIGTERM handler after the block; ray.init installs its own."""
    previous = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, previous)


class RayTasks:
    """The executor on a Ray cluster; see `Executor`."""

    def __init__(self, ray: Any, data: SplitDataset) -> None:
        self._ray, self._data = ray, data
        self._gpus = 1 if ray.cluster_resources().get("GPU", 0) >= 1 else 0
        self._task = ray.remote(num_cpus=CORES_PER_RUN, num_gpus=self._gpus, max_retries=RETRIES)(
            _train_on_node
        )
        # One copy per node, which its tasks map. Not a numpy map: that would be pickled with the
        # name of its file.
        images = np.asarray(data.dataset.images)
        self._shared_data = ray.put(SplitDataset(replace(data.dataset, images=images), data.split))
        self._running: dict[Any, Job] = {}
        self._done: deque[Outcome] = deque()

    @property
    def slots(self) -> int:
        """See `Executor`. The number changes when nodes join or leave."""
        resources = self._ray.cluster_resources()
        if self._gpus:
            return max(1, int(resources.get("GPU", 0)))
        return max(1, int(resources.get("CPU", 0)) // CORES_PER_RUN)

    def submit(self, job: Job) -> None:
        """See `Executor`."""
        outcome = known_outcome(job, self._data)
        if outcome is not None:
            self._done.append(outcome)
            return
        reference = self._task.remote(with_decided_precision(job), self._shared_data)
        self._running[reference] = job

    def next_done(self) -> Outcome:
        """See `Executor`."""
        with deferred_signals() as stop:
            while not self._done:
                if stop.signum is not None:
                    raise self._stopped(stop.signum)
                if not self._running:
                    raise LookupError("no run was submitted")
                references = list(self._running)
                ready, _ = self._ray.wait(references, num_returns=1, timeout=_POLL_SECONDS)
                self._done.extend(self._collect(reference) for reference in ready)
        return self._done.popleft()

    def _collect(self, reference: Any) -> Outcome:
        """Return the outcome of a task that has ended, and write its files.

        Raises:
            ResourceError: The folder is in use or cannot be written, here or on the node.
        """
        job, errors = self._running.pop(reference), self._ray.exceptions
        try:
            result: tuple[Outcome | ResourceError | Stopped, Files] = self._ray.get(reference)
        except errors.OutOfMemoryError as error:
            return Outcome(job, None, "memory", str(error).splitlines()[0])
        except errors.RayError as error:
            first_line = str(error).splitlines()[0]
            message = f"the task was lost {RETRIES + 1} times: {first_line}"
            return Outcome(job, None, "crashed", message)

        outcome, files = result
        if isinstance(outcome, Exception):
            raise outcome
        if outcome.reason is not None:
            return replace(outcome, job=job)
        _write_files(files, job.folder)
        summary = run_summary(job.folder, read_metrics(job.folder), reused=False)
        return Outcome(job, summary, None)

    def _stopped(self, signum: int) -> Stopped:
        running = len(self._running)
        self.stop()
        return Stopped(
            signum,
            f"stopped with {counted(running, 'run')} in progress on the cluster, which will "
            "restart. Finished runs are kept.",
            "Run the same command again to resume.",
        )

    def stop(self) -> None:
        """Cancel all running tasks. Each finishes its step and removes its temporary folder."""
        references = list(self._running)
        for reference in references:
            self._ray.cancel(reference)
        if references:
            self._ray.wait(references, num_returns=len(references), timeout=_CANCEL_SECONDS)
        self._running = {}


def _train_on_node(job: Job, data: SplitDataset) -> tuple[Outcome | ResourceError | Stopped, Files]:
    """Execute a job on a node; return its outcome and the files of its run."""
    import torch

    torch.set_num_threads(min(torch.get_num_threads(), CORES_PER_RUN))
    # Without syncs: they took half of a tiny run.
    with store.scratch_folder() as place, store.without_sync():
        folder = place / job.folder.name
        try:
            outcome = attempt(replace(job, folder=folder), data)
        except (ResourceError, Stopped) as error:
            return error, {}
        message = outcome.message.replace(str(folder), str(job.folder))
        files = _read_files(folder) if outcome.reason is None else {}
        return replace(outcome, message=message), files


def _read_files(folder: Path) -> Files:
    """Return the files of a run folder by their relative paths."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def _write_files(files: Files, folder: Path) -> None:
    """Write a run folder, over what an earlier, unfinished attempt left there."""
    with store.claim(folder):
        store.clear_debris(folder)
        store.unseal(folder)
        # The seal last: a sealed run without metrics counts as damaged.
        for name in sorted(files, key=lambda name: (name == _SEAL, name == _METRICS)):
            store.write_bytes(folder / name, files[name])
        # The checkpoints of an earlier attempt.
        if (folder / "checkpoint").exists():
            store.remove_folder(folder / "checkpoint")
