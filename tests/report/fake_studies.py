"""Study folders as `tune`, `lr`, `labels`, `effects` and `backbones` leave them, with made-up numbers: nothing is trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fake_study import DIGITS, Fake, dataset_facts, make_run, make_study

from headstart.evaluation import accuracy_interval
from headstart.models.recipes import make_recipe
from headstart.studies import _backbones
from headstart.studies._contenders import Contender, folder_name
from headstart.studies._label_matching import findings

Json = dict[str, Any]
SPACE: Json = {
    "lr": {"low": 1e-4, "high": 0.1, "log": True},
    "layers": {"low": 1, "high": 4, "log": False},
    "nodes": [32, 64, 128, 256, 512],
    "activation": ["relu", "tanh", "gelu"],
    "dropout": {"low": 0.0, "high": 0.5, "log": False},
    "optimizer": ["adam", "momentum", "rmsprop"],
}
DEFAULTS: Json = {
    "lr": 0.001,
    "layers": 2,
    "nodes": 128,
    "activation": "relu",
    "dropout": 0.0,
    "optimizer": "adam",
}
RUNGS = (1.8, 5.4, 16.0)
CURVES = {"cnn": (0.10, 0.25), "efficientnet-lite0": (0.45, 0.10)}
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
KNOBS: dict[str, Sequence[Any]] = {
    "dropout": (0.2, 0.5),
    "nodes": (32, 512),
    "activation": ("tanh", "gelu"),
    "optimizer": ("momentum", "rmsprop"),
}


def make_tune(
    folder: Path,
    *,
    searched: int = 24,
    class_names: Sequence[str] = DIGITS,
    seeds: int = 2,
    **changes: Any,
) -> Path:
    """Write a tune study: a comparison of "tuned" and "defaults", and the search before it; `changes` go into the finding."""
    make_study(
        folder,
        [Fake("tuned", 0.968), Fake("defaults", 0.951)],
        class_names=class_names,
        seeds=seeds,
        winner="tuned",
    )
    finding = json.loads((folder / "finding.json").read_text())
    rng = np.random.default_rng(5)
    tried = [_trial(number, rng) for number in range(searched)]
    done = sorted(
        (one for one in tried if one["state"] == "done"),
        key=lambda one: (-len(one["rungs"]), one["rungs"][-1]["loss"]),
    )
    done[0]["is_best"] = done[0]["is_tie"] = done[1]["is_tie"] = True
    finding |= {
        "study": "tune",
        "command": "headstart tune digits --model mlp --time-limit 5m",
        "model": "mlp",
        "best": done[0]["values"],
        "defaults": DEFAULTS,
        "run": finding["contenders"][0]["runs"][0],
        "optimism": {"best_validation": 0.971, "test": 0.968, "gap": 0.003},
        "trials": tried,
        "history": _history(tried),
        "importance": {
            "lr": 0.61,
            "nodes": 0.2,
            "optimizer": 0.09,
            "layers": 0.05,
            "dropout": 0.03,
            "activation": 0.02,
        },
        "space": SPACE,
        "rungs": [
            {"epochs": epochs, "trials": sum(len(one["rungs"]) > k for one in tried)}
            for k, epochs in enumerate(RUNGS)
        ],
        "seconds": {"total": 294.1, "search": 201.0, "final": 93.1},
        "sentences": [
            f"The best of {searched} trials is number {done[0]['number']}; 1 other is as good within noise.",
            "Validation chose it at 97.1%; on test it has 96.8%, so 0.3 points of the score were optimism.",
        ],
    }
    return _written(folder, finding | changes)


def _trial(number: int, rng: np.random.Generator) -> Json:
    drawn = {
        "lr": float(10 ** rng.uniform(-4, -1)),
        "layers": int(rng.integers(1, 5)),
        "nodes": int(rng.choice(SPACE["nodes"])),
        "activation": str(rng.choice(SPACE["activation"])),
        "dropout": float(rng.uniform(0, 0.5)),
        "optimizer": str(rng.choice(SPACE["optimizer"])),
    }
    values: Json = DEFAULTS if number == 0 else drawn
    reason = {5: "not finite", 9: "memory"}.get(number)
    distance = abs(np.log10(values["lr"]) + 2.6) + 0.2 * (values["nodes"] < 100)
    reached = 0 if reason else 3 if distance < 0.45 or number == 0 else 2 if distance < 0.9 else 1
    losses = [
        (0.1 + 0.5 * distance**1.5) * (1 + 0.6 / (rung + 1)) + rng.uniform(0, 0.02)
        for rung in range(reached)
    ]
    return {
        "number": number,
        "values": values,
        "state": "failed" if reason else "unfinished" if number == 23 else "done",
        "reason": reason,
        "message": "the loss became infinite at step 40 <b>" if reason == "not finite" else "",
        "rungs": [
            {
                "epochs": RUNGS[rung],
                "loss": float(loss),
                "accuracy": float(max(0.1, 0.99 - loss / 4)),
                "seconds": 2.0 * RUNGS[rung],
                "run": f"runs/trial-{number:04d}-rung{rung}",
            }
            for rung, loss in enumerate(losses)
        ],
        "is_tie": False,
        "is_best": False,
        "is_default": number == 0,
    }


def _history(trials: list[Json]) -> list[Json]:
    out: list[Json] = []
    seconds, best = 0.0, {"accuracy": 0.0, "loss": 9.0}
    for rung in range(len(RUNGS)):
        for trial in trials:
            if len(trial["rungs"]) > rung:
                reached = trial["rungs"][rung]
                seconds += reached["seconds"]
                best = min(best, reached, key=lambda one: one["loss"])
                scores = {
                    "best_validation": best["accuracy"],
                    "best_loss": best["loss"],
                    "trial": trial["number"],
                }
                out.append({"seconds": seconds, "epochs": reached["epochs"], **scores})
    return out


def make_lr(
    folder: Path,
    *,
    seeds: int = 3,
    test: bool = True,
    class_names: Sequence[str] = DIGITS,
    **changes: Any,
) -> Path:
    """Write a learning-rate study in which 0.003 is best, 0.001 as good, one seed of 0.03 and all of 0.1 diverge."""
    rates = []
    for place, lr in enumerate(RATES):
        gone = {0.1: range(seeds), 0.03: [0]}.get(lr, [])
        accuracy = 0.96 - 0.09 * abs(np.log10(lr) + 2.6) ** 2
        ok = [seed for seed in range(seeds) if seed not in gone]
        runs = [f"runs/lr-{lr:g}-seed{seed}" for seed in range(seeds)]
        for seed in ok:
            make_run(
                folder / runs[seed],
                Fake("mlp", accuracy),
                class_names,
                seed,
                10 * place + seed,
                test=test,
                images=200,
            )
        scores = _spreads(accuracy, len(ok), place) if ok else None
        rates.append(
            {
                "lr": lr,
                "validation": scores,
                "test": scores if test else None,
                "runs": [runs[seed] for seed in ok],
                "diverged": [
                    {"seed": seed, "message": "the loss became <infinite>."} for seed in gone
                ],
                "is_best": lr == 0.003,
                "as_good": lr in (0.001, 0.003),
                "difference": None if lr in (0.003, 0.1) else _difference(accuracy - 0.9576),
            }
        )
    finding = {
        **_common("lr", class_names, seeds, test),
        "optimizer": "adam",
        "rates": rates,
        "best": 0.003,
        "good": {"low": 0.001, "high": 0.003, "decades": 0.477},
        "diverges_from": 0.1,
        "range_test": _range_test(),
        "sentence": "0.003 is the best of seven learning rates for Adam on mlp; 0.001 to 0.003 are as good.",
        "notes": ["1 of 3 seeds at 0.03 <diverged>."],
    }
    return _written(folder, finding | changes)


def _range_test() -> Json:
    rates = np.geomspace(1e-5, 1, 60)
    shape = (
        2.3
        - 1.9 / (1 + (2e-3 / rates) ** 1.5)
        + np.where(rates > 0.05, (rates / 0.05) ** 2, 0) * 0.3
    )
    repeats = [
        {
            "rates": rates.tolist(),
            "losses": (shape + 0.03 * repeat).tolist(),
            "steepest": 0.002,
            "minimum": 0.03,
        }
        for repeat in range(3)
    ]
    return {
        "repeats": repeats,
        "suggested": 0.002,
        "agrees": True,
        "sentence": "A range test suggests 0.002, which is as good.",
    }


def make_labels(
    folder: Path,
    *,
    curves: dict[str, tuple[float, float]] | None = None,
    counts: Sequence[int] = (10, 30, 100, 300, 1000),
    seeds: int = 3,
    class_names: Sequence[str] = DIGITS,
    images: int = 2000,
    **changes: Any,
) -> Path:
    """Write a study of labels; a contender's accuracy is a line in the logarithm: at 1 label a class, and a decade.

    By default they cross at 10 ** (0.35 / 0.15) = 215 labels a class.
    """
    rng = np.random.default_rng(4)
    entries = [Contender(name, make_recipe(name.partition(":")[0])) for name in curves or CURVES]
    correct, contenders = {}, []
    for place, (name, (first, decade)) in enumerate((curves or CURVES).items()):
        points: list[Json] = []
        for count in counts:
            chances = first + decade * np.log10(count) + rng.normal(0, 0.05 / count**0.3, seeds)
            correct[name, count] = right = rng.random((seeds, images)) < chances[:, None]
            low, high = accuracy_interval(right)
            accuracy = {
                "mean": float(right.mean()),
                "low": low,
                "high": high,
                "per_seed": right.mean(1).tolist(),
            }
            runs = [f"runs/{folder_name(name)}-{count}-seed{seed}" for seed in range(seeds)]
            about = {
                "labels": 10 * count,
                "epochs": 40.0,
                "seconds": 0.2 * count,
                "runs": runs,
                "failed": [],
            }
            points.append({"per_class": count, "accuracy": accuracy, "loss": None, **about})
        last = points[-1]["accuracy"]
        for seed, run in enumerate(points[-1]["runs"]):
            make_run(
                folder / run,
                Fake(name, last["mean"]),
                class_names,
                seed,
                10 * place + seed,
                images=200,
            )
        score = {
            "accuracy": last["mean"],
            "interval": [last["low"], last["high"]],
            "per_seed": last["per_seed"],
            "n": images,
        }
        about = {
            "role": "contender",
            "model": name,
            "points": points,
            "test": score,
            "runs": points[-1]["runs"],
        }
        contenders.append({"name": name, **about})
    notes = [
        "Left out: 3,000 labels a class; the smallest class has 1,200 different training images."
    ]
    found = {
        "classes": 10,
        "contenders": contenders,
        **findings(entries, correct, counts, "test"),
        "notes": notes,
    }
    return _written(folder, {**_common("labels", class_names, seeds, True), **found, **changes})


def make_backbones(
    folder: Path,
    *,
    seeds: int = 1,
    class_names: Sequence[str] = DIGITS,
    images: int = 400,
    **changes: Any,
) -> Path:
    """Write a study of backbones in which the fastest is worse, and the middle one as good as the best."""
    found = []
    for place, (side, right, speed) in enumerate(
        ((64, 0.70, 900.0), (96, 0.90, 420.0), (128, 0.905, 130.0))
    ):
        correct = np.random.default_rng(place).permutation(images) < right * images
        about = {
            "name": f"efficientnet-lite0@{side}",
            "model": "efficientnet-lite0",
            "input_px": side,
            "features": 1280,
            "l2": 0.01,
        }
        low, high = accuracy_interval(correct)
        measured = {
            "accuracy": right,
            "interval": [low, high],
            "loss": 1 - right,
            "images_per_second": speed,
            "correct": correct,
        }
        found.append({**about, **measured})
    notes = [f"The time limit allowed {images:,} images."]
    finding = {
        **_common("backbones", class_names, seeds, False),
        "images": images,
        **_backbones._finding(found, notes, images),
    }
    return _written(folder, {**finding, **changes})


def make_effects(
    folder: Path, *, seeds: int = 3, class_names: Sequence[str] = DIGITS, **changes: Any
) -> Path:
    """Write an effects study in which something helps, hurts, shows nothing and fails."""
    baseline = [f"runs/baseline-seed{seed}" for seed in range(seeds)]
    for seed, run in enumerate(baseline):
        make_run(folder / run, Fake("mlp", 0.94), class_names, seed, seed, images=200)
    effects = []
    for place, (knob, value) in enumerate(
        (knob, value) for knob, values in KNOBS.items() for value in values
    ):
        difference = (0.012, -0.031, -0.02, 0.015, -0.001, 0.002, -0.31, 0.0)[place % 8]
        kind = (
            "helps",
            "hurts",
            "hurts",
            "helps",
            "nothing shown",
            "nothing shown",
            "hurts",
            "failed",
        )[place % 8]
        runs = (
            [] if kind == "failed" else [f"runs/{knob}-{value}-seed{seed}" for seed in range(seeds)]
        )
        for seed, run in enumerate(runs):
            make_run(
                folder / run,
                Fake("mlp", 0.94 + difference),
                class_names,
                seed,
                10 * place + seed,
                images=200,
            )
        scores = (
            _spreads(0.94 + difference, seeds, place) if runs else {"accuracy": None, "loss": None}
        )
        effects.append(
            {
                "knob": knob,
                "value": value,
                "label": f"{knob} {value}",
                "baseline_value": DEFAULTS[knob],
                **scores,
                **(
                    _difference(difference)
                    if runs
                    else {"difference": None, "interval": None, "p_adjusted": None}
                ),
                "kind": kind,
                "smallest_detectable": 0.006 if runs else None,
                "runs": runs,
                "failed": [] if runs else ["seed 0: the loss became <infinite>."],
                "fit": _fit("fits both well", 0.95) if runs else None,
            }
        )
    finding = {
        **_common("effects", class_names, seeds, True),
        "baseline": {
            "recipe": DEFAULTS,
            **_spreads(0.94, seeds, 99),
            "runs": baseline,
            "fit": _fit(
                "overfits a little: 4 points better on training images than on validation images",
                0.98,
            ),
        },
        "effects": effects,
        "sentence": "2 of 8 changes help mlp on digits, 3 hurt; the largest gain is nodes 512 with 1.5 points.",
        "notes": ["optimizer rmsprop failed at every seed."],
    }
    return _written(folder, finding | changes)


def _fit(words: str, train: float) -> Json:
    return {
        "words": words,
        "train_accuracy": train,
        "validation_accuracy": 0.94,
        "gap": train - 0.94,
    }


def _common(study: str, class_names: Sequence[str], seeds: int, test: bool) -> Json:
    return {
        "study": study,
        "headstart": "0.1.0",
        "created": "2026-11-21T08:00:00+00:00",
        "command": f"headstart {study} digits --model mlp",
        "dataset": dataset_facts("digits", class_names, (8, 8, 1), test),
        "model": "mlp",
        "epochs": 6.0,
        "seeds": list(range(seeds)),
        "judged_on": "test" if test else "validation",
        "test_reads": 21 if test else 0,
        "budget": {"time_limit": 300.0, "seconds_spent": 250.0, "seeds": list(range(seeds))},
    }


def _spreads(accuracy: float, seeds: int, noise: int) -> Json:
    rng = np.random.default_rng(noise)
    found = (accuracy + rng.normal(0, 0.004, seeds)).clip(0.05, 0.999)
    return {"accuracy": _spread(found, 0.006), "loss": _spread((1 - found) * 3.2, 0.02)}


def _spread(values: np.ndarray[Any, Any], half: float) -> Json:
    mean = float(values.mean())
    return {"mean": mean, "low": mean - half, "high": mean + half, "per_seed": values.tolist()}


def _difference(difference: float) -> Json:
    return {
        "difference": difference,
        "interval": [difference - 0.005, difference + 0.005],
        "p_adjusted": 0.002 if abs(difference) > 0.005 else 0.6,
    }


def _written(folder: Path, finding: Json) -> Path:
    (folder / "finding.json").write_text(json.dumps(finding), encoding="utf-8")
    return folder
