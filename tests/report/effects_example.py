"""An effects study that is built from the models, for the tests of reports."""

from __future__ import annotations

from pathlib import Path

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
    EffectResult,
    Effects,
    FitDiagnosis,
    UnchangedRecipe,
)


def build_effects(folder: Path, data: Data | None = None, *, seeds: int = 3) -> Path:
    """Write an effects study with all outcomes; one change reduces the model to guessing."""
    data = data or Data()
    results = (
        ("dropout", 0.2, 0.0, "helps", 0.012),
        ("dropout", 0.5, 0.0, "hurts", -0.031),
        ("nodes", 32, 128, "hurts", -0.02),
        ("nodes", 512, 128, "helps", 0.015),
        ("activation", "tanh", "relu", "undecided", -0.001),
        ("activation", "gelu", "relu", "undecided", 0.002),
        ("optimizer", "momentum", "adam", "hurts", -0.31),
        ("optimizer", "rmsprop", "adam", "failed", None),
    )
    effects: list[EffectResult] = []
    for place, (name, value, baseline_value, outcome, difference) in enumerate(results):
        runs = [f"runs/{name}-{value}-seed{seed}" for seed in range(seeds)]
        if difference is None:
            runs = []
        for seed, run in enumerate(runs):
            accuracy = 0.94 + (difference or 0.0)
            write_run(folder / run, Example("mlp", accuracy), data, noise=10 * place + seed)
        has_runs = difference is not None
        measured = measured_difference(difference or 0.0)
        effects.append(
            EffectResult(
                hyperparameter=name,
                value=value,
                label=f"{name} {value}",
                baseline_value=baseline_value,
                accuracy=seed_spread(0.94 + (difference or 0.0), seeds=seeds) if has_runs else None,
                loss=seed_spread(0.2, 0.02) if has_runs else None,
                difference=difference,
                interval=measured.interval if has_runs else None,
                p_adjusted=measured.p_adjusted if has_runs else None,
                smallest_detectable=0.006 if has_runs else None,
                outcome=outcome,
                runs=tuple(runs),
                failures=() if has_runs else ("seed 0: the loss became <infinite>.",),
                fit=_fit("fits well: training 95.0%, validation 94.0%") if has_runs else None,
            )
        )
    baseline_runs = [f"runs/baseline-seed{seed}" for seed in range(seeds)]
    for seed, run in enumerate(baseline_runs):
        write_run(folder / run, Example("mlp", 0.94), data, seed=seed, noise=seed)
    finding = Effects(
        **common_fields("effects", data, seeds),
        seeds=tuple(range(seeds)),
        model="mlp",
        epochs=6.0,
        baseline=UnchangedRecipe(
            recipe={"lr": 0.001, "dropout": 0.0, "nodes": 128},
            accuracy=seed_spread(0.94, seeds=seeds),
            loss=seed_spread(0.2, 0.02),
            runs=tuple(baseline_runs),
            fit=_fit("overfits (variance): training 98.0%, validation 94.0%"),
        ),
        effects=tuple(effects),
        sentence="2 of 8 changes help mlp on digits, 3 hurt.",
        notes=("optimizer rmsprop failed at every seed.",),
    )
    return write_finding(folder, finding)


def _fit(summary: str) -> FitDiagnosis:
    return FitDiagnosis(summary=summary, train_accuracy=0.98, validation_accuracy=0.94, gap=0.04)
