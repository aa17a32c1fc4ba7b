"""A Ray cluster: each run is a task, trained in a temporary folder of its node; its files come back, and are written here."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
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
from headstart.execution._job import Job, Outcome, already_there, attempt
from headstart.machine import usable_cores
from headstart.signals import listening
from headstart.training import read_metrics, run_summary

CORES_A_RUN = 1
RETRIES = 3  # of a run whose node or worker process was lost
_STOP_SECONDS = 10.0
_ANSWER_SECONDS = 10.0
_LOOK_SECONDS = 0.2
_OBJECT_STORE_BYTES = (
    256 << 20
)  # of a cluster of our own, beside the images: for the files of runs on their way back
_METRICS = "metrics.json"  # written last: it says that a run is finished

Files = dict[str, bytes]


@contextmanager
def on_ray(address: str, data: SplitDataset) -> Iterator[RayTasks]:
    """The cluster at `address` while the block lasts; one that this process was already connected to stays connected."""
    ray = _import_ray()
    is_ours = not ray.is_initialized()
    if is_ours:
        with _own_sigterm():
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
    # Read when ray is imported and by the processes it starts. The first has a cluster of our own live on 127.0.0.1, as Ray does
    # on macOS; its `_node_ip_address` would be replaced by an address that others can reach (2.60).
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
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address != "auto":
            _need_answer(address)
            ray.init(address=address, **quiet)
            return
        try:
            ray.init(
                num_cpus=usable_cores(),
                object_store_memory=_OBJECT_STORE_BYTES + 2 * images_bytes,
                **quiet,
            )
        except ValueError:  # there is a cluster, which has its own numbers
            ray.init(**quiet)
            return
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"there is no Ray cluster to be had with --ray {address}: {str(error).splitlines()[0]}",
            "`ray status` says whether one runs (where clusters ask for a token, RAY_AUTH_MODE=token sends it); "
            "--ray auto makes one of this machine if there is none.",
        ) from error
    if not ray.util.get_node_ip_address().startswith("127."):
        ray.shutdown()
        raise InputError(
            "Ray was imported before Headstart, and would listen beyond this machine.",
            "Call ray.init() yourself, or set RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 before Python starts.",
        )


def _need_answer(address: str) -> None:
    """Whether anything listens at HOST:PORT. Ray tries for minutes.

    Raises:
        OSError: no.
    """
    host, _, port = address.rpartition(":")
    if "//" not in address and port.isdigit():
        socket.create_connection((host, int(port)), _ANSWER_SECONDS).close()


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """SIGTERM goes where it went before; ray.init takes it to end the process in its own way."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


class RayTasks:
    """See `Executor`."""

    def __init__(self, ray: Any, data: SplitDataset) -> None:
        self._ray, self._data = ray, data
        self._gpus = 1 if ray.cluster_resources().get("GPU", 0) >= 1 else 0
        self._task = ray.remote(num_cpus=CORES_A_RUN, num_gpus=self._gpus, max_retries=RETRIES)(
            _train_there
        )
        # One copy a node, which its tasks map. Not a numpy map: that would be pickled with its file's name in mind.
        images = np.asarray(data.dataset.images)
        self._shared_data = ray.put(SplitDataset(replace(data.dataset, images=images), data.split))
        self._running: dict[Any, Job] = {}
        self._done: deque[Outcome] = deque()

    @property
    def slots(self) -> int:
        there = self._ray.cluster_resources()  # now: nodes come and go
        return max(
            1, int(there.get("GPU", 0)) if self._gpus else int(there.get("CPU", 0)) // CORES_A_RUN
        )

    def submit(self, job: Job) -> None:
        if (outcome := already_there(job, self._data)) is not None:
            self._done.append(outcome)
        else:
            self._running[self._task.remote(job, self._shared_data)] = job

    def next_done(self) -> Outcome:
        with listening() as stop:
            while not self._done:
                if stop.signum is not None:
                    raise self._stopped(stop.signum)
                if not self._running:
                    raise LookupError("no run was submitted")
                ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=_LOOK_SECONDS)
                self._done.extend(self._take(reference) for reference in ready)
        return self._done.popleft()

    def _take(self, reference: Any) -> Outcome:
        """The outcome of a task that has ended.

        Raises:
            ResourceError: the folder is in use, or cannot be written, here or there.
        """
        job, errors = self._running.pop(reference), self._ray.exceptions
        said: Outcome | ResourceError | Stopped
        files: Files
        try:
            said, files = self._ray.get(reference)
        except errors.OutOfMemoryError as error:
            return Outcome(job, None, "memory", str(error).splitlines()[0])
        except errors.RayError as error:
            return Outcome(
                job,
                None,
                "crashed",
                f"the task was lost {RETRIES + 1} times: {str(error).splitlines()[0]}",
            )
        if isinstance(said, Exception):
            raise said
        if said.reason is not None:
            return replace(said, job=job)
        _write(files, job.folder)
        return Outcome(job, run_summary(job.folder, read_metrics(job.folder), reused=False), None)

    def _stopped(self, signum: int) -> Stopped:
        running = len(self._running)
        self.stop()
        return Stopped(
            signum,
            f"stopped with {running} run{'' if running == 1 else 's'} in hand on the cluster, which will begin anew; "
            "finished ones are kept.",
            "Do the same again to go on from there.",
        )

    def stop(self) -> None:
        """Cancel what is under way."""
        for reference in self._running:
            self._ray.cancel(reference)
        if self._running:  # each ends its step, and removes its temporary folder
            self._ray.wait(
                list(self._running), num_returns=len(self._running), timeout=_STOP_SECONDS
            )
        self._running = {}


def _train_there(job: Job, data: SplitDataset) -> tuple[Outcome | ResourceError | Stopped, Files]:
    """On a node: the run, and the files it leaves."""
    import torch

    torch.set_num_threads(min(torch.get_num_threads(), CORES_A_RUN))
    with (
        tempfile.TemporaryDirectory(prefix="headstart-") as place,
        store.without_sync(),
    ):  # syncs took half of a tiny run
        folder = Path(place) / job.folder.name
        try:
            outcome = attempt(replace(job, folder=folder), data)
        except (ResourceError, Stopped) as error:
            return error, {}
        outcome = replace(outcome, message=outcome.message.replace(str(folder), str(job.folder)))
        return outcome, _read(folder) if outcome.reason is None else {}


def _read(folder: Path) -> Files:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def _write(files: Files, folder: Path) -> None:
    """Make the run folder that these files are, beside what an earlier, unfinished try left there."""
    with store.claim(folder):
        store.clear_debris(folder)
        for name in sorted(files, key=lambda name: name == _METRICS):
            store.write_bytes(folder / name, files[name])
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)  # of a try elsewhere
