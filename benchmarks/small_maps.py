"""Compare oneDNN and a matrix product for the weight gradient of a 3x3 convolution, by map size.

    python benchmarks/small_maps.py
    ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 python benchmarks/small_maps.py

bfloat16, channels last. Times are in milliseconds, the minimum of 5 means of 10. The second command
disables AMX, to represent processors without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from unittest import mock

import torch
from torch import nn

from headstart.classifier import prepare_process
from headstart.models.fused import _conv3x3

# Images, input channels, filters, map size, stride. These are the layers of the presets at 28 to 32
# pixels, and larger ones.
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
    """Return the minimum of five means of ten calls, after ten warm-up calls."""
    times = []
    for _ in range(6):
        started = time.perf_counter()
        for _ in range(10):
            run()
        times.append((time.perf_counter() - started) / 10)
    return 1000 * min(times[1:])


def main() -> None:
    prepare_process()
    print("| images, input channels, filters, map size, stride | oneDNN | matrix product |")
    print("|---|---|---|")
    for images, inputs, filters, size, stride in LAYERS:
        x = (
            torch.randn(images, inputs, size, size)
            .bfloat16()
            .contiguous(memory_format=torch.channels_last)
        )
        weight = torch.randn(filters, inputs, 3, 3, requires_grad=True)
        times = []
        for limit in (0, size**2):
            with (
                mock.patch.object(_conv3x3, "SMALL_MAP", limit),
                torch.autocast("cpu", torch.bfloat16),
            ):
                conv = _conv3x3.Conv3x3(inputs, filters, stride)
                conv.weight = nn.Parameter(weight)
                output = conv(x)  # the input does not need a gradient
            gradient = torch.randn_like(output)
            times.append(
                milliseconds(
                    partial(torch.autograd.grad, output, conv.weight, gradient, retain_graph=True)
                )
            )
        onednn, product = times
        print(
            f"| {images}, {inputs}, {filters}, {size}, {stride} | {onednn:.2f} | {product:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
