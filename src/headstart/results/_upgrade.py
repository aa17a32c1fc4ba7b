"""The upgrade of results of earlier versions: of 0.1, and of verdicts without an outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

_LEVEL = 0.05  # of the corrected p-values in verdicts without an outcome
_Old = dict[str, Any]  # a JSON object of an older version, which no model describes


def upgrade_metrics(old: _Old) -> _Old:
    """Return the content of a `metrics.json` of version 0.1 in the keys of version 1."""
    new = _renamed(old, {"resolved": "recipe", "stopped": "stop_reason"})
    if new["backbone"] is not None:
        new["backbone"] = _renamed(new["backbone"], {"shown": "input_note"})
    for part in ("validation", "test"):
        if new[part] is not None:
            new[part] = _renamed(new[part], {"classes": "class_names"})
    return new


def upgrade_finding(old: _Old) -> _Old:
    """Return the content of a `finding.json` of version 0.1 in the keys of version 1."""
    new = _renamed(old, {"judged_on": "evaluated_on"})
    new["dataset"] = _without(new["dataset"], "counts")
    return _STUDIES[new["study"]](new)


def with_outcomes(finding: _Old) -> _Old:
    """Return a finding whose verdict has an outcome, derived from its winner if it had none."""
    verdict = finding.get("verdict")
    if not isinstance(verdict, dict) or "outcome" in verdict:
        return finding
    outcome = "undecided" if verdict.get("winner") is None else "better"
    pairs = verdict.get("pairs")
    if isinstance(pairs, list):
        pairs = [_pair_with_outcome(pair) for pair in pairs]
    return {**finding, "verdict": {**verdict, "outcome": outcome, "pairs": pairs}}


def _pair_with_outcome(pair: Any) -> Any:
    """Return a pair with an outcome that follows from its p-value; unchanged if it is damaged."""
    if not isinstance(pair, dict) or "outcome" in pair:
        return pair
    p = pair.get("p_adjusted")
    is_better = isinstance(p, int | float) and p <= _LEVEL
    return {**pair, "outcome": "better" if is_better else "undecided"}


def _upgrade_contenders(finding: _Old) -> _Old:
    finding = _renamed(finding, {"floors": "baselines"})
    finding["contenders"] = [
        _renamed(contender, {"recipe_hash": "recipe_digest"}) for contender in finding["contenders"]
    ]
    return finding


def _upgrade_learning_rates(finding: _Old) -> _Old:
    chance_loss = _entropy(finding["dataset"]["parts"]["train"]["per_class"])
    rates = []
    for rate in finding["rates"]:
        rate = _renamed(_without(rate, "broke"), {"diverged": "failures"})
        rates.append({**rate, "diverged_seeds": _diverged_seeds(rate, chance_loss)})
    finding["rates"] = rates

    if finding["best"] is None:
        finding["diverges_from"] = None  # 0.1 named the smallest rate, whatever was wrong with it
    if finding["range_test"] is not None:
        suggested = finding["range_test"]["suggested"]
        is_beyond = not rates[0]["lr"] <= suggested <= rates[-1]["lr"]
        finding["range_test"] = {**finding["range_test"], "beyond_grid": is_beyond}
    return finding


def _diverged_seeds(rate: Mapping[str, Any], chance_loss: float) -> list[int]:
    """Return the seeds that failed or whose loss is not below that of the class frequencies."""
    seeds = [failure["seed"] for failure in rate["failures"]]
    scores = rate["validation"] or rate["test"]
    if scores is not None:
        finished = [int(run.rpartition("-seed")[2]) for run in rate["runs"]]
        losses = zip(finished, scores["loss"]["per_seed"], strict=True)
        seeds += [seed for seed, loss in losses if loss >= chance_loss]
    return sorted(seeds)


def _entropy(counts: list[int]) -> float:
    """Return the cross-entropy in nats of always predicting the class frequencies."""
    shares = [count / sum(counts) for count in counts if count]
    return -sum(share * math.log(share) for share in shares)


def _upgrade_labels(finding: _Old) -> _Old:
    contenders = []
    for contender in finding["contenders"]:
        contender = _without(contender, "role", "runs", "test", "validation")
        points = [_renamed(point, {"failed": "failures"}) for point in contender["points"]]
        contenders.append({**contender, "points": points})

    comparisons = []
    for comparison in finding["comparisons"]:
        differences = [
            _renamed(difference, {"is_shown": "is_significant"})
            for difference in comparison["differences"]
        ]
        matches = [
            _renamed(match, {"times": "factor", "times_interval": "factor_interval"})
            for match in comparison["matches"]
        ]
        comparisons.append({**comparison, "differences": differences, "matches": matches})
    return {**finding, "contenders": contenders, "comparisons": comparisons}


def _upgrade_effects(finding: _Old) -> _Old:
    effects = []
    for effect in finding["effects"]:
        effect = _renamed(
            effect, {"knob": "hyperparameter", "kind": "outcome", "failed": "failures"}
        )
        if effect["outcome"] == "nothing shown":
            effect["outcome"] = "undecided"
        effects.append({**effect, "fit": _upgrade_fit(effect["fit"])})
    baseline = finding["baseline"]
    return {
        **finding,
        "baseline": {**baseline, "fit": _upgrade_fit(baseline["fit"])},
        "effects": effects,
    }


def _upgrade_fit(fit: _Old | None) -> _Old | None:
    return None if fit is None else _renamed(fit, {"words": "summary"})


def _upgrade_backbones(finding: _Old) -> _Old:
    return _without(finding, "contenders")


_STUDIES: dict[str, Callable[[_Old], _Old]] = {
    "compare": _upgrade_contenders,
    "tune": _upgrade_contenders,
    "lr": _upgrade_learning_rates,
    "labels": _upgrade_labels,
    "effects": _upgrade_effects,
    "backbones": _upgrade_backbones,
}


def _renamed(old: Mapping[str, Any], names: Mapping[str, str]) -> _Old:
    """Return a copy in which the keys of `names` have their new names."""
    return {names.get(key, key): value for key, value in old.items()}


def _without(old: Mapping[str, Any], *keys: str) -> _Old:
    """Return a copy without some keys."""
    return {key: value for key, value in old.items() if key not in keys}
