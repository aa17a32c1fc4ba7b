"""The device and its settings: threads, memory, and bfloat16 if a self-test passes."""

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
_TOLERANCE = 0.02  # relative to the largest value; bfloat16 has 8 bits of mantissa
# Least speed relative to float32. Where bfloat16 works, it is 1.5 to 8 times as fast. Where it is
# broken, it is many times slower.
_LEAST_SPEED = 0.8
# Kernel size, stride, padding, channels and filters of convolutions in our networks. 2x2 kernels
# and strides were wrong in some builds of oneDNN (pytorch issues 163347 and 169688). In others,
# some convolutions were slow (183815).
_TESTED_CONVOLUTIONS = ((2, 1, 0, 1, 8), (3, 1, 1, 16, 32), (3, 2, 1, 32, 64), (3, 1, 1, 64, 64))


@cache
def prepare_process() -> None:
    """Set up memory and threads of this process.

    Freed memory is kept. If it were returned to the system after every layer, a small network would
    spend much of its time in page faults.

    The number of threads is the number of usable cores, unless OMP_NUM_THREADS is set. torch counts
    all cores of the machine. If a container or a scheduler allows fewer, its threads wait for each
    other.
    """
    with contextlib.suppress(OSError, AttributeError):  # the C library is not glibc
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
        libc.mallopt(_M_ARENA_MAX, 1)  # empty heaps of other threads would be returned
    if "OMP_NUM_THREADS" not in os.environ and usable_cores() < torch.get_num_threads():
        torch.set_num_threads(usable_cores())


@cache
def best_device() -> torch.device:
    """Return a CUDA or Apple GPU if there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@dataclass(frozen=True)
class SelfTest:
    """Result of the self-test.

    Attributes:
        is_good: Whether to compute in bfloat16 on this machine.
        why: The reason, in a few words.
    """

    is_good: bool
    why: str


@cache
def self_test() -> SelfTest:
    """Compare bfloat16 with float32 on typical convolutions, forward and backward.

    First the results are compared, then the speed. This takes some tens of milliseconds. It uses
    one thread and the fastest of several runs. A busy process must not change the decision, because
    the weights of a seed depend on it.
    """
    device = best_device()
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return SelfTest(True, "the GPU has bfloat16 arithmetic")
        return SelfTest(False, "the GPU has no bfloat16 arithmetic")
    if device.type != "cpu":
        return SelfTest(False, f"bfloat16 is not tested on {device.type}")

    unit = _bfloat16_unit()
    if unit is None:
        return SelfTest(False, "the processor has no bfloat16 arithmetic, and emulating it is slow")

    seconds = {False: 0.0, True: 0.0}
    # The caller may be in inference mode, in which gradients cannot be computed.
    with _one_thread(), torch.inference_mode(False), torch.enable_grad():
        for case in _TESTED_CONVOLUTIONS:
            exact = _convolve(*case, bfloat16=False, seconds=seconds)
            rounded = _convolve(*case, bfloat16=True, seconds=seconds)
            if not _are_close(exact, rounded):
                size = f"{case[0]}x{case[0]}"
                return SelfTest(False, f"bfloat16 gets a {size} convolution wrong on this machine")

    ratio = seconds[False] / seconds[True]
    speed = f"{unit}, {ratio:.1f} times as fast as float32 on four small convolutions"
    if ratio >= _LEAST_SPEED:
        return SelfTest(True, speed)
    return SelfTest(False, f"bfloat16 is slow here: {speed}")


def _bfloat16_unit() -> str | None:
    """Return the name of the processor's bfloat16 instructions, or None."""
    capabilities = torch.cpu.get_capabilities()
    for key, name in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16")):
        if capabilities.get(key):
            return name
    return None


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _are_close(exact: list[Tensor], rounded: list[Tensor]) -> bool:
    for expected, actual in zip(exact, rounded, strict=True):
        # NaN is not close, so the comparison must not be inverted.
        if not (expected - actual).abs().max() <= _TOLERANCE * expected.abs().max():
            return False
    return True


def _convolve(
    kernel: int,
    stride: int,
    padding: int,
    channels: int,
    filters: int,
    *,
    bfloat16: bool,
    seconds: dict[bool, float],
) -> list[Tensor]:
    """Return output and gradients of a convolution, as float32.

    The fastest of five times is added to `seconds`.
    """
    generator = torch.Generator().manual_seed(0)
    images = (
        torch.randn(32, channels, 16, 16, generator=generator)
        .contiguous(memory_format=torch.channels_last)
        .requires_grad_()
    )
    weight = torch.randn(filters, channels, kernel, kernel, generator=generator).requires_grad_()

    times = []
    for _ in range(5):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            output = functional.conv2d(images, weight, None, stride, padding)
        signs = torch.ones_like(output)
        signs[:, ::2] = -1
        # The gradient is that of a scalar. For that of a tensor, torch imports SymPy, which takes a
        # third as long as importing torch.
        gradients = torch.autograd.grad((output * signs).sum(), (images, weight))
        results = [output.float(), *(gradient.float() for gradient in gradients)]
        times.append(time.perf_counter() - start)
    seconds[bfloat16] += min(times)
    return results


def use_bfloat16(precision: Literal["auto", "float32", "bfloat16"]) -> bool:
    """Return whether a run with this precision computes in bfloat16 on this machine."""
    return precision == "bfloat16" or (precision == "auto" and self_test().is_good)
