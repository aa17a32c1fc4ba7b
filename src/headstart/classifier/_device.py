"""The device, and the settings of a process that computes: threads, and memory that is kept."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from functools import cache

import torch
from torch import Tensor

from headstart.machine import usable_cores

# Parameters of mallopt, from malloc.h of glibc.
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD, _M_ARENA_MAX = -3, -1, -8
_LARGEST_KEPT_BYTES = 1 << 30
_DENORMAL = 1e-40  # of float32
_VALUES_PER_THREAD = 1 << 15  # PyTorch gives a thread at least so many


@cache
def prepare_process() -> None:
    """Keep freed memory, limit torch to the cores of this process, and start its threads.

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
    with without_denormals():
        # This starts the threads of torch, which keep the mode of the thread that starts them.
        torch.zeros(torch.get_num_threads() * _VALUES_PER_THREAD).add_(1)


@contextlib.contextmanager
def without_denormals() -> Iterator[None]:
    """Treat numbers below 1e-38 as zero on the CPU, as long as the block runs.

    The momentum of weights that get no gradient any more shrinks to such numbers, with which
    processors compute slowly: see benchmarks/denormals.md. Afterwards the mode of this thread is
    what it was, because NumPy warns about it.
    """
    is_set = torch.tensor(_DENORMAL).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(is_set)


@cache
def best_device() -> torch.device:
    """Return a CUDA or Apple GPU if there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def to_device(tensor: Tensor) -> Tensor:
    """Return a CPU tensor on the device, without waiting for what a GPU is doing meanwhile."""
    return tensor.to(best_device(), non_blocking=True)


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
