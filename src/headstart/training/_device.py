"""Where and how precisely to compute: device, bfloat16 only after a self-test, memory kept, threads."""

from __future__ import annotations

import contextlib
import ctypes
from functools import cache
from typing import Literal

import torch
from torch.nn import functional

_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1  # malloc.h of glibc
_BF16_TOLERANCE = 0.02  # of the largest value; bfloat16 has 8 bits of mantissa


@cache
def prepare_process() -> None:
    """Keep freed memory instead of giving it back to the system after every layer.

    A small network otherwise spends much of its time in page faults.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)


@cache
def best_device() -> torch.device:
    """A CUDA or Apple GPU when there is one, else the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@cache
def bfloat16_is_good() -> bool:
    """Whether this device has bfloat16 arithmetic of its own and a convolution in it comes out right.

    Decided by what the processor says, not by a stopwatch: a noisy machine must not change the weights of a seed. Where the
    arithmetic is emulated, bfloat16 is slower than float32.
    """
    device = best_device()
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    can = torch.cpu.get_capabilities()
    if not (can.get("avx512_bf16") or can.get("amx_bf16")):
        return False
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(8, 32, 16, 16, generator=generator).contiguous(memory_format=torch.channels_last)
    filters = torch.randn(64, 32, 3, 3, generator=generator)
    exact = functional.conv2d(images, filters)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = functional.conv2d(images, filters).float()
    return bool((exact - rounded).abs().max() <= _BF16_TOLERANCE * exact.abs().max())


def use_bfloat16(precision: Literal["auto", "float32", "bfloat16"]) -> bool:
    """Whether a run of this precision computes in bfloat16 here."""
    return precision == "bfloat16" or (precision == "auto" and bfloat16_is_good())
