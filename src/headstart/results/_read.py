"""Readers of result files: they return models, or say which field of which file is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from headstart import store
from headstart.errors import InputError
from headstart.results._audit import AuditReport
from headstart.results._backbone_ranking import BackboneRanking
from headstart.results._base import SCHEMA_VERSION, VersionedModel
from headstart.results._comparison import Comparison
from headstart.results._effects import Effects
from headstart.results._finding import Finding
from headstart.results._fit import FitFinding
from headstart.results._label_curves import LabelCurves
from headstart.results._learning_rates import LearningRates
from headstart.results._metrics import RunMetrics
from headstart.results._tuning import Tuning
from headstart.results._upgrade import upgrade_finding, upgrade_metrics, with_outcomes

Model = TypeVar("Model", bound=VersionedModel)
_DAMAGED = "It may be damaged. Move its folder away and run the command again."

FINDINGS: dict[str, type[Finding]] = {
    "compare": Comparison,
    "tune": Tuning,
    "lr": LearningRates,
    "labels": LabelCurves,
    "effects": Effects,
    "backbones": BackboneRanking,
    "audit": AuditReport,
    "fit": FitFinding,
}


def read_metrics(folder: Path) -> RunMetrics:
    """Read the metrics of the run in `folder`.

    Args:
        folder: A run folder. Its `metrics.json` may be of version 0.1.

    Raises:
        InputError: The file is missing, damaged, or written by a newer version.
    """
    path = folder / "metrics.json"
    return _validate(RunMetrics, _read(path, upgrade_metrics), path)


def read_finding(folder: Path) -> Finding:
    """Read the finding of the study in `folder`.

    Args:
        folder: A study folder. Its `finding.json` may be of version 0.1.

    Returns:
        The model of the study: `Comparison`, `Tuning`, `LearningRates`, `LabelCurves`, `Effects`,
        `BackboneRanking`, `AuditReport` or `FitFinding`.

    Raises:
        InputError: The file is missing, damaged, or written by a newer version.
    """
    path = folder / "finding.json"
    content = _read(path, upgrade_finding)
    study = content.get("study")
    if study not in FINDINGS:
        raise InputError(
            f"{path}: invalid study: expected one of {', '.join(FINDINGS)}, got {study!r}.",
            _DAMAGED,
        )
    return _validate(FINDINGS[study], with_outcomes(content), path)


def _read(
    path: Path, upgrade: Callable[[dict[str, object]], dict[str, object]]
) -> dict[str, object]:
    """Return the content of a result file in the keys of the present version."""
    content = store.read_json(path)
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: expected a JSON object, got a {type(content).__name__}.", _DAMAGED
        )

    version = content.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            f"{path}: unknown schema_version: expected at most {SCHEMA_VERSION}, got {version}.",
            "A newer Headstart wrote it. Upgrade: pip install --upgrade headstart",
        )
    if version is not None:
        return content

    try:
        return upgrade(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"field {error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(
            f"{path}: cannot be upgraded from version 0.1: {reason}.", _DAMAGED
        ) from error


def _validate(model: type[Model], content: dict[str, object], path: Path) -> Model:
    try:
        # Strict JSON, not a strict dictionary: JSON has arrays where the models have tuples.
        return model.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "content"
        got = "" if first["type"] == "missing" else f", got {_short(first['input'])}"
        reason = first["msg"][0].lower() + first["msg"][1:]
        raise InputError(f"{path}: invalid {field}: {reason}{got}.", _DAMAGED) from error


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
