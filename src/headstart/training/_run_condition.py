"""The condition of run folders: finished, unfinished or damaged, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from headstart import store
from headstart.errors import InputError
from headstart.results import JsonObject, RunMetrics, read_metrics
from headstart.training._read_run import run_summary

_IDENTITY_KEYS = {"digest", "recipe", "seed"}
# A folder with so many files of a run is one, even if its recipe is damaged.
_LEAST_FILES = 3
_FILES = {
    *("recipe.json", "data.json", "split.npz", "environment.json", "plan.json", "curves.csv"),
    *("metrics.json", "predictions.csv", "model.safetensors", "classifier.json", "gallery.npz"),
}


@dataclass(frozen=True)
class RunCondition:
    """The condition of a run folder.

    Attributes:
        state: "damaged" if a file of the run cannot be used.
        problems: What is wrong; empty unless the run is damaged.
        is_sealed: Whether changes of its files can be noticed. Unfinished runs, and runs of earlier
            versions, have no seal.
        identity: The content of `recipe.json`; empty if it is damaged.
        metrics: The metrics of a finished run; None if they are damaged.
    """

    state: Literal["finished", "unfinished", "damaged"]
    problems: tuple[store.FileProblem, ...]
    is_sealed: bool
    identity: JsonObject
    metrics: RunMetrics | None


def check_run(folder: Path, use: str | None = None) -> RunCondition | None:
    """Check the files of a run folder against its seal, and its recipe and metrics by schema.

    Nothing is written. Checkpoints and the final state have seals of their own, which are not
    checked here; see `store.find_problems`.

    Args:
        folder: The folder.
        use: Check only the files that this use needs, such as "reports"; None for all. See
            `store.seal`.

    Returns:
        The condition; None if the folder does not hold a run.
    """
    identity = _read_identity(folder)
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if not identity and len(names & _FILES) < _LEAST_FILES:
        return None

    has_checkpoints = any(_is_step(path) for path in (folder / "checkpoint").glob("[0-9]*"))
    is_sealed = store.is_sealed(folder)
    # A process that is killed at the end of a run has sealed it, and still has its checkpoints.
    is_finished = "metrics.json" in names or (is_sealed and not has_checkpoints)
    problems = list(store.find_problems(folder, use)) if is_finished else []
    known = {problem.file for problem in problems}
    if not identity and "recipe.json" not in known:
        problems.append(_unreadable("recipe.json", "is not a recipe of a run"))

    metrics = None
    if is_finished and "metrics.json" not in known:
        try:
            metrics = read_metrics(folder)
        except InputError as error:
            problems.append(_unreadable("metrics.json", f"cannot be read: {error.message}"))
    state: Literal["finished", "unfinished"] = "finished" if is_finished else "unfinished"
    return RunCondition(
        state="damaged" if problems else state,
        problems=tuple(problems),
        is_sealed=is_sealed and is_finished,
        identity=identity,
        metrics=metrics,
    )


def list_runs(folder: Path) -> list[JsonObject]:
    """List every run below `folder` by path: finished, unfinished or damaged.

    Weights are not read. `check_run` checks them too.

    Args:
        folder: A folder, including its subfolders.

    Returns:
        "run", "state" and "data" of each; of finished ones also the summary, and of damaged ones
        "problem".

    Raises:
        InputError: There is no such folder.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder.",
            "Name a folder with runs. `headstart train` and `headstart compare` make them under "
            "runs/ or --out.",
        )

    folders = {path.parent for path in folder.rglob("recipe.json")}
    folders |= {path.parent for path in folder.rglob("metrics.json")}
    runs: list[JsonObject] = []
    for run in sorted(folders):
        condition = check_run(run, "reports")
        if condition is not None:
            runs.append(_describe(run, condition))
    return runs


def _describe(run: Path, condition: RunCondition) -> JsonObject:
    data: Any = store.read_json_or(run / "data.json", {})
    name = data.get("name") if isinstance(data, dict) else None
    if condition.state == "finished" and condition.metrics is not None:
        summary = run_summary(run, condition.metrics, reused=True)
        return {"state": "finished", **summary.as_json(), "data": name}

    recipe: Any = condition.identity.get("recipe", {})
    about: JsonObject = {
        "state": condition.state,
        "run": str(run),
        "model": recipe.get("model"),
        "seed": condition.identity.get("seed"),
        "data": name,
    }
    if condition.problems:
        about["problem"] = str(condition.problems[0])
    return about


def _read_identity(folder: Path) -> JsonObject:
    """Return the content of `recipe.json`; empty if it is not that of a run."""
    content: Any = store.read_json_or(folder / "recipe.json", {})
    if not isinstance(content, dict) or not content.keys() >= _IDENTITY_KEYS:
        return {}
    identity: JsonObject = content
    return identity if isinstance(content["recipe"], dict) else {}


def _is_step(path: Path) -> bool:
    return path.name.isdigit()


def _unreadable(name: str, reason: str) -> store.FileProblem:
    return store.FileProblem(name, "content", reason)
