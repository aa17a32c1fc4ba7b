"""Functions of logits: the single output of two classes, mirror averages and the temperature."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from headstart.classifier import (
    average_over_mirror,
    energy_score,
    expand_binary_logit,
    outputs_for,
    to_probabilities,
)
from headstart.evaluation import apply_temperature

BINARY = torch.tensor([[-3.0], [0.0], [0.5], [12.0]])


def test_two_classes_have_one_output_and_more_have_one_each() -> None:
    assert [outputs_for(classes) for classes in (2, 3, 10)] == [1, 3, 10]


@pytest.mark.parametrize("centred", [False, True])
def test_the_softmax_of_an_expanded_logit_is_its_sigmoid(centred: bool) -> None:
    probabilities = expand_binary_logit(BINARY, centred=centred).softmax(1)
    assert torch.equal(probabilities, to_probabilities(BINARY))
    assert torch.allclose(probabilities[:, 1:], BINARY.sigmoid())


def test_logits_of_more_classes_are_not_changed() -> None:
    logits = torch.tensor([[1.0, -2.0, 3.0]], dtype=torch.bfloat16)
    for centred in (False, True):
        expanded = expand_binary_logit(logits, centred=centred)
        assert expanded.dtype == torch.float32 and torch.equal(expanded, logits.float())


def test_the_energy_score_of_two_classes_treats_them_alike() -> None:
    assert torch.allclose(energy_score(BINARY), energy_score(-BINARY))
    assert energy_score(BINARY)[3] == pytest.approx(6, abs=1e-4)


def test_a_mirror_average_is_the_same_in_one_pass_and_in_two() -> None:
    def predict(images: Tensor) -> tuple[Tensor, Tensor]:
        left = images[:, 0, 0, 0]
        return left, 2 * left

    images = torch.tensor([[0.0, 4.0], [10.0, 30.0]]).reshape(2, 1, 1, 2)
    for in_one_pass in (False, True):
        mean, double = average_over_mirror(predict, images, mirror=True, in_one_pass=in_one_pass)
        assert mean.tolist() == [2, 20] and double.tolist() == [4, 40]
    (left, _) = average_over_mirror(predict, images, mirror=False)
    assert left.tolist() == [0, 10]


def test_the_temperature_is_the_same_for_arrays_and_for_tensors() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3]], np.float32)
    for temperature in (0.5, 1.0, 3.0):
        array = apply_temperature(probabilities, temperature)
        tensor = apply_temperature(torch.from_numpy(probabilities), temperature)
        assert isinstance(tensor, Tensor)
        assert np.allclose(array, tensor.numpy(), atol=1e-6)
