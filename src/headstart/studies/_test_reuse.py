"""The count of studies that were evaluated on the same test images, and the optimism it allows.

The count is kept in the cache folder, in one file per set of test images, and survives the study
folders. Studies and runs in neighbouring folders count too, so that a new or another cache does not
forget them.

A run counts once, in however many studies: one study may enter or copy the finished runs of
another.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data import SplitDataset, fold_images
from headstart.errors import HeadstartError
from headstart.evaluation import reuse_optimism
from headstart.formatting import counted, ordinal, points
from headstart.results import EvaluationReuse, Finding, JsonObject

_FOLDER = "evaluations"  # in the cache


@dataclass(frozen=True)
class _Evaluated:
    """The models that a study evaluated on test images.

    Attributes:
        models: Number of models: runs and baselines.
        runs: Digests of the runs among them, as far as their folders are there.
    """

    models: int
    runs: frozenset[str] = frozenset()


_Counts = dict[str, _Evaluated]  # by the digest of the study, in order


def count_study(
    finding: Finding, data: SplitDataset, folder: Path, identity: JsonObject
) -> EvaluationReuse | None:
    """Count a study that has been evaluated on the test images, and bound the optimism.

    A study that is carried out again under the same configuration, with the same data, counts once.

    Args:
        finding: Its finding.
        data: Its data and split.
        folder: Its folder, whose neighbours are counted too.
        identity: Its identity, as in `study.json`.

    Returns:
        The count and the bounds; None for a study without an accuracy on test images.
    """
    accuracies = finding.test_accuracies()
    models = _evaluated_models(finding.as_json())
    if not accuracies or not models:
        return None
    rows = data.split.test
    if finding.cross_validation is not None:
        rows, _ = fold_images(data)
    key = _fingerprint(data, rows)
    own = _digest(identity)
    evaluated = _Evaluated(models, _run_digests(finding.as_json(), folder))
    counts = _record(key, own, finding.study, evaluated)
    has_folds = finding.cross_validation is not None
    counts |= _neighbours(folder, key, data.split.fingerprint, has_folds)
    counts.pop(own, None)
    counts[own] = evaluated  # the last one

    images, distinct = len(rows), _distinct_models(counts.values())
    optimism = reuse_optimism(max(accuracies), images, [count for count in distinct if count])
    return EvaluationReuse(
        fingerprint=key,
        images=images,
        studies=len(counts),
        models=sum(distinct),
        optimism=optimism.of_selection,
        optimism_with_feedback=optimism.of_feedback,
        sentence=_sentence(distinct, images, optimism.of_selection, optimism.of_feedback),
    )


def count_run(run: Path, data: SplitDataset) -> None:
    """Count a single run that has been evaluated on the test images."""
    if len(data.split.test):
        identity = store.read_json_or(run / "recipe.json", {})
        digest = _digest(identity)
        _record(_fingerprint(data, data.split.test), digest, "train", _single_run(digest))


def _single_run(digest: str) -> _Evaluated:
    return _Evaluated(1, frozenset([digest]))


def _distinct_models(evaluated: Iterable[_Evaluated]) -> list[int]:
    """Return the number of models of each study that no earlier one evaluated."""
    seen: set[str] = set()
    distinct = []
    for study in evaluated:
        distinct.append(study.models - len(study.runs & seen))
        seen |= study.runs
    return distinct


def _fingerprint(data: SplitDataset, evaluated: NDArray[np.int64]) -> str:
    """Return the SHA-256 of the evaluated images, whatever their order and the training images."""
    hashes = data.dataset.hashes[evaluated]
    rows = np.sort(np.ascontiguousarray(hashes).view("V16").ravel())
    return hashlib.sha256(rows.tobytes()).hexdigest()


def _digest(identity: object) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]


def _record(key: str, study: str, name: str, evaluated: _Evaluated) -> _Counts:
    """Append a study to the file of its test images, and return all studies in that file.

    A cache that cannot be written does not stop a study: the count only informs.
    """
    path = store.cache_folder() / _FOLDER / f"{key}.jsonl"
    if _read_counts(path).get(study) != evaluated:
        entry = {
            "study": study,
            "name": name,
            "models": evaluated.models,
            "runs": sorted(evaluated.runs),
        }
        with suppress(HeadstartError):
            store.append_line(path, json.dumps(entry))
    # Another process may have appended meanwhile.
    return _read_counts(path)


def _read_counts(path: Path) -> _Counts:
    """Return the studies in a file; damaged lines are left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    counts: _Counts = {}
    for line in lines:
        with suppress(ValueError, KeyError, TypeError, OverflowError):
            entry = json.loads(line)
            study = str(entry["study"])
            # Files of version 0.1 do not name the runs.
            runs = entry.get("runs", [study] if entry.get("name") == "train" else [])
            digests = frozenset(str(run) for run in runs)
            counts[study] = _Evaluated(max(1, len(digests), int(entry["models"])), digests)
    return counts


def _neighbours(folder: Path, key: str, split: str, has_folds: bool) -> _Counts:
    """Return the finished studies and single runs on the same images in neighbouring folders.

    Args:
        folder: The study folder.
        key: The fingerprint of the evaluated images.
        split: The fingerprint of the split, for studies that recorded no evaluated images.
        has_folds: True for a cross-validation, which evaluates more images than a single run.
    """
    counts: _Counts = {}
    for path in sorted(folder.absolute().parent.glob("*/study.json")):
        identity = store.read_json_or(path, {})
        finding = store.read_json_or(path.parent / "finding.json", {})
        recorded = _value(_value(finding, "reuse"), "fingerprint")
        if recorded is None:
            is_same = _value(identity, "split") == split
            is_same &= bool(_value(finding, "cross_validation")) == has_folds
        else:
            is_same = recorded == key
        if is_same and (models := _evaluated_models(finding)):
            runs = _run_digests(finding, path.parent)
            counts[_digest(identity)] = _Evaluated(models, runs)

    if has_folds:
        return counts
    for path in sorted(folder.absolute().parent.glob("*/metrics.json")):
        description = store.read_json_or(path.parent / "data.json", {})
        if _value(description, "split_fingerprint") != split:
            continue
        if _value(store.read_json_or(path, {}), "test") is not None:
            digest = _digest(store.read_json_or(path.parent / "recipe.json", {}))
            counts[digest] = _single_run(digest)
    return counts


def _value(content: object, key: str) -> object:
    return content.get(key) if isinstance(content, Mapping) else None


def _evaluated_models(finding: object) -> int:
    """Return the number of runs and baselines that a finding evaluates on test images."""
    reads = _value(finding, "test_reads")
    if not isinstance(reads, int) or reads < 1:
        return 0
    baselines = _value(finding, "baselines")
    return reads + (len(baselines) if isinstance(baselines, list) else 0)


def _run_digests(finding: object, folder: Path) -> frozenset[str]:
    """Return the digests of the runs that a finding evaluates, as far as their folders are there.

    A cross-validation has none: its models are repeats, each with one run per fold.
    """
    if _value(finding, "cross_validation"):
        return frozenset()
    digests = set()
    for name in _run_names(finding):
        recipe = store.read_json_or(Path(os.path.normpath(folder / name)) / "recipe.json", None)
        if recipe is not None:
            digests.add(_digest(recipe))
    return frozenset(digests)


def _run_names(content: object) -> Iterator[str]:
    """Yield the elements of all lists in a finding that are called "runs"."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            if key == "runs" and isinstance(value, Sequence):
                yield from (name for name in value if isinstance(name, str))
            else:
                yield from _run_names(value)
    elif isinstance(content, list):
        for value in content:
            yield from _run_names(value)


def _sentence(distinct: Sequence[int], images: int, selection: float, feedback: float) -> str:
    tested = f"these {images:,} test images" if images > 1 else "this test image"
    models = sum(distinct)
    best = "The best of them" if models > 1 else "It"
    text = (
        f"This is the {ordinal(len(distinct))} study or single run evaluated on {tested}, "
        f"with {counted(models, 'model')} so far. {best} may score up to {points(selection)} "
        "points above its true accuracy by chance (95%)"
    )
    if len(distinct) == 1:
        return f"{text}."
    return (
        f"{text}, and up to {points(feedback)} if each study was planned with the scores of the "
        "earlier ones."
    )
