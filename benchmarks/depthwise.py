"""Measure depthwise convolutions in float32 and bfloat16, forward and backward.

    python benchmarks/depthwise.py

Prints one line per layer of EfficientNet-Lite0 at 96 pixels with a batch size of 64. Times are in
milliseconds, the minimum of 5.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.nn import functional

from headstart.classifier import prepare_process

# Channels, map size, kernel, stride.
LAYERS = [
    (32, 48, 3, 1),
    (144, 24, 3, 1),
    (144, 24, 5, 2),
    (240, 12, 5, 1),
    (672, 6, 5, 1),
]


def milliseconds(run: Callable[[], object]) -> float:
    """Return the minimum time of five calls, after two warm-up calls."""
    times = []
    for _ in range(7):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return 1000 * min(times[2:])


def main() -> None:
    prepare_process()
    for channels, size, kernel, stride in LAYERS:
        for dtype in (torch.float32, torch.bfloat16):
            x = torch.randn(64, channels, size, size, dtype=dtype).contiguous(
                memory_format=torch.channels_last
            )
            weight = torch.randn(channels, 1, kernel, kernel, dtype=dtype)
            pad = kernel // 2
            gradient = torch.randn_like(
                functional.conv2d(x, weight, None, stride, pad, 1, channels)
            )

            def backward(
                output_mask: list[bool], inputs: tuple[torch.Tensor, ...] = (gradient, x, weight)
            ) -> object:
                sizes = (
                    [stride] * 2,  # noqa: B023
                    [pad] * 2,  # noqa: B023
                    [1, 1],
                    False,
                    [0, 0],
                    channels,  # noqa: B023
                )
                return torch.ops.aten.convolution_backward(*inputs, None, *sizes, output_mask)

            forward = milliseconds(
                lambda: functional.conv2d(x, weight, None, stride, pad, 1, channels)  # noqa: B023
            )
            to_input = milliseconds(lambda: backward([True, False, False]))
            to_weight = milliseconds(lambda: backward([False, True, False]))
            layer = f"{channels:4} channels, {size}x{size}, {kernel}x{kernel} / {stride}"
            print(
                f"{layer}, {str(dtype)[6:]:8}: forward {forward:6.1f}, "
                f"gradient of the input {to_input:6.1f}, of the weights {to_weight:6.1f} ms"
            )


if __name__ == "__main__":
    main()
