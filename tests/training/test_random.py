"""What a step draws follows from the seed and its number alone."""

from __future__ import annotations

import torch

from headstart.training._random import derive_seed, make_generator


def test_every_seed_purpose_and_step_has_its_own_numbers() -> None:
    seeds = {
        derive_seed(seed, purpose, step)
        for seed in range(20)
        for purpose in ("order", "dropout")
        for step in range(50)
    }
    assert len(seeds) == 20 * 2 * 50


def test_the_same_step_draws_the_same_numbers_whatever_was_drawn_before() -> None:
    first = torch.rand(5, generator=make_generator(3, "augmentation", 17))
    torch.rand(100, generator=make_generator(3, "augmentation", 16))
    assert torch.equal(first, torch.rand(5, generator=make_generator(3, "augmentation", 17)))
