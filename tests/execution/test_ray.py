"""A real Ray cluster of two nodes on this machine: a killed node costs nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from small_runs import LONG, is_alive, job, one_thread, trainer, wait_for, weights

from headstart.data import Dataset, Split, SplitDataset
from headstart.errors import InputError, Stopped
from headstart.execution import Where, _ray as on_ray, open_executor, run_all
from headstart.training import TrainingJob, train

Data = tuple[Dataset, Split]
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@pytest.fixture
def two_nodes(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster of two nodes with one processor each; their temporary files lie in nodes/."""
    (tmp_path / "nodes").mkdir()
    sockets = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # their paths must be short
    monkeypatch.setenv("RAY_TMPDIR", sockets)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nodes"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    on_ray._import_ray()
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=small)
    cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
    yield cluster
    cluster.shutdown()  # type: ignore[no-untyped-call]
    shutil.rmtree(sockets)


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


@needs_ray
@pytest.mark.slow
def test_a_node_killed_in_the_middle_of_a_study_loses_nothing(
    two_nodes: Any, data: Data, tmp_path: Path
) -> None:
    (doomed,) = two_nodes.worker_nodes
    raylet = doomed.all_processes["raylet"][0].process.pid
    victims: list[int] = []

    def kill() -> None:
        def training_there() -> list[int]:
            pids = [trainer(run) for run in (tmp_path / "nodes").glob("headstart-*/*")]
            return [
                pid for pid in pids if pid is not None and is_alive(pid) and parent(pid) == raylet
            ]

        victims.extend(wait_for(training_there))
        two_nodes.remove_node(doomed, allow_graceful=False)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    jobs = [job(tmp_path / "runs", f"r{seed}", seed, epochs=30, nodes=128) for seed in range(4)]
    with open_executor(Where(ray=two_nodes.address), SplitDataset(*data)) as executor:
        assert executor.slots == 2
        found = list(run_all(executor, jobs))
        assert wait_for(lambda: executor.slots == 1)
    thread.join()
    assert victims and not any(map(is_alive, victims))
    assert sorted(outcome.job.name for outcome in found) == ["r0", "r1", "r2", "r3"]
    assert [outcome.reason for outcome in found] == [None] * 4, found
    with one_thread():
        train(TrainingJob(jobs[3].recipe, SplitDataset(*data), 3, tmp_path / "direct"))
    assert weights(jobs[3].folder) == weights(tmp_path / "direct")


def sockets_of_ray() -> set[str]:
    """Identifiers of the sockets of this process and of Ray's. Other tests have servers too."""
    found: set[str] = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_ray = b"ray" in (process / "cmdline").read_bytes()
            if is_ray or process.name == str(os.getpid()):
                links = [str(handle.readlink()) for handle in (process / "fd").iterdir()]
                found |= {link[8:-1] for link in links if link.startswith("socket:[")}
    return found


def listening() -> set[str]:
    """Addresses, in hexadecimal, at which Ray accepts connections from elsewhere."""
    found = set()
    ours = sockets_of_ray()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            is_loopback = local.startswith(
                (
                    "0100007F:",
                    "0000000000000000FFFF00000100007F:",
                    "00000000000000000000000001000000:",
                )
            )
            if state == "0A" and not is_loopback and rest[5] in ours:
                found.add(local)
    return found


@needs_ray
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_cluster_of_our_own_listens_on_this_machine_only(data: Data, tmp_path: Path) -> None:
    before = listening()
    with open_executor(Where(ray="auto"), SplitDataset(*data)) as executor:
        (outcome,) = run_all(executor, [job(tmp_path)])
        assert outcome.reason is None
        assert listening() <= before


@needs_ray
@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:1"])
def test_an_address_where_no_cluster_answers_is_said(address: str, data: Data) -> None:
    refused = pytest.raises(InputError, match=f"cannot connect to a Ray cluster at --ray {address}")
    with refused, open_executor(Where(ray=address), SplitDataset(*data)):
        pass


def test_without_ray_the_error_says_what_to_install(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(InputError, match=r"pip install 'headstart\[ray\]'"),
        open_executor(Where(ray="auto"), SplitDataset(*data)),
    ):
        pass


@needs_ray
@pytest.mark.slow
def test_ray_that_was_imported_before_is_not_made_to_listen_outside() -> None:
    code = (
        "import ray, headstart; from headstart.execution import Where, open_executor\n"
        "from headstart.data import SplitDataset\n"
        "dataset = headstart.load('digits')\n"
        "data = SplitDataset(dataset, headstart.split(dataset))\n"
        "with open_executor(Where(ray='auto'), data): print('open')\n"
    )
    env = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env
    )
    assert "imported before" in done.stderr and done.stdout == ""


@needs_ray
@pytest.mark.slow
def test_a_stopped_study_cancels_its_tasks_and_keeps_what_is_finished(
    data: Data, tmp_path: Path
) -> None:
    jobs = [
        job(tmp_path, "short"),
        *(job(tmp_path, f"long{seed}", seed, **LONG) for seed in range(2)),
    ]
    done = []
    before = signal.getsignal(signal.SIGTERM)
    with (
        pytest.raises(Stopped, match="in progress on the cluster") as stopped,
        open_executor(Where(ray="auto"), SplitDataset(*data)) as executor,
    ):
        assert signal.getsignal(signal.SIGTERM) is before
        for outcome in run_all(executor, jobs):
            done.append(outcome.job.name)
            threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
    assert stopped.value.exit_code == 128 + signal.SIGTERM
    assert done == ["short"] and not (tmp_path / "long0").exists()
