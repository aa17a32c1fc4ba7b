"""The statistics of a report, recomputed from the predictions inside it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.evaluation import compute_metrics
from headstart.formatting import enumeration
from headstart.report._embedded_data import EmbeddedData, PartPredictions
from headstart.report._evaluated import Evaluated, evaluated_runs
from headstart.report._page_pieces import Difference
from headstart.report._recompute_studies import recomputed_statistics
from headstart.results import (
    Comparison,
    Contender,
    ContenderFinding,
    Finding,
    FitFinding,
    Tuning,
    read_finding,
    read_metrics,
)
from headstart.studies import CONTROL_SUFFIX, VerdictRules, verdict_from_predictions

_TOLERANCE = 1e-9
_NOT_FROM_PREDICTIONS = ("notes", "too_short", "left_out", "needed_time_limit")


class Recomputation:
    """The comparison of recorded values with those from the predictions.

    Attributes:
        differences: The values that differ.
        count: The number of values that were compared.
        recomputed: What was recomputed, in words.
        not_recomputed: What was not, in words.
    """

    def __init__(self) -> None:
        self.differences: list[Difference] = []
        self.count = 0
        self.recomputed: list[str] = []
        self.not_recomputed: list[str] = []

    def compare(self, where: str, recorded: object, computed: object) -> None:
        """Compare a recorded value with a computed one, field by field."""
        if isinstance(computed, Mapping):
            for key, value in computed.items():
                own = recorded.get(key) if isinstance(recorded, Mapping) else None
                self.compare(f"{where}.{key}", own, value)
        elif isinstance(computed, list | tuple):
            own_values = recorded if isinstance(recorded, list | tuple) else ()
            if len(own_values) != len(computed):
                self._note(where, f"{len(own_values)} values", f"{len(computed)} values")
                return
            for place, (own, value) in enumerate(zip(own_values, computed, strict=True)):
                self.compare(f"{where}[{place}]", own, value)
        else:
            self.count += 1
            if not _is_same(recorded, computed):
                self._note(where, recorded, computed)

    def _note(self, where: str, recorded: object, computed: object) -> None:
        self.differences.append(Difference(where, str(recorded), str(computed)))


def recompute(study: Path, data: EmbeddedData) -> Recomputation:
    """Compute the statistics of a report again.

    Args:
        study: The folder with the files of the report.
        data: The data of the report.

    Raises:
        InputError: A file of the folder is missing or damaged.
    """
    result = Recomputation()
    for (run, part), predictions in data.predictions.items():
        _check_run(result, study, run, part, predictions)
    if data.predictions:
        result.recomputed.append("accuracy, interval, F1 and confusion matrix of each run")
    result.not_recomputed.append(
        "losses, learning curves, times and sizes (only their rounding is checked)"
    )

    if (study / "finding.json").exists():
        finding = read_finding(study)
        _list_examinations(result, finding)
        if isinstance(finding, ContenderFinding):
            _check_contenders(result, finding, data)
        elif isinstance(finding, FitFinding):
            _check_fit(result, finding, data)
        else:
            _check_statistics(result, finding, data)
    return result


def _list_examinations(result: Recomputation, finding: Finding) -> None:
    """List the parts of a finding that depend on more than the predictions."""
    names: list[str] = []
    if isinstance(finding, Comparison):
        if finding.robustness is not None:
            names.append("robustness of the verdict")
        if finding.slices is not None:
            names.append("subgroups")
    if finding.reuse is not None:
        names.append("earlier use of the test images")
    if names:
        result.not_recomputed.append(f"{enumeration(names)} (only compared with the data)")


def _check_run(
    result: Recomputation, study: Path, run: str, part: str, predictions: PartPredictions
) -> None:
    metrics = read_metrics(study / run).part(part)
    where = f"{run or 'run'} › {part}"
    if metrics is None:
        result.compare(where, None, "metrics of this part")
        return
    computed = _metrics(metrics.class_names, predictions)
    result.compare(where, metrics.model_dump(mode="json"), computed)


def _metrics(class_names: Sequence[str], predictions: PartPredictions) -> dict[str, object]:
    """Return the metrics that rest on labels and predicted classes alone."""
    certain = np.eye(len(class_names), dtype=np.float32)[predictions.predicted]
    computed = compute_metrics(predictions.labels, certain, groups=predictions.groups).as_json()
    return {key: value for key, value in computed.items() if key != "loss"}


def _check_contenders(result: Recomputation, finding: ContenderFinding, data: EmbeddedData) -> None:
    """Compute scores, differences, p-values and verdict of compared contenders again."""
    part = finding.evaluated_on
    evaluated: dict[str, Evaluated] = {}
    for contender in finding.contenders:
        runs = evaluated_runs(data.predictions, contender.runs, part, finding.cross_validation)
        if isinstance(runs, str):
            result.not_recomputed.append(f"{contender.name}: {runs}")
            continue
        evaluated[contender.name] = runs
        _check_scores(result, contender, part, runs)

    if isinstance(finding, Tuning):
        _check_folds(result, finding, evaluated)
    result.not_recomputed.append("baselines and notes (only compared with the data)")
    names = [entry.name for entry in finding.contenders if entry.role == "contender"]
    if not names or not evaluated.keys() >= set(names):
        return
    contenders = {name: evaluated[name] for name in names}
    if len({runs.correct.shape[1] for runs in contenders.values()}) != 1:
        result.not_recomputed.append("the verdict: contenders have different images")
        return
    _check_verdict(result, finding, data, contenders)


def _check_folds(
    result: Recomputation, finding: Tuning, evaluated: Mapping[str, Evaluated]
) -> None:
    """Compute the accuracies of the searches of a nested cross-validation again, fold by fold.

    If every search kept the defaults, there is no contender but the defaults.
    """
    defaults = evaluated.get("defaults")
    of_names = {"test": evaluated.get("tuned", defaults), "test_of_defaults": defaults}
    for place, fold in enumerate(finding.folds):
        for name, runs in of_names.items():
            if runs is None or runs.fold_of is None:
                continue
            correct = runs.correct[0, runs.fold_of[0] == place]
            computed = {name: float(correct.mean()), "images": len(correct)}
            result.compare(f"folds[{place}]", fold.model_dump(mode="json"), computed)


def _check_verdict(
    result: Recomputation,
    finding: ContenderFinding,
    data: EmbeddedData,
    contenders: Mapping[str, Evaluated],
) -> None:
    # An earlier version wrote fewer fields, and other sentences.
    recorded = json.loads(data.files["finding.json"])["verdict"]
    # One that failed with every seed is not among the contenders, but the verdict names it.
    failed = [entry.name for entry in finding.failed]
    first = next(iter(contenders.values()))
    computed = verdict_from_predictions(
        {name: runs.correct for name, runs in contenders.items()},
        [name for name in failed if not name.endswith(CONTROL_SUFFIX)],
        finding.evaluated_on,
        VerdictRules.of_verdict(finding.verdict),
        groups=first.groups,
        fold_of=first.fold_of,
    )
    fields = _fields_of(computed.model_dump(mode="json"), recorded)
    for name in _NOT_FROM_PREDICTIONS:
        fields.pop(name, None)
    if finding.verdict.too_short:
        fields = {"pairs": fields["pairs"]}
        result.not_recomputed.append("the verdict: some contenders had too little time")
    if "outcome" not in recorded or not isinstance(finding, Comparison):
        fields.pop("sentence", None)
    result.compare("verdict", recorded, fields)
    result.recomputed.append("accuracies, differences, intervals, p-values and the verdict")


def _fields_of(computed: Any, recorded: object) -> Any:
    """Return a computed value with only those fields that the recorded one has."""
    if isinstance(computed, dict) and isinstance(recorded, Mapping):
        return {
            key: _fields_of(value, recorded[key])
            for key, value in computed.items()
            if key in recorded
        }
    if isinstance(computed, list) and isinstance(recorded, list) and recorded:
        others = [*recorded, *[recorded[-1]] * len(computed)]
        return [_fields_of(value, other) for value, other in zip(computed, others, strict=False)]
    return computed


def _check_scores(result: Recomputation, contender: Contender, part: str, runs: Evaluated) -> None:
    scores = contender.part(part)
    computed = {
        "accuracy": float(np.mean(runs.per_seed)),
        "interval": runs.interval(),
        "n": runs.correct.shape[1],
        "per_seed": runs.per_seed,
    }
    recorded = None if scores is None else scores.model_dump(mode="json")
    result.compare(f"{contender.name} › {part}", recorded, computed)


def _check_fit(result: Recomputation, finding: FitFinding, data: EmbeddedData) -> None:
    """Compute the test scores of the classifier of a fit again."""
    predictions = data.predictions.get((finding.runs[0], "test"))
    if finding.test is not None and predictions is not None:
        computed = _metrics(finding.dataset.class_names, predictions)
        names = ("accuracy", "interval", "interval_over_images", "groups", "n", "macro_f1")
        recorded = finding.test.model_dump(mode="json")
        result.compare("fit › test", recorded, {name: computed.get(name) for name in names})
    result.not_recomputed.append(
        "the search and validation scores of fit (only compared with the data)"
    )


def _check_statistics(result: Recomputation, finding: Finding, data: EmbeddedData) -> None:
    """Compute the scores, differences and p-values of a study of one recipe again."""
    if finding.cross_validation is None:
        _check_means(result, finding, data)
    recorded = json.loads(data.files["finding.json"])
    computed = None
    if "schema_version" in recorded:  # version 0.1 had other tests
        computed = recomputed_statistics(finding, data.predictions)
    if computed is not None:
        result.compare(finding.study, recorded, computed)
        result.recomputed.append("means over seeds, intervals, differences and p-values")
        result.not_recomputed.append("other sentences and notes (only compared with the data)")
        return
    result.not_recomputed.append(
        f"intervals, p-values and sentences of {finding.study} (only compared with the data)"
    )


def _check_means(result: Recomputation, finding: Finding, data: EmbeddedData) -> None:
    """Compare the accuracies of seeds and their means with those of the runs."""
    before = result.count
    for entry in _entries_with_runs(finding.model_dump(mode="json")):
        for part in ("test", "validation"):
            scores = entry.get(part)
            accuracy = scores.get("accuracy") if isinstance(scores, Mapping) else None
            if not isinstance(accuracy, Mapping) or "per_seed" not in accuracy:
                continue
            runs = [data.predictions.get((str(run), part)) for run in entry["runs"]]
            if any(run is None for run in runs):
                continue
            per_seed = [float((run.labels == run.predicted).mean()) for run in runs if run]
            computed = {"per_seed": per_seed, "mean": float(np.mean(per_seed))}
            result.compare(f"{entry['runs'][0]} › {part}.accuracy", accuracy, computed)
    if result.count > before:
        result.recomputed.append("accuracies per seed and their means")


def _entries_with_runs(content: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, list):
        for item in content:
            yield from _entries_with_runs(item)
    elif isinstance(content, dict):
        if content.get("runs"):
            yield content
        for value in content.values():
            yield from _entries_with_runs(value)


def _is_same(recorded: object, computed: object) -> bool:
    if isinstance(recorded, int | float) and isinstance(computed, int | float):
        return math.isclose(recorded, computed, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return recorded == computed
