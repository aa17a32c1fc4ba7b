"""The levels of a comparison that is looked at while its seeds are added."""

from dataclasses import replace

import numpy as np
import pytest

from headstart.evaluation import ErrorParts, Looks, look_levels, verdict
from headstart.evaluation._looks import probability_to_decide
from headstart.evaluation._paired_tests import BoolArray


def parts(images: float, of_one_seed: float, seeds: int) -> ErrorParts:
    return ErrorParts(images, 0.0, of_one_seed / seeds, seeds, 10_000)


def noisy(seed: int, accuracy: float, seeds: int, n: int = 2000) -> BoolArray:
    """Return runs of one recipe that agree on most images."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random((seeds, n)) < 0.03, False, rng.random(n) < accuracy)


def test_a_single_look_has_the_whole_level() -> None:
    levels = look_levels(Looks((3,), 3), [parts(1.0, 1.0, 3)])
    assert (levels.better, levels.equivalent) == (0.05, 0.05)


def test_where_images_dominate_every_look_has_nearly_the_whole_level() -> None:
    for seeds in range(3, 9):
        looks = Looks(tuple(range(3, seeds + 1)), 8)
        levels = look_levels(looks, [parts(1.0, 1e-6, seeds)])
        assert 0.04 < levels.better <= 0.05
        assert 0.04 < levels.equivalent <= 0.05


@pytest.mark.parametrize("of_one_seed", [0.1, 1.0, 10.0])
def test_equal_contenders_are_called_different_in_5_percent_by_all_looks_together(
    of_one_seed: float,
) -> None:
    """Differences are normal with known variances, so only the levels are under test."""
    rng = np.random.default_rng(0)
    experiments = 20_000
    seeds = rng.normal(0, of_one_seed**0.5, (experiments, 8)).cumsum(axis=1)
    images = rng.normal(0, 1, experiments)
    crossed = np.zeros((2, experiments), dtype=bool)
    for count in range(3, 9):
        looks = Looks(tuple(range(3, count + 1)), 8)
        levels = look_levels(looks, [parts(1.0, of_one_seed, count)])
        z = (images + seeds[:, count - 1] / count) / (1 + of_one_seed / count) ** 0.5
        crossed[0] |= np.abs(z) > _quantile(levels.better / 2)
        crossed[1] |= z > _quantile(levels.equivalent)
    shares = crossed.mean(axis=1)
    error = (0.05 * 0.95 / experiments) ** 0.5
    assert (shares < 0.05 + 3 * error).all()
    assert (shares > 0.03).all(), "the level is spent"


def _quantile(level: float) -> float:
    from scipy.stats import norm

    return float(norm.isf(level))


def test_a_hopeless_comparison_has_a_smaller_chance_than_an_open_one() -> None:
    looks = Looks((3,), 8)
    few_images = probability_to_decide(0.002, parts(1e-4, 1e-6, 3), looks, 0.005)
    open_one = probability_to_decide(0.02, parts(1e-6, 4e-4, 3), looks, 0.005)
    equal_ones = probability_to_decide(0.0, parts(1e-7, 1e-5, 3), looks, 0.005)
    assert few_images < 0.01
    assert open_one > 0.3
    assert equal_ones > 0.8
    assert probability_to_decide(-0.02, parts(1e-6, 4e-4, 3), looks, 0.005) == open_one


def test_the_chance_is_how_often_the_last_look_decides() -> None:
    """The last look of simulated comparisons that stand alike after three seeds."""
    looks, now = Looks((3,), 8), parts(1e-6, 1.5e-4, 3)
    probability = probability_to_decide(0.012, now, looks, 0.005)
    rng = np.random.default_rng(1)
    last = now.variance(8, now.n)
    change = (now.variance(3, now.n) - last) ** 0.5
    full = Looks(tuple(range(3, 9)), 8)
    eight = ErrorParts(1e-6, 0.0, 1.5e-4 / 8, 8, now.n)
    levels = look_levels(full, [eight])
    z = np.abs(rng.normal(0.012, change, 20_000)) / last**0.5
    assert probability == pytest.approx((z > _quantile(levels.better / 2)).mean(), abs=0.05)


def test_the_sentence_says_which_look_it_is_and_what_it_needs() -> None:
    a, b = noisy(0, 0.9, 4), noisy(1, 0.7, 4)
    result = verdict({"a": a, "b": b}, Looks((3, 4), 8))
    assert result.outcome == "better"
    assert result.levels.better < 0.05
    assert "This is test 2 (interim look) of a comparison with up to 8 seeds." in result.sentence
    assert "a difference now needs p <= 0.0" in result.sentence
    assert "It is decided, so no more seeds were trained." in result.sentence
    last = verdict({"a": a, "b": b}, Looks((3, 4), 4))
    assert "no more seeds" not in last.sentence
    assert "This is test 2 (the last one) of a comparison with up to 4 seeds." in last.sentence
    second = verdict({"a": a, "b": b}, Looks((3, 4), 4, is_planned=False))
    assert "This comparison was tested before, with 3 seeds." in second.sentence
    assert second.levels.better < 0.05


def test_the_level_of_a_look_decides_not_5_percent() -> None:
    a = noisy(0, 0.9, 4, n=900)
    for seed in range(1, 200):
        b = noisy(seed, 0.87, 4, n=900)
        single = verdict({"a": a, "b": b})
        assert single.p_value is not None
        if 0.03 < single.p_value < 0.04:
            break
    looked = verdict({"a": a, "b": b}, Looks((3, 4), 8))
    assert single.outcome == "better"
    assert single.p_value is not None
    assert looked.levels.better < single.p_value
    assert (looked.outcome, looked.winner) == ("undecided", None)
    (pair,) = looked.pairs
    (expected,) = single.pairs
    # The interval of the equivalence test has its level. It decides, so it is what pages show.
    wider, usual = pair.equivalence_interval, expected.equivalence_interval
    assert wider is not None and usual is not None
    assert wider[0] < usual[0] and usual[1] < wider[1]
    assert replace(pair, equivalence_interval=usual) == expected


def test_trained_models_have_a_single_look() -> None:
    a, b = noisy(0, 0.9, 1), noisy(1, 0.7, 4)
    result = verdict({"a": a, "b": b}, Looks((3, 4), 8))
    assert (result.about, result.looks, result.levels.better) == ("models", None, 0.05)
