"""Runs that another study, or `train`, has already made are taken over instead of made again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart import progress, store
from headstart.data import SplitDataset
from headstart.execution import Job
from headstart.training import run_identity

_WHERE = (
    "*/recipe.json",
    "*/runs/*/recipe.json",
)  # beside the study: single runs, and the runs of other studies


def adopt(jobs: Sequence[Job], data: SplitDataset, folder: Path) -> None:
    """Copy, into the folders of these jobs, finished runs of the same recipe, data, split and seed from beside the study.

    Copied, not linked: a study stays whole when another one is removed.
    """
    known: dict[str, Path] | None = None
    count = 0
    for job in jobs:
        if job.folder.exists():
            continue
        known = _finished_runs(folder) if known is None else known
        asked = run_identity(job.recipe, job.visible_data(data), job.seed)
        if (found := known.get(_mark(asked.as_json()))) is not None:
            store.copy_folder(found, job.folder)
            count += 1
    if count:
        progress.say(f"{count} of {len(jobs)} runs were made before, and are taken over.")


def _finished_runs(folder: Path) -> dict[str, Path]:
    found = {}
    for pattern in _WHERE:
        for path in folder.absolute().parent.glob(pattern):
            if (path.parent / "metrics.json").exists() and (
                path.parent / "model.safetensors"
            ).exists():
                found[_mark(store.read_json_or(path, None))] = path.parent
    return found


def _mark(asked: Any) -> str:
    return json.dumps(asked, sort_keys=True)
