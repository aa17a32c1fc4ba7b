"""Where and how precisely to compute: device, threads, memory kept, bfloat16 only after a self-test."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from headstart.machine import usable_cores

_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD, _M_ARENA_MAX = -3, -1, -8  # malloc.h of glibc
_BF16_TOLERANCE = 0.02  # of the largest value; bfloat16 has 8 bits of mantissa
_BF16_SPEED = 0.8  # of float32's, at least; where it is sound it is 1.5 to 8 times as fast, where it is broken a fraction
# Kernel, stride, padding, channels, filters: what our networks use. 2x2 kernels and strides were wrong in some builds of oneDNN
# (pytorch issues 163347 and 169688), whole kinds of convolutions slow in others (183815).
_TESTED = ((2, 1, 0, 1, 8), (3, 1, 1, 16, 32), (3, 2, 1, 32, 64), (3, 1, 1, 64, 64))


@cache
def prepare_process() -> None:
    """Keep freed memory instead of giving it back to the system after every layer; use the cores that this process may use.

    A small network otherwise spends much of its time in page faults. torch counts the machine's cores, also where a container
    or a scheduler gives this process fewer, and then its threads wait for each other; OMP_NUM_THREADS, where set, decides.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
        libc.mallopt(
            _M_ARENA_MAX, 1
        )  # heaps of other threads are given back as soon as they are empty
    if "OMP_NUM_THREADS" not in os.environ and usable_cores() < torch.get_num_threads():
        torch.set_num_threads(usable_cores())


@cache
def best_device() -> torch.device:
    """A CUDA or Apple GPU when there is one, else the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@dataclass(frozen=True)
class SelfTest:
    """Whether to compute in bfloat16 on this machine, and why, in a few words."""

    is_good: bool
    why: str


@cache
def self_test() -> SelfTest:
    """Try bfloat16 against float32 on the kinds of convolution that we use, forward and backward: correctness, then speed.

    Takes some tens of milliseconds. One thread and the best of several times: another busy process must not change the decision,
    and with it the weights of a seed.
    """
    device = best_device()
    if device.type == "cuda":
        has = bool(torch.cuda.is_bf16_supported(including_emulation=False))
        return SelfTest(
            has, "the GPU has bfloat16 arithmetic" if has else "the GPU has no bfloat16 arithmetic"
        )
    if device.type != "cpu":
        return SelfTest(False, f"bfloat16 is not tried on {device.type}")
    can = torch.cpu.get_capabilities()
    units = [
        name for key, name in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16")) if can.get(key)
    ]
    if not units:
        return SelfTest(False, "the processor has no bfloat16 arithmetic, and emulating it is slow")
    seconds = {False: 0.0, True: 0.0}
    with (
        _one_thread(),
        torch.inference_mode(False),
        torch.enable_grad(),
    ):  # whatever the caller is in the middle of
        for case in _TESTED:
            exact, rounded = (
                _convolved(*case, bfloat16=use, seconds=seconds) for use in (False, True)
            )
            for wanted, found in zip(exact, rounded, strict=True):
                if not (wanted - found).abs().max() <= _BF16_TOLERANCE * wanted.abs().max():
                    return SelfTest(
                        False,
                        f"bfloat16 gets a {case[0]}x{case[0]} convolution wrong on this machine",
                    )
    ratio = seconds[False] / seconds[True]
    shown = f"{units[0]}, {ratio:.1f} times as fast as float32 on four small convolutions"
    return SelfTest(
        ratio >= _BF16_SPEED, shown if ratio >= _BF16_SPEED else f"bfloat16 is slow here: {shown}"
    )


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _convolved(
    kernel: int,
    stride: int,
    padding: int,
    channels: int,
    filters: int,
    *,
    bfloat16: bool,
    seconds: dict[bool, float],
) -> list[Tensor]:
    """Output and gradients of a convolution, as float32; the best of five times is added to `seconds`."""
    numbers = torch.Generator().manual_seed(0)
    images = (
        torch.randn(32, channels, 16, 16, generator=numbers)
        .contiguous(memory_format=torch.channels_last)
        .requires_grad_()
    )
    weight = torch.randn(filters, channels, kernel, kernel, generator=numbers).requires_grad_()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            out = functional.conv2d(images, weight, None, stride, padding)
        signs = torch.ones_like(out)
        signs[:, ::2] = -1
        # Of one number: for the gradient of a tensor torch imports SymPy, which takes as long as a third of torch.
        found = [
            out.float(),
            *(part.float() for part in torch.autograd.grad((out * signs).sum(), (images, weight))),
        ]
        times.append(time.perf_counter() - start)
    seconds[bfloat16] += min(times)
    return found


def use_bfloat16(precision: Literal["auto", "float32", "bfloat16"]) -> bool:
    """Whether a run of this precision computes in bfloat16 here."""
    return precision == "bfloat16" or (precision == "auto" and self_test().is_good)
