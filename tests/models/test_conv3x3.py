"""The 3x3 convolution with a fast weight gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from headstart.models.fused._conv3x3 import Conv3x3

CAPABILITIES = torch.cpu.get_capabilities()
COMPUTES_IN_BFLOAT16 = any(CAPABILITIES.get(name) for name in ("avx512_bf16", "amx_bf16"))


def _run(conv: nn.Conv2d, images: Tensor) -> list[Tensor]:
    """Return the output and the gradients of input and weights, in float32."""
    x = images.clone().requires_grad_()
    conv.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        y = conv(x)
    (y.float() * torch.arange(y.numel()).view_as(y).sin()).sum().backward()
    assert x.grad is not None and conv.weight.grad is not None
    return [y.float(), x.grad, conv.weight.grad.clone()]


def relative_error(values: Tensor, expected: Tensor) -> float:
    """Return the largest error relative to the largest value."""
    return float((values - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize(
    ("size", "stride", "images"),
    [(4, 1, 8), (4, 1, 7), (7, 2, 6), (8, 2, 1), (3, 1, 5), (2, 1, 4), (1, 1, 3)],
)
def test_gradients_by_matrix_product_are_those_of_the_convolution(
    size: int, stride: int, images: int
) -> None:
    torch.manual_seed(0)
    ours, plain = Conv3x3(16, 24, stride), nn.Conv2d(16, 24, 3, stride, 1, bias=False)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(images, 16, size, size).contiguous(memory_format=torch.channels_last)
    output, input_gradient, weight_gradient = _run(ours, x)
    expected_output, expected_input_gradient, expected_weight_gradient = _run(plain, x)
    assert torch.equal(output, expected_output)
    # Two halves of the weight gradient are rounded to bfloat16 separately.
    largest_error = 0.01
    if COMPUTES_IN_BFLOAT16:
        assert torch.equal(input_gradient, expected_input_gradient)
    else:  # emulation rounds sums at other places: up to 0.012 on an EPYC with AVX2
        largest_error = 0.02
        assert relative_error(input_gradient, expected_input_gradient) <= largest_error
    assert relative_error(weight_gradient, expected_weight_gradient) <= largest_error


def test_the_matrix_product_is_used_only_for_small_maps_in_training_in_bfloat16() -> None:
    conv, small, large = Conv3x3(4, 4), torch.randn(2, 4, 4, 4), torch.randn(2, 4, 5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert "ByMatrixProduct" in type(conv(small).grad_fn).__name__
        assert "ByMatrixProduct" not in type(conv(large).grad_fn).__name__
        assert "ByMatrixProduct" not in type(conv.eval()(small).grad_fn).__name__
    assert "ByMatrixProduct" not in type(conv.train()(small).grad_fn).__name__
