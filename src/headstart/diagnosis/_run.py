"""The examination of a run folder: its seal, its schemas, and facts that its files share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from headstart import store
from headstart.diagnosis._types import Diagnosis, damage_of
from headstart.errors import InputError
from headstart.models.recipes import read_recipe
from headstart.results import (
    JsonObject,
    PartMetrics,
    RunMetrics,
    read_metrics,
    read_predictions_file,
)
from headstart.training import read_curves

_AGAIN = "Restore the file from a copy, or run the command again with another --out."
_ARRAYS = ("gallery.npz", "split.npz")
_JSON = ("recipe.json", "data.json", "environment.json", "plan.json", "classifier.json")
_ACCURACY_TOLERANCE = 1e-9


def check_run(folder: Path) -> list[Diagnosis]:
    """Examine a run folder. Nothing is written.

    Args:
        folder: A folder with `recipe.json`, or what is left of one.

    Returns:
        Its damages; or one diagnosis that it is healthy, unfinished or in use.
    """
    is_finished = (folder / "metrics.json").exists()
    if not is_finished and store.is_sealed(folder):
        # metrics.json is written last, and the seal names it.
        return _broken_seal(folder) or [Diagnosis(str(folder), "run", "unfinished")]
    if not is_finished:
        return _check_unfinished(folder)

    sealed = _broken_seal(folder)
    if sealed:
        return sealed
    diagnoses = [*_check_files(folder), *_check_state(folder)]
    if not diagnoses:
        diagnoses = _check_facts(folder)
    if diagnoses:
        return diagnoses
    reason = "" if store.is_sealed(folder) else "it has no seal, as earlier versions wrote none"
    return [Diagnosis(str(folder), "run", "healthy", None, reason)]


def _broken_seal(folder: Path) -> list[Diagnosis]:
    diagnoses = []
    for problem in store.find_problems(folder):
        error = store.DamagedFile(folder, problem)
        diagnoses.append(
            Diagnosis(
                str(folder),
                "run",
                "damaged",
                problem.file,
                f"it {problem.reason}",
                _what_works(error.hint),
                _AGAIN,
            )
        )
    return diagnoses


def _what_works(hint: str) -> str:
    """Return the sentence about what still works from the hint of an error."""
    first, _, rest = hint.partition(". ")
    return f"{first}." if rest and "still work" in first else ""


def _check_files(folder: Path) -> list[Diagnosis]:
    """Read every file of a finished run as whoever uses it would."""
    diagnoses: list[Diagnosis] = []

    def check(name: str, read: Callable[[Path], object]) -> None:
        if (folder / name).exists():
            path = folder / name
            diagnoses.extend(damage_of(folder, "run", name, lambda: read(path), _AGAIN))

    for name in _JSON:
        check(name, _require_object)
    check("recipe.json", lambda path: read_recipe(store.read_json(path)["recipe"]))
    check("metrics.json", lambda path: read_metrics(path.parent))
    check("curves.csv", lambda path: read_curves(path.parent))
    for name in _ARRAYS:
        check(name, _read_arrays)
    check("model.safetensors", read_weights_header)
    return diagnoses


def _require_object(path: Path) -> JsonObject:
    content = store.read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"it holds a JSON {type(content).__name__}, not an object.")
    return content


def _read_arrays(path: Path) -> None:
    with store.open_npz(path) as file:
        for name in file.names:
            file[name]


def read_weights_header(path: Path) -> None:
    """Read the header of a file of weights, which states the place of each tensor in it."""
    from safetensors import SafetensorError, safe_open

    store.require_regular(path)
    try:
        with safe_open(path, framework="numpy") as file:
            file.keys()
    except SafetensorError as error:
        raise InputError(f"it is not a safetensors file: {error}.") from error


def _check_state(folder: Path) -> list[Diagnosis]:
    """Compare the state for `--epochs +N` with its own seal."""
    state = folder / "state"
    if not state.is_dir():
        return []
    reason = store.find_damage(state)
    if reason is None:
        return []
    works = "Everything else still works. The run cannot be continued with --epochs +N."
    help = "Train again with more epochs, into another --out."
    return [Diagnosis(str(folder), "run", "damaged", "state", reason, works, help)]


def _check_facts(folder: Path) -> list[Diagnosis]:
    """Compare facts that several files of a run state."""
    metrics = read_metrics(folder)
    diagnoses = _check_class_names(folder, metrics)
    if (folder / "predictions.csv").exists():
        diagnoses += damage_of(
            folder,
            "run",
            "predictions.csv",
            lambda: _compare_predictions(folder / "predictions.csv", metrics),
            _AGAIN,
        )
    return diagnoses


def _parts(metrics: RunMetrics) -> dict[str, PartMetrics]:
    parts = {"validation": metrics.validation, "test": metrics.test}
    return {name: part for name, part in parts.items() if part is not None}


def _check_class_names(folder: Path, metrics: RunMetrics) -> list[Diagnosis]:
    recorded: list[tuple[str, object]] = [
        ("metrics.json", list(part.class_names)) for part in _parts(metrics).values()
    ]
    if not recorded:
        return []
    expected = list(next(iter(_parts(metrics).values())).class_names)
    for file in ("data.json", "classifier.json"):
        content = store.read_json_or(folder / file, {})
        if "class_names" in content:
            recorded.append((file, content["class_names"]))
    return [
        Diagnosis(
            str(folder),
            "run",
            "damaged",
            file,
            f"its class names differ from those of metrics.json: {', '.join(expected[:5])}",
            "",
            _AGAIN,
        )
        for file, names in recorded
        if names != expected
    ]


def _compare_predictions(path: Path, metrics: RunMetrics) -> None:
    """Compute the accuracies again from the predictions."""
    counts: dict[str, list[bool]] = {}
    for row in read_predictions_file(path).rows:
        is_correct = row.label == row.predicted
        if row.is_correct != is_correct:
            raise ValueError(f"the row of image {row.index:,} contradicts itself")
        counts.setdefault(row.part, []).append(is_correct)
    for name, part in _parts(metrics).items():
        correct = counts.get(name, [])
        if len(correct) != part.n:
            raise ValueError(f"it has {len(correct):,} {name} images, and metrics.json {part.n:,}")
        accuracy = sum(correct) / max(1, len(correct))
        if not math.isclose(accuracy, part.accuracy, abs_tol=_ACCURACY_TOLERANCE):
            raise ValueError(
                f"its {name} accuracy is {accuracy:.4f}, and that of metrics.json "
                f"{part.accuracy:.4f}"
            )


def _check_unfinished(folder: Path) -> list[Diagnosis]:
    """Find the step that an unfinished run resumes from, and checkpoints that are damaged."""
    owner = store.lock_owner(folder)
    if owner is not None:
        return [Diagnosis(str(folder), "run", "in use", None, f"it is in use by {owner}")]

    diagnoses: list[Diagnosis] = []
    step = 0
    checkpoints = folder / "checkpoint"
    for path in sorted(checkpoints.iterdir()) if checkpoints.is_dir() else []:
        if not path.name.isdigit():
            continue
        reason = store.find_damage(path)
        if reason is None:
            step = int(path.name)
        else:
            help = "Run the same command again: it resumes from an earlier checkpoint."
            diagnoses.append(Diagnosis(str(path), "checkpoint", "damaged", None, reason, "", help))
    if (folder / "recipe.json").exists():
        diagnoses += damage_of(
            folder,
            "run",
            "recipe.json",
            lambda: read_recipe(store.read_json(folder / "recipe.json")["recipe"]),
            "Move the folder away, and run the command again.",
        )
    where = f"it is resumable from step {step:,}" if step else "it starts again from step 0"
    help = "Run the same command again: it resumes."
    return [*diagnoses, Diagnosis(str(folder), "run", "unfinished", None, where, "", help)]
