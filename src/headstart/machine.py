"""What this process may use of the machine: cores and memory, as schedulers and control groups allow. Nothing heavy here."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")  # version 2; inside a container its own group is mounted here


def usable_cores() -> int:
    """Cores that this process may use: the scheduler's mask, and the quota of its control group, rounded up."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    with contextlib.suppress(OSError, ValueError):
        quota, period = (_CGROUP / "cpu.max").read_text(encoding="ascii").split()
        cores = min(cores, -(-int(quota) // int(period)))  # "max" is no number: no quota
    return max(1, cores)


def usable_memory_bytes() -> int | None:
    """Memory that can be had without swapping: what Linux calls available, and what the control group leaves; None elsewhere."""
    try:
        facts = dict(
            line.split(":")
            for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        )
        available = 1024 * int(facts["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return None
    with contextlib.suppress(OSError, KeyError, ValueError):
        limit = int((_CGROUP / "memory.max").read_text(encoding="ascii"))
        held = dict(
            line.split()
            for line in (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
        )
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii")) - int(
            held["inactive_file"]
        )
        available = min(available, limit - used)
    return max(0, available)
