"""What a recipe costs before anybody pays for it, and the range test of its learning rate."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from headstart.data import Dataset, Split, SplitDataset
from headstart.models.recipes import make_recipe
from headstart.training import (
    RunTimer,
    count_work,
    expected_seconds,
    network_layers,
    range_test,
)

IntArray = NDArray[np.int64]


@pytest.mark.parametrize("model", ["mlp", "cnn", "cnn-fashion-small"])
def test_multiply_adds_are_those_of_the_network_that_learns(
    digits: Dataset, small: Split, model: str
) -> None:
    recipe = make_recipe(model)
    layers: list[dict[str, Any]] = network_layers(recipe, SplitDataset(digits, small))
    assert count_work(recipe, digits).image == sum(layer["multiply_adds"] for layer in layers)


def test_muon_and_a_larger_network_make_a_step_dearer(digits: Dataset) -> None:
    steps = [
        count_work(make_recipe("mlp", {"optimizer": optimizer, "nodes": nodes}), digits).step
        for optimizer, nodes in (("adam", 64), ("adam", 512), ("muon", 512))
    ]
    assert steps == sorted(steps) and steps[2] - steps[1] == 3 * (
        2 * 64**2 * 512 + 64**3 + 3 * 512**3
    )


def test_a_longer_run_is_expected_to_take_longer(digits: Dataset, small: Split) -> None:
    short, long = (
        expected_seconds(make_recipe("mlp", {"epochs": epochs}), SplitDataset(digits, small))
        for epochs in (5, 500)
    )
    assert 0 < short < long


def test_predictions_are_timed_on_a_whole_batch_also_where_a_few_images_are_slow(
    digits: Dataset, small: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call takes 0.1 s whatever it holds, as on a busy machine."""
    timer = RunTimer(make_recipe("mlp", {"batch": 64}), SplitDataset(digits, small))
    sizes = []

    def slow(_: object, classifier: object, rows: IntArray) -> None:
        sizes.append(len(rows))
        time.sleep(0.1)

    monkeypatch.setattr(type(timer._inputs), "probabilities", slow)
    timer.measure()
    assert len(small.validation) + len(small.test) >= 64
    assert sizes == [16, 64]


def test_a_range_test_ends_where_the_loss_explodes_and_leaves_random_numbers_alone(
    digits: Dataset, small: Split
) -> None:
    recipe = make_recipe("mlp", {"optimizer": "sgd", "batch": 32})
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    found, again, other = (
        range_test(recipe, SplitDataset(digits, small), seed) for seed in (0, 0, 1)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert found == again and found != other
    assert np.allclose(np.diff(np.log(found.rates)), np.log(10 / 1e-6) / 99)
    assert found.losses[-1] > 2 * min(found.losses) and len(found.rates) < 100
    assert 1e-4 < found.steepest < 10 and found.minimum < found.rates[int(np.argmin(found.losses))]
