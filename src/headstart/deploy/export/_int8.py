"""Weights and activations of eight bits: a quarter of the size, faster where the processor has the instructions, less exact."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.deploy.export._onnx import INPUT, without_extra

CALIBRATION_IMAGES = 512
_BATCH = 32
# With the operations between convolutions in eight bits too, an EfficientNet-Lite0 on CIFAR-10 was twice as fast as in float by
# 64 images and lost 0.4 points; with convolutions and dense layers alone, all of them, it was slower than float and lost 5.6.
_LAYERS = ["Conv", "Gemm", "Relu", "Clip", "Add", "MaxPool", "AveragePool", "GlobalAveragePool"]


def quantise(content: bytes, images: NDArray[np.uint8]) -> bytes:
    """An ONNX file with its layers in eight bits.

    Static quantisation by ONNX Runtime: the range of each activation is measured on images, weights have a scale for each filter.
    Preprocessing, the first convolution and the last layer stay in float.

    Args:
        content: the float file.
        images: training images `(N, H, W, C)` uint8 that the ranges are measured on.
    """
    try:
        import onnx
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError:
        raise without_extra() from None
    # The quantiser reads and writes files only; these are nobody's result.
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain, prepared, done = (
            Path(scratch) / name for name in ("plain.onnx", "prepared.onnx", "done.onnx")
        )
        onnx.save(onnx.load_from_string(content), plain)
        logging.disable(logging.WARNING)
        try:
            quant_pre_process(plain, prepared, skip_symbolic_shape=True)
            quantization.quantize_static(
                prepared,
                done,
                _Images(images),
                per_channel=True,
                op_types_to_quantize=_LAYERS,
                nodes_to_exclude=_exact(onnx.load(prepared).graph.node),
            )
        finally:
            logging.disable(logging.NOTSET)
        return done.read_bytes()


def _exact(nodes: Sequence[Any]) -> list[str]:
    """Names of the nodes that stay in float."""
    dense = [place for place, node in enumerate(nodes) if node.op_type in ("Conv", "Gemm")]
    first = dense[0] + (nodes[dense[0]].op_type == "Conv")
    return [node.name for node in [*nodes[:first], nodes[dense[-1]]]]


class _Images:
    """The images as the quantiser asks for them: one batch a call, then None."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.batches: Iterator[NDArray[np.uint8]] = iter(
            np.array_split(images, max(1, len(images) // _BATCH))
        )

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self.batches, None)
        return None if batch is None else {INPUT: batch}
