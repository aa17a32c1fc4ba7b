"""What a search found, as numbers and sentences: the part of a tuning's `finding.json` that a comparison's lacks."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from headstart.errors import RunFailed
from headstart.evaluation import mean_interval
from headstart.studies._compare_finding import Entry
from headstart.studies.tune._storage import Trial
from headstart.studies.tune._successive_halving import Search
from headstart.training import read_losses, read_metrics

_FEWEST_FOR_IMPORTANCE = 8  # trials; with less the forest behind it knows next to nothing


def what_the_search_says(
    search: Search, entries: list[Entry], finding: dict[str, Any]
) -> dict[str, Any]:
    """The keys of a tuning's finding beside those of a comparison.

    Args:
        entries: the retrained recipes.
        finding: the comparison of them.

    Raises:
        RunFailed: no run of the best recipe finished when it was retrained.
    """
    best, ties = search.best(), _ties(search)
    flat = search.defaults.flat()
    wanted = "defaults" if search.is_default(best) else "tuned"
    winner = next((one for one in finding["contenders"] if one["name"] == wanted), None)
    if winner is None:
        reasons = "; ".join(
            failure for entry in entries if entry.name == wanted for failure in entry.failures
        )
        raise RunFailed(
            f"the best recipe failed with every seed that it was retrained with: {reasons}",
            "Try another --seed.",
        )
    last = _last_result(search, best.number)
    history = _history(search)
    optimism = None
    if winner["test"] is not None:
        gap = last["accuracy"] - winner["test"]["accuracy"]
        optimism = {
            "best_validation": last["accuracy"],
            "test": winner["test"]["accuracy"],
            "gap": gap,
        }
    found = {
        "model": search.config.model,
        "best": best.values,
        "defaults": {key: flat.get(key) for key in best.values},
        "run": winner["representative_run"],
        "validation": {key: winner["validation"][key] for key in ("accuracy", "loss")},
        "test": winner["test"],
        "optimism": optimism,
        "trials": [_trial(search, trial, ties, best) for trial in search.trials.all()],
        "history": history,
        "importance": _importance(search),
        "space": search.space.described,
        "rungs": [
            {"epochs": rung["epochs"], "trials": len(results)}
            for rung, results in zip(search.plan["rungs"], search.rungs, strict=True)
        ],
        "seconds": {
            "total": round(search.clock(), 1),
            "search": history[-1]["seconds"] if history else 0.0,
            "final": round(
                sum(
                    read_metrics(run)["seconds"]["total"]
                    for entry in entries
                    for run in entry.runs.values()
                ),
                1,
            ),
        },
    }
    sentences = list(_sentences(found, ties, search))
    verdict = finding["verdict"]
    if search.is_default(best):
        verdict = {
            **verdict,
            "sentence": f"No recipe of {len(found['trials'])} had a lower validation loss than the defaults.",
        }
    return {**found, "sentences": sentences, "verdict": verdict}


def _last_result(search: Search, number: int) -> dict[str, Any]:
    """Facts of the longest finished run of a recipe."""
    return next(
        rung[number].facts
        for rung in reversed(search.rungs)
        if number in rung and rung[number].state == "done"
    )


def _ties(search: Search) -> set[int]:
    """Of the recipes on the last rung that anybody reached, those whose loss is not shown to be above the best one's.

    Paired over the validation images, 95% each, one seed: the spread over seeds would only add to the ties.
    """
    rung = next(
        (
            rung
            for rung in reversed(search.rungs)
            if any(trial.state == "done" for trial in rung.values())
        ),
        {},
    )
    losses = {
        number: read_losses(search.folder / trial.facts["run"], "validation")
        for number, trial in rung.items()
        if trial.state == "done"
        and (search.folder / trial.facts["run"] / "predictions.csv").exists()
    }
    best = search.best().number
    if best not in losses:
        return {best}
    return {
        number
        for number, loss in losses.items()
        if number == best or mean_interval(loss - losses[best])[0] <= 0
    }


def _trial(search: Search, trial: Trial, ties: set[int], best: Trial) -> dict[str, Any]:
    keys = ("epochs", "loss", "accuracy", "seconds", "run")
    done = [
        rung[trial.number].facts
        for rung in search.rungs
        if trial.number in rung and rung[trial.number].state == "done"
    ]
    failure = next(
        (
            rung[trial.number].facts
            for rung in search.rungs
            if trial.number in rung and rung[trial.number].state == "failed"
        ),
        {},
    )
    return {
        "number": trial.number,
        "values": trial.values,
        "state": "failed" if failure else "done" if done else "unfinished",
        "reason": failure.get("reason"),
        "message": failure.get("message", ""),
        "rungs": [{key: facts[key] for key in keys} for facts in done],
        "is_tie": trial.number in ties,
        "is_best": trial.number == best.number,
        "is_default": search.is_default(trial) if failure.get("reason") != "input" else False,
    }


def _history(search: Search) -> list[dict[str, Any]]:
    """After each finished run: seconds and epochs so far, and the best that was known."""
    done = sorted(
        (
            (trial.facts, number)
            for rung in search.rungs
            for number, trial in rung.items()
            if trial.state == "done"
        ),
        key=lambda pair: pair[0]["at"],
    )
    found: list[dict[str, Any]] = []
    epochs, accuracy, loss = 0.0, 0.0, math.inf
    for facts, number in done:
        epochs, accuracy, loss = (
            epochs + facts["epochs"],
            max(accuracy, facts["accuracy"]),
            min(loss, facts["loss"]),
        )
        found.append(
            {
                "seconds": facts["at"],
                "epochs": round(epochs, 2),
                "best_validation": accuracy,
                "best_loss": loss,
                "trial": number,
            }
        )
    return found


def _importance(search: Search) -> dict[str, float]:
    """The share of each hyper-parameter in the spread of the logarithm of the loss over the first rung.

    Source: fANOVA, Hutter et al. (2014), as in Optuna.
    """
    import optuna

    done = [trial for trial in search.rungs[0].values() if trial.state == "done"]
    if len(done) < _FEWEST_FOR_IMPORTANCE or len({trial.facts["loss"] for trial in done}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        found = optuna.importance.get_param_importances(
            search.trials.study,
            evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0),
            target=lambda trial: float(np.log(trial.user_attrs["facts"]["loss"])),
        )
    return {name: round(float(share), 4) for name, share in found.items()}


def _sentences(found: dict[str, Any], ties: set[int], search: Search) -> list[str]:
    values = ", ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in found["best"].items()
    )
    said = [f"Best of {len(found['trials'])} recipes by validation loss: {values}."]
    others = len(ties) - 1
    if others:
        usual = any(
            trial["is_tie"] and trial["is_default"] and not trial["is_best"]
            for trial in found["trials"]
        )
        said.append(
            f"{others} of the {found['rungs'][-1]['trials']} that got to the last rung {'is' if others == 1 else 'are'} as good "
            f"within noise{', the defaults among them' if usual else ''}."
        )
    if optimism := found["optimism"]:
        said.append(
            f"When it was chosen it had {optimism['best_validation']:.2%} on validation images; retrained it has "
            f"{optimism['test']:.2%} on test images: {100 * optimism['gap']:+.1f} points of optimism."
        )
    else:
        said.append(
            "There are no test images: all scores are on the validation images that chose the recipe, and flatter it."
        )
    failed = sum(trial["state"] == "failed" for trial in found["trials"])
    if failed:
        said.append(f"{failed} of {len(found['trials'])} recipes failed.")
    if search.plan["epochs"] < (search.defaults.epochs or 0):
        said.append(
            f"For the time limit a whole run has {search.plan['epochs']:.3g} epochs instead of {search.defaults.epochs:.3g}: "
            "the finding is about runs of this length."
        )
    return said
