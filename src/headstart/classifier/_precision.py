"""Precision of the arithmetic: bfloat16 only where a test shows that it is correct and fast."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from headstart import store
from headstart.classifier._device import best_device
from headstart.errors import HeadstartError
from headstart.machine import processor_name

Precision = Literal["auto", "float32", "bfloat16"]
DecidedPrecision = Literal["float32", "bfloat16"]

# Tolerance relative to the largest value; bfloat16 has 8 bits of mantissa.
_TOLERANCE = 0.02

# Least speed relative to float32. Sound builds are 1.5 to 8 times as fast, broken ones several
# times slower.
_LEAST_SPEEDUP = 0.8

# Kernel size, stride, padding, channels, filters: what our networks use. 2x2 kernels and strides
# were wrong in some builds of oneDNN (pytorch issues 163347 and 169688); whole kinds of
# convolutions were slow in others (183815).
_TESTED = ((2, 1, 0, 1, 8), (3, 1, 1, 16, 32), (3, 2, 1, 32, 64), (3, 1, 1, 64, 64))
_REPEATS = 5
# A build counts as slow after this many rounds. Another process can hold the core for a whole round
# of some 50 ms: one of about 3,500 tests beside a busy machine met that.
_ROUNDS = 4

_BFLOAT16_UNITS = (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16"))
_FILE_VERSION = 1


@dataclass(frozen=True)
class Bfloat16Decision:
    """The decision between bfloat16 and float32 on this machine.

    Attributes:
        is_used: Whether precision "auto" means bfloat16.
        reason: The reason, in a few words.
    """

    is_used: bool
    reason: str


@cache
def decide_bfloat16() -> Bfloat16Decision:
    """Decide whether precision "auto" means bfloat16 on this machine.

    On a CPU with bfloat16 instructions, convolutions are tested forward and backward for
    correctness, then for speed. That takes some tens of milliseconds. A timing can come out
    differently while other processes are busy, and with it the weights of a seed. The first process
    that decides therefore keeps its decision in the cache folder, and all later processes of this
    machine read it.
    """
    device = best_device()
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Bfloat16Decision(True, "the GPU has bfloat16 arithmetic")
        return Bfloat16Decision(False, "the GPU has no bfloat16 arithmetic")
    if device.type != "cpu":
        return Bfloat16Decision(False, f"bfloat16 is not tried on {device.type}")

    capabilities = torch.cpu.get_capabilities()
    units = [name for key, name in _BFLOAT16_UNITS if capabilities.get(key)]
    if not units:
        return Bfloat16Decision(
            False, "the processor has no bfloat16 arithmetic, and emulating it is slow"
        )
    return _decide_once(units)


def use_bfloat16(precision: Precision) -> bool:
    """Return whether a run of this precision computes in bfloat16 on this machine."""
    return decide_precision(precision) == "bfloat16"


def decide_precision(precision: Precision) -> DecidedPrecision:
    """Return the precision that "auto" stands for on this machine; other values unchanged."""
    if precision != "auto":
        return precision
    return "bfloat16" if decide_bfloat16().is_used else "float32"


def _decide_once(units: list[str]) -> Bfloat16Decision:
    """Return the kept decision of this machine, or test now and keep the result.

    Only one process tests at a time, so that two tests do not slow each other down. Where the cache
    folder cannot be written, the decision holds for this process only.
    """
    path = _decision_file(units)
    if (kept := _read_decision(path)) is not None:
        return kept
    try:
        with store.claim(path.parent, wait=True):
            kept = _read_decision(path)
            if kept is None:
                kept = _test_bfloat16(units)
                store.write_json(path, asdict(kept))
            return kept
    except HeadstartError:
        return _test_bfloat16(units)


def _decision_file(units: list[str]) -> Path:
    """Return the file of the decision, named by everything that it depends on.

    The number of threads is not part of it: the test uses one thread, and all processes of a study
    must agree, whatever their threads are.
    """
    key = [_FILE_VERSION, processor_name(), units, torch.__version__]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    return store.cache_folder() / "precision" / f"{digest}.json"


def _read_decision(path: Path) -> Bfloat16Decision | None:
    """Return the decision in `path`; None if the file is missing or damaged."""
    content = store.read_json_or(path, None)
    if not isinstance(content, dict) or set(content) != {"is_used", "reason"}:
        return None
    if not isinstance(content["is_used"], bool) or not isinstance(content["reason"], str):
        return None
    return Bfloat16Decision(**content)


def _test_bfloat16(units: list[str]) -> Bfloat16Decision:
    """Test bfloat16 against float32 on convolutions like those of our networks."""
    for _ in range(_ROUNDS):
        wrong_size, speedup = _compare_convolutions()
        if wrong_size is not None:
            size = f"{wrong_size}x{wrong_size}"
            return Bfloat16Decision(
                False, f"bfloat16 gets a {size} convolution wrong on this machine"
            )
        measured = f"{units[0]}, {speedup:.1f} times as fast as float32 on four small convolutions"
        if speedup >= _LEAST_SPEEDUP:
            return Bfloat16Decision(True, measured)
    return Bfloat16Decision(False, f"bfloat16 is slow here: {measured}")


def _compare_convolutions() -> tuple[int | None, float]:
    """Return the kernel size of a wrong convolution, or None; and the speed relative to float32."""
    float32_seconds, bfloat16_seconds = 0.0, 0.0

    # The caller may be in the middle of anything, also of a block without gradients.
    with _one_thread(), torch.inference_mode(False), torch.enable_grad():
        for case in _TESTED:
            expected, seconds = _convolve(*case, bfloat16=False)
            float32_seconds += seconds
            rounded, seconds = _convolve(*case, bfloat16=True)
            bfloat16_seconds += seconds

            for exact, approximate in zip(expected, rounded, strict=True):
                error = (exact - approximate).abs().max()
                if not error <= _TOLERANCE * exact.abs().max():
                    return case[0], 0.0
    return None, float32_seconds / bfloat16_seconds


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _convolve(
    kernel_size: int, stride: int, padding: int, channels: int, filters: int, *, bfloat16: bool
) -> tuple[list[Tensor], float]:
    """Run one convolution forward and backward.

    Returns:
        The output and the gradients of images and weights, as float32; and the seconds of the
        fastest of five repetitions.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(32, channels, 16, 16, generator=generator)
    images = images.contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(filters, channels, kernel_size, kernel_size, generator=generator)
    weight.requires_grad_()

    tensors: list[Tensor] = []
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            output = functional.conv2d(images, weight, None, stride, padding)
        signs = torch.ones_like(output)
        signs[:, ::2] = -1
        # The gradient of a scalar: for that of a tensor torch imports SymPy, which takes as long as
        # a third of torch.
        gradients = torch.autograd.grad((output * signs).sum(), (images, weight))
        tensors = [output.float(), *(gradient.float() for gradient in gradients)]
        times.append(time.perf_counter() - start)
    return tensors, min(times)
