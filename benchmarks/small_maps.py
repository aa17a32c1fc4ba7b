"""The gradient of a 3x3 convolution's weights: oneDNN's against a matrix product of patches, by the size of the map.

    python benchmarks/small_maps.py
    ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 python benchmarks/small_maps.py

bfloat16, channels last; milliseconds, the least of 5 times 10. The second command does without AMX, as processors
do that have none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from unittest import mock

import torch
from torch import nn

from headstart.classifier import prepare_process
from headstart.models import _conv

# Images, inputs, filters, side, stride: of the presets on 28 to 32 pixels, and larger ones.
LAYERS = [
    (384, 64, 64, 4, 1),
    (384, 32, 64, 7, 2),
    (512, 128, 128, 3, 1),
    (512, 256, 256, 3, 1),
    (512, 64, 64, 6, 1),
    (512, 128, 256, 6, 1),
    (512, 128, 128, 7, 1),
    (512, 64, 64, 8, 1),
]


def milliseconds(run: Callable[[], object]) -> float:
    times = []
    for _ in range(6):
        started = time.perf_counter()
        for _ in range(10):
            run()
        times.append((time.perf_counter() - started) / 10)
    return 1000 * min(times[1:])


def main() -> None:
    prepare_process()
    print("| images, inputs, filters, side, stride | oneDNN | matrix product |\n|---|---|---|")
    for images, inputs, filters, side, stride in LAYERS:
        x = (
            torch.randn(images, inputs, side, side)
            .bfloat16()
            .contiguous(memory_format=torch.channels_last)
        )
        weight = torch.randn(filters, inputs, 3, 3, requires_grad=True)
        spent = []
        for limit in (0, side**2):
            with (
                mock.patch.object(_conv, "SMALL_MAP", limit),
                torch.autocast("cpu", torch.bfloat16),
            ):
                conv = _conv.Conv3x3(inputs, filters, stride)
                conv.weight = nn.Parameter(weight)
                found = conv(x)  # which needs no gradient of its own
            slope = torch.randn_like(found)
            spent.append(
                milliseconds(
                    lambda: torch.autograd.grad(found, conv.weight, slope, retain_graph=True)  # noqa: B023
                )
            )
        print(
            f"| {images}, {inputs}, {filters}, {side}, {stride} | {spent[0]:.2f} | {spent[1]:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
