"""The device, and the settings of a process that computes: threads, and memory that is kept."""

from __future__ import annotations

import contextlib
import ctypes
import os
from functools import cache

import torch

from headstart.machine import usable_cores

# Parameters of mallopt, from malloc.h of glibc.
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD, _M_ARENA_MAX = -3, -1, -8
_LARGEST_KEPT_BYTES = 1 << 30


@cache
def prepare_process() -> None:
    """Keep freed memory, and limit torch to the cores that this process may use.

    By default, memory goes back to the system after every layer, and a small network spends much of
    its time in page faults. torch counts all cores of the machine, also where a container or a
    scheduler gives this process fewer; then its threads wait for each other. OMP_NUM_THREADS, where
    set, decides.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
        # One heap: those of other threads are given back as soon as they are empty.
        libc.mallopt(_M_ARENA_MAX, 1)

    if "OMP_NUM_THREADS" not in os.environ and usable_cores() < torch.get_num_threads():
        torch.set_num_threads(usable_cores())


@cache
def best_device() -> torch.device:
    """Return a CUDA or Apple GPU if there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def wait_for_device() -> None:
    """Wait until a GPU has done what it was given. On a CPU nothing is left to wait for.

    A GPU computes while Python continues. Without waiting, a clock measures only how long it takes
    to give it the work.
    """
    match best_device().type:
        case "cuda":
            torch.cuda.synchronize()
        case "mps":
            torch.mps.synchronize()
