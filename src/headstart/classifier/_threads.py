"""The number of threads that compute a network together, beside other work of the machine.

Threads that share a layer wait for each other after it. If another process holds the core of one
thread, all of them wait: see benchmarks/threads.md.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from headstart import progress
from headstart.classifier._device import best_device, prepare_process
from headstart.machine import usable_cores

# Numbers of threads are compared if the load average exceeds this share of the cores.
_NOTABLE_LOAD = 0.5
# Fewer threads must be faster by this factor: a machine that is busy now may soon be free.
_LEAST_SPEEDUP = 1.25

_ROUNDS, _SECONDS_PER_ROUND, _LEAST_PASSES = 4, 0.05, 2
# Of so few images that waiting counts: with 64, small convolutions gain less than a `cnn` does.
_IMAGES, _CHANNELS, _SIDE, _LAYERS = 16, 32, 14, 4

_independent: list[int] = []


def independent_threads() -> int:
    """Return the number of threads for work in which no thread waits for another."""
    return _independent[-1] if _independent else torch.get_num_threads()


@contextlib.contextmanager
def fewer_threads_under_load() -> Iterator[None]:
    """Compute networks with fewer threads in this block, if that is faster beside other work.

    Nothing is measured on an idle machine, on a GPU, if OMP_NUM_THREADS is set, under torchrun, or
    in another such block, whose own work counts in the load of the machine. The number of threads
    decides the last bits of the weights. So this is only for work with a time limit, whose length
    depends on the machine anyway.
    """
    if _independent:
        yield
        return
    prepare_process()
    threads = torch.get_num_threads()
    is_measured = _is_worth_measuring(threads)
    _independent.append(threads)
    try:
        if is_measured:
            _choose(threads)
        yield
    finally:
        _independent.pop()
        torch.set_num_threads(threads)


def choose_threads_again() -> bool:
    """Choose the number again within `fewer_threads_under_load`, as the machine became busier.

    Or less busy: it may also return to more threads.

    Returns:
        Whether the number changed.
    """
    if not _independent or not _is_free_to_choose(_independent[-1]):
        return False
    before = torch.get_num_threads()
    _choose(_independent[-1])
    return torch.get_num_threads() != before


def suggest_fewer_threads_under_load() -> None:
    """Suggest fewer threads if they would compute networks faster beside other work.

    For work without a time limit, whose results should not depend on the load of the machine.
    """
    prepare_process()
    threads = torch.get_num_threads()
    if not _is_worth_measuring(threads):
        return
    try:
        chosen, speedup = _fastest_number(threads)
    finally:
        torch.set_num_threads(threads)
    if chosen < threads:
        progress.say(
            f"other processes are busy on this machine: OMP_NUM_THREADS={chosen} would make "
            f"training about {speedup:.1f} times as fast, but changes the last bits of the weights."
        )


def _choose(threads: int) -> None:
    """Use the fastest number of at most so many threads."""
    before = torch.get_num_threads()
    chosen, speedup = _fastest_number(threads)
    if chosen < min(before, threads):
        progress.say(
            f"other processes are busy on this machine: networks use {chosen} of {threads} "
            f"threads, which was {speedup:.1f} times as fast."
        )
    torch.set_num_threads(chosen)


def _is_worth_measuring(threads: int) -> bool:
    if _independent or not _is_free_to_choose(threads):
        return False
    try:
        return os.getloadavg()[0] > _NOTABLE_LOAD * usable_cores()
    except OSError:  # the load average is not available
        return False


def _is_free_to_choose(threads: int) -> bool:
    is_decided = {"OMP_NUM_THREADS", "WORLD_SIZE"} & {*os.environ}
    return threads > 1 and not is_decided and best_device().type == "cpu"


def _fastest_number(threads: int) -> tuple[int, float]:
    """Halve the number of threads as long as this is faster.

    Returns:
        The number, and its speed relative to all threads.
    """
    speedup = 1.0
    while threads > 1:
        seconds = _compare_speeds(threads, threads // 2)
        if seconds[0] < _LEAST_SPEEDUP * seconds[1]:
            break
        threads //= 2
        speedup *= seconds[0] / seconds[1]
    return threads, speedup


def _compare_speeds(first: int, second: int) -> tuple[float, float]:
    """Return the mean seconds of a pass with each number of threads, measured in turns."""
    seconds, passes = {first: 0.0, second: 0.0}, {first: 0, second: 0}
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(_IMAGES, _CHANNELS, _SIDE, _SIDE, generator=generator)
    images = images.contiguous(memory_format=torch.channels_last)
    scale = (9 * _CHANNELS) ** -0.5
    weights = [
        (scale * torch.randn(_CHANNELS, _CHANNELS, 3, 3, generator=generator)).requires_grad_()
        for _ in range(_LAYERS)
    ]
    for _ in range(_ROUNDS):
        for threads in (first, second):
            torch.set_num_threads(threads)
            _seconds_of_pass(images, weights)  # starts the threads
            until = time.perf_counter() + _SECONDS_PER_ROUND
            count = 0
            while count < _LEAST_PASSES or time.perf_counter() < until:
                seconds[threads] += _seconds_of_pass(images, weights)
                count += 1
            passes[threads] += count
    return seconds[first] / passes[first], seconds[second] / passes[second]


def _seconds_of_pass(images: Tensor, weights: list[Tensor]) -> float:
    """Time a few small convolutions, forward and backward."""
    start = time.perf_counter()
    maps = images
    for weight in weights:
        maps = functional.conv2d(maps, weight, padding=1).relu()
    torch.autograd.grad(maps.sum(), weights)
    return time.perf_counter() - start
