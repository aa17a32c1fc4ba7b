"""The cores and the memory that this process may use. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import os
import platform
from functools import cache
from pathlib import Path

# Version 2 of control groups. Inside a container, its own group is mounted here.
_CGROUP = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return the number of cores that this process may use, at least 1.

    Counts the cores of the scheduler's mask, and the quota of the control group rounded up.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1

    # Without a quota the file says "max", which is not an integer.
    with contextlib.suppress(OSError, ValueError):
        quota, period = (_CGROUP / "cpu.max").read_text(encoding="ascii").split()
        cores = min(cores, -(-int(quota) // int(period)))
    return max(1, cores)


def limit_waiting_of_threads() -> None:
    """Let the threads of OpenMP wait for each other briefly before they sleep.

    Its own limit is 300,000 turns of a loop. On a busy machine, a thread then wastes the core that
    the other thread needs, and a small network trains several times more slowly. With 10,000 turns,
    neither a busy nor a quiet machine loses much: see benchmarks/threads.md. Results do not change.

    The variable is read once, when PyTorch is imported. Variables that the user has set decide.
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ):
        os.environ["GOMP_SPINCOUNT"] = "10000"


def usable_memory_bytes() -> int | None:
    """Return the memory that is available without swapping, in bytes; None except on Linux.

    It is the smaller of what the kernel calls available and what the control group leaves.
    """
    try:
        available = 1024 * int(_read_table(Path("/proc/meminfo"), ":")["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return None

    with contextlib.suppress(OSError, KeyError, ValueError):
        limit = int((_CGROUP / "memory.max").read_text(encoding="ascii"))
        current = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        reclaimable = int(_read_table(_CGROUP / "memory.stat")["inactive_file"])
        available = min(available, limit - (current - reclaimable))
    return max(0, available)


@cache
def processor_name() -> str:
    """Return the model name of the processor, or "unknown"."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _read_table(path: Path, separator: str | None = None) -> dict[str, str]:
    """Return the lines of a file as keys and values."""
    table = {}
    for line in path.read_text(encoding="ascii").splitlines():
        key, value = line.split(separator, 1)
        table[key] = value
    return table
