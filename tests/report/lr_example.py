"""A learning-rate study that is built from the models, for the tests of reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from examples import (
    Data,
    Example,
    common_fields,
    measured_difference,
    seed_spread,
    write_finding,
    write_run,
)

from headstart.results import (
    LearningRateRange,
    LearningRateResult,
    LearningRates,
    RangeTestCurve,
    RangeTests,
    SeedFailure,
    SeedScores,
)


def build_learning_rates(folder: Path, data: Data | None = None, *, seeds: int = 3) -> Path:
    """Write a learning-rate study in which 0.003 is best and 0.001 is not significantly worse.

    The first seed of 0.03 and all seeds of 0.1 diverge, so training diverges from 0.03 on.
    """
    data = data or Data()
    rates: list[LearningRateResult] = []
    for place, lr in enumerate((1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)):
        diverged = {0.1: tuple(range(seeds)), 0.03: (0,)}.get(lr, ())
        accuracy = 0.96 - 0.09 * abs(float(np.log10(lr)) + 2.6) ** 2
        finished = [seed for seed in range(seeds) if seed not in diverged]
        for seed in finished:
            run = folder / f"runs/lr-{lr:g}-seed{seed}"
            write_run(run, Example("mlp", accuracy), data, seed=seed, noise=10 * place + seed)
        scores = None
        if finished:
            accuracies = seed_spread(accuracy, seeds=len(finished))
            scores = SeedScores(accuracy=accuracies, loss=seed_spread(3.2 * (1 - accuracy), 0.02))
        rates.append(
            LearningRateResult(
                lr=lr,
                validation=scores,
                test=scores if data.has_test else None,
                runs=tuple(f"runs/lr-{lr:g}-seed{seed}" for seed in finished),
                failures=tuple(
                    SeedFailure(seed=seed, message="the loss became <infinite>.")
                    for seed in diverged
                ),
                diverged_seeds=diverged,
                is_best=lr == 0.003,
                as_good=lr in (0.001, 0.003),
                difference=None if lr in (0.003, 0.1) else measured_difference(accuracy - 0.9576),
            )
        )
    finding = LearningRates(
        **common_fields("lr", data, seeds),
        seeds=tuple(range(seeds)),
        model="mlp",
        epochs=6.0,
        optimizer="adam",
        rates=tuple(rates),
        best=0.003,
        good=LearningRateRange(low=0.001, high=0.003, decades=0.48),
        diverges_from=0.03,
        range_test=_range_tests(),
        sentence="0.003 is the best of seven learning rates.",
        notes=("1 of 3 seeds at 0.03 <diverged>.",),
    )
    return write_finding(folder, finding)


def _range_tests() -> RangeTests:
    rates = np.geomspace(1e-5, 1, 60)
    losses = 2.3 - 1.9 / (1 + (2e-3 / rates) ** 1.5)
    losses += np.where(rates > 0.05, 0.3 * (rates / 0.05) ** 2, 0)
    repeats = tuple(
        RangeTestCurve(
            rates=tuple(rates.tolist()),
            losses=tuple((losses + 0.03 * repeat).tolist()),
            steepest=0.002,
            minimum=0.03,
        )
        for repeat in range(3)
    )
    return RangeTests(
        repeats=repeats,
        suggested=0.002,
        agrees=True,
        beyond_grid=False,
        sentence="A range test suggests 0.002, which is not significantly worse.",
    )
