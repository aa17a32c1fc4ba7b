"""What depthwise convolutions cost forwards and backwards, in float32 and bfloat16, against pointwise ones.

    python benchmarks/depthwise.py

One line a layer of EfficientNet-Lite0 at 96 pixels, batch 64: milliseconds, the least of 5.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.nn import functional

from headstart.classifier import prepare_process

LAYERS = [
    (32, 48, 3, 1),
    (144, 24, 3, 1),
    (144, 24, 5, 2),
    (240, 12, 5, 1),
    (672, 6, 5, 1),
]  # channels, side, kernel, stride


def milliseconds(run: Callable[[], object]) -> float:
    times = []
    for _ in range(7):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return 1000 * min(times[2:])


def main() -> None:
    prepare_process()
    for channels, side, kernel, stride in LAYERS:
        for dtype in (torch.float32, torch.bfloat16):
            x = torch.randn(64, channels, side, side, dtype=dtype).contiguous(
                memory_format=torch.channels_last
            )
            weight = torch.randn(channels, 1, kernel, kernel, dtype=dtype)
            pad = kernel // 2
            slope = torch.randn_like(functional.conv2d(x, weight, None, stride, pad, 1, channels))

            def backward(
                wanted: list[bool], given: tuple[torch.Tensor, ...] = (slope, x, weight)
            ) -> object:
                sizes = (
                    [stride] * 2,  # noqa: B023
                    [pad] * 2,  # noqa: B023
                    [1, 1],
                    False,
                    [0, 0],
                    channels,  # noqa: B023
                )
                return torch.ops.aten.convolution_backward(*given, None, *sizes, wanted)

            forward = milliseconds(
                lambda: functional.conv2d(x, weight, None, stride, pad, 1, channels)  # noqa: B023
            )
            to_input = milliseconds(lambda: backward([True, False, False]))
            to_weight = milliseconds(lambda: backward([False, True, False]))
            print(
                f"{channels:4} channels, {side}x{side}, {kernel}x{kernel} / {stride}, {str(dtype)[6:]:8}: "
                f"forward {forward:6.1f}, to the input {to_input:6.1f}, to the weights {to_weight:6.1f} ms"
            )


if __name__ == "__main__":
    main()
