"""Coverage, power and error rates by simulation: a small version of benchmarks/evidence.md."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from headstart.evaluation import (
    accuracy_interval,
    mid_p_mcnemar,
    minimum_detectable_effect,
    paired_bootstrap,
    recipe_test,
    verdict,
)
from headstart.evaluation._paired_tests import BoolArray

ROOT = Path(__file__).parents[2]


def two_recipes(
    rng: np.random.Generator,
    seeds: int,
    n: int,
    accuracies: tuple[float, float],
    interaction: float = 0.15,
    seed_sd: float = 0.0,
) -> tuple[BoolArray, BoolArray]:
    """Simulate the correct predictions of two recipes, each of shape (seeds, n).

    Args:
        rng: Generator of the simulation.
        seeds: Number of seeds.
        n: Number of images.
        accuracies: True accuracies.
        interaction: Variance of a latent score per image and recipe.
        seed_sd: Standard deviation of the accuracy over seeds.
    """
    ease = rng.normal(0, (0.85 - interaction) ** 0.5, n)
    recipes = []
    for accuracy in accuracies:
        z = norm.ppf(accuracy)
        latent_sd = seed_sd / norm.pdf(z)
        per_image = ease + rng.normal(0, interaction**0.5, n)
        per_run = rng.normal(0, 0.15**0.5, (seeds, n)) + rng.normal(0, latent_sd, (seeds, 1))
        recipes.append(np.asarray(per_image + per_run + z * (1 + latent_sd**2) ** 0.5 > 0))
    return recipes[0], recipes[1]


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_intervals_of_an_accuracy_have_a_coverage_of_about_95_percent(seeds: int) -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        low, high = accuracy_interval(two_recipes(rng, seeds, 500, (0.9, 0.9))[0])
        covered += low <= 0.9 <= high
    assert 0.925 <= covered / 400 <= 0.975


@pytest.mark.parametrize(
    ("seeds", "interaction", "seed_sd"),
    [(1, 0.15, 0.0), (3, 0.15, 0.0), (3, 0.15, 0.01), (5, 0.02, 0.005)],
)
def test_intervals_of_a_difference_have_a_coverage_of_about_95_percent(
    seeds: int, interaction: float, seed_sd: float
) -> None:
    """With the noise of single predictions counted twice, the coverage is 98% to 99%."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        a, b = two_recipes(rng, seeds, 500, (0.9, 0.88), interaction, seed_sd)
        low, high = (
            paired_bootstrap(a, b, resamples=1000) if seeds == 1 else recipe_test(a, b).interval
        )
        covered += low <= 0.02 <= high
    assert 0.925 <= covered / 400 <= 0.979


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_the_minimum_detectable_effect_is_detected_with_a_power_of_about_80_percent(
    seeds: int,
) -> None:
    rng = np.random.default_rng(2)
    effects = []
    for _ in range(30):
        a, b = two_recipes(rng, seeds, 1000, (0.9, 0.86))
        discordant = int((a[0] != b[0]).sum())
        effects.append(
            minimum_detectable_effect(discordant, 1000, form="mid-p")
            if seeds == 1
            else recipe_test(a, b).smallest_detectable
        )
    difference = float(np.median(effects))
    significant = 0
    for _ in range(200):
        a, b = two_recipes(rng, seeds, 1000, (0.9, 0.9 - difference))
        significant += (
            mid_p_mcnemar(a[0], b[0]) if seeds == 1 else recipe_test(a, b)
        ).p_value <= 0.05
    assert 0.70 <= significant / 200 <= 0.90


@pytest.mark.parametrize(("seeds", "interaction"), [(1, 0.15), (2, 0.0), (3, 0.0), (5, 0.0)])
def test_a_recipe_is_rarely_significantly_better_than_itself(
    seeds: int, interaction: float
) -> None:
    """Compare single runs as models, which differ per image if there is an interaction."""
    rng = np.random.default_rng(3)
    pairs = [
        two_recipes(rng, seeds, 500, (0.9, 0.9), interaction, seed_sd=0.005 * (seeds > 1))
        for _ in range(200)
    ]
    p_values = [
        (mid_p_mcnemar(a[0], b[0]) if seeds == 1 else recipe_test(a, b)).p_value for a, b in pairs
    ]
    # The mid-p form is close to its level: 0.05 and two standard errors of 200 pairs.
    assert np.mean(np.array(p_values) <= 0.05) <= (0.08 if seeds == 1 else 0.05)
    for index in np.argsort(p_values)[:4]:  # the pairs that come closest to a winner
        a, b = pairs[index]
        assert (verdict({"cnn": a, "cnn again": b}).winner is not None) == (p_values[index] <= 0.05)


def test_the_evidence_suite_runs_every_script_of_its_pages_and_not_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    scripts = {
        command.split()[0]
        for command in importlib.import_module("evidence_suite").listed_commands()
    }
    assert {"benchmarks/evidence.py", "benchmarks/evidence_sets.py"} < scripts
    assert "benchmarks/evidence_suite.py" not in scripts, "it would start itself without end"
    assert all((ROOT / script).is_file() for script in scripts)
