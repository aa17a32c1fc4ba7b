"""Functions of logits: expansion for two classes, probabilities, energy scores, mirror averages.

A network for two classes has one output: the logit of the second class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def outputs_for(classes: int) -> int:
    """Return the number of outputs of a network: one for two classes, else one per class."""
    return 1 if classes == 2 else classes


def expand_binary_logit(logits: Tensor, *, centred: bool = False) -> Tensor:
    """Return one logit per class, `(N, K)` float32.

    A single output z becomes (0, z), or (-z/2, z/2) if `centred`. The softmax of both is the
    sigmoid of z. Logits of more classes are returned unchanged.

    Args:
        logits: `(N, K)`, or `(N, 1)` for two classes.
        centred: Return two logits of opposite sign, so that their energy score treats both classes
            alike.
    """
    logits = logits.float()
    if logits.shape[1] > 1:
        return logits
    if centred:
        return torch.cat([-logits, logits], 1) / 2
    return torch.cat([torch.zeros_like(logits), logits], 1)


def to_probabilities(logits: Tensor) -> Tensor:
    """Return class probabilities.

    They are the softmax of the logits, also for the single output of two classes. Calibration takes
    logarithms, and one minus a sigmoid rounds to 0. The sigmoid of ONNX Runtime is 0 below -18.

    Args:
        logits: Float tensor of shape (N, K), or (N, 1) for two classes.

    Returns:
        Float32 tensor of shape (N, K).
    """
    return expand_binary_logit(logits, centred=True).softmax(1)


def energy_score(logits: Tensor) -> Tensor:
    """Return the energy score of each image: the logsumexp of its logits.

    A low score means that the image is unlike the training images. The sign is that of the negative
    energy.

    Args:
        logits: Float tensor of shape (N, K).

    Returns:
        Float tensor of shape (N,).

    References:
        Liu et al. (2020), arXiv:2010.03759.
    """
    return expand_binary_logit(logits, centred=True).logsumexp(1)


def sum_tensors(tensors: Sequence[Tensor]) -> Tensor:
    """Return the sum of one or more tensors of the same shape."""
    total = tensors[0]
    for tensor in tensors[1:]:
        total = total + tensor
    return total


def average_over_mirror(
    predict: Callable[[Tensor], tuple[Tensor, ...]],
    images: Tensor,
    *,
    mirror: bool,
    in_one_pass: bool = False,
) -> tuple[Tensor, ...]:
    """Return the outputs of `predict`, averaged over images and their mirror images.

    Args:
        predict: A function from images to one or more outputs, each with one row per image.
        images: `(N, C, H, W)`.
        mirror: False returns `predict(images)` unchanged.
        in_one_pass: Predict both views as one batch. This halves an exported graph, and doubles the
            memory.
    """
    if not mirror:
        return predict(images)

    mirrored = images.flip(3)
    if in_one_pass:
        n = images.shape[0]
        both = predict(torch.cat([images, mirrored]))
        return tuple((output[:n] + output[n:]) / 2 for output in both)

    pairs = zip(predict(images), predict(mirrored), strict=True)
    return tuple((output + of_mirrored) / 2 for output, of_mirrored in pairs)
