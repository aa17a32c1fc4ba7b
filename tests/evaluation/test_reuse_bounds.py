"""Bounds of the optimism of reused test images. benchmarks/evidence_selection.md simulates them."""

import numpy as np
import pytest
from scipy.stats import binom

from headstart.errors import InputError
from headstart.evaluation import reuse_optimism


@pytest.mark.parametrize("models", [1, 20])
def test_the_best_of_several_models_rarely_exceeds_the_bound(models: int) -> None:
    rng = np.random.default_rng(0)
    best = rng.binomial(300, 0.9, (2000, models)).max(axis=1)
    bounds = {count: reuse_optimism(count / 300, 300, [models]).of_selection for count in set(best)}
    held = np.mean([count / 300 - 0.9 <= bounds[count] for count in best])
    # Exact for one model: the bound fails where the binomial count is in its upper 5%.
    assert 0.935 <= held <= 0.975


def test_a_vote_weighted_by_scores_breaks_the_bound_of_selection_but_not_that_with_feedback() -> (
    None
):
    rng = np.random.default_rng(1)
    correct = np.where(rng.random((99, 1000)) < 0.5, 1, -1)
    signs = np.where(correct.sum(axis=1) >= 0, 1, -1)
    accuracy = float((signs @ correct > 0).mean())
    bound = reuse_optimism(accuracy, 1000, [1] * 100)
    assert bound.of_selection < accuracy - 0.5 < bound.of_feedback


def test_studies_that_only_pass_on_their_best_model_allow_less_than_any_feedback() -> None:
    few_studies = reuse_optimism(0.97, 1000, [20, 20])
    many_studies = reuse_optimism(0.97, 1000, [1] * 40)
    assert few_studies.of_selection == pytest.approx(many_studies.of_selection)
    assert few_studies.of_selection < few_studies.of_feedback < many_studies.of_feedback
    one_study = reuse_optimism(0.97, 1000, [40])
    assert one_study.of_feedback == pytest.approx(one_study.of_selection)


@pytest.mark.parametrize("accuracy", [0.0, 0.001, 0.5, 1.0])
def test_bounds_grow_with_the_reads_and_stay_possible(accuracy: float) -> None:
    previous = 0.0
    for models in (1, 10, 1000, 100_000):
        bound = reuse_optimism(accuracy, 300, [1] * models)
        assert previous <= bound.of_selection <= bound.of_feedback <= accuracy
        previous = bound.of_selection
    if accuracy == 1:
        lowest = 1 - reuse_optimism(1.0, 300, [1]).of_selection
        # The true accuracy with which 300 of 300 are correct in a few percent.
        assert 0.02 < binom.pmf(300, 300, lowest) < 0.3


@pytest.mark.parametrize(
    ("accuracy", "images", "models"), [(1.1, 10, [1]), (0.5, 0, [1]), (0.5, 10, []), (0.5, 10, [0])]
)
def test_impossible_counts_are_refused(accuracy: float, images: int, models: list[int]) -> None:
    with pytest.raises(InputError, match="invalid reuse"):
        reuse_optimism(accuracy, images, models)
