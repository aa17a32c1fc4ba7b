"""Runs that `train` or another study has finished are copied instead of trained again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from headstart import progress, store
from headstart.data import SplitDataset
from headstart.execution import Job
from headstart.training import run_identity

# In the folder that holds the study: single runs, and the runs of other studies.
_PATTERNS = ("*/recipe.json", "*/runs/*/recipe.json")


def copy_finished_runs(jobs: Sequence[Job], data: SplitDataset, folder: Path) -> None:
    """Copy finished runs of the same recipe, data, split and seed into the folders of these jobs.

    Runs are copied, not linked: a study stays complete when another one is removed.

    Args:
        jobs: The runs of a study.
        data: The data that all jobs share.
        folder: The study folder. Runs are looked for in the folder that holds it.
    """
    finished: dict[str, Path] | None = None
    copied = 0
    for job in jobs:
        if job.folder.exists():
            continue
        if finished is None:
            finished = _finished_runs(folder)
        identity = run_identity(job.recipe, job.visible_data(data), job.seed, job.after)
        run = finished.get(_key(identity.as_json()))
        if run is not None and _is_intact(run):
            store.copy_folder(run, job.folder)
            copied += 1
    if copied:
        progress.say(f"Reusing {copied} of {len(jobs)} runs that are already finished.")


def _finished_runs(folder: Path) -> dict[str, Path]:
    """Return the finished runs in neighbouring folders, by the key of their identity."""
    runs = {}
    for pattern in _PATTERNS:
        for path in folder.absolute().parent.glob(pattern):
            run = path.parent
            if (run / "metrics.json").exists() and (run / "model.safetensors").exists():
                runs[_key(store.read_json_or(path, None))] = run
    return runs


def _is_intact(run: Path) -> bool:
    """Return whether a run is as it was sealed. A damaged one is reported, and trained again."""
    problems = store.find_problems(run)
    if problems:
        progress.warn(f"WARNING: {run} is not reused, because its {problems[0]}.")
    return not problems


def _key(identity: object) -> str:
    return json.dumps(identity, sort_keys=True)
