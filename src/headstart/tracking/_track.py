"""Translation of the events of a run to what trackers store.

A tracker gets parameters, one set of scalars per epoch, results, figures and files.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from headstart import store
from headstart.errors import InputError, did_you_mean
from headstart.results import RunMetrics
from headstart.training import ObserverFactory

# Each key is also the name of the module to import and of the extra that installs it.
TRACKERS = {"tensorboard": "TensorBoard", "mlflow": "MLflow", "wandb": "Weights & Biases"}
# Every epoch has this value. Trackers look for it to find the epochs that they already have.
ALWAYS_LOGGED = "train_loss"
_NOTE = "tracking.json"
_FILES = (
    "model.safetensors",
    "classifier.json",
    "recipe.json",
    "data.json",
    "environment.json",
    "metrics.json",
    "report.html",
)
_METRICS = ("accuracy", "loss", "macro_f1")
_COSTS = ("epochs", "parameters", "multiply_adds", "predict_ms_per_image")

Status = Literal["finished", "failed", "stopped"]
ParameterValue = str | int | float | bool | None
Parameters = Mapping[str, ParameterValue]


class TrackerRun(Protocol):
    """One run of a tracker, open for writing.

    The modules of this package each have a function
    `open_run(folder, name, parameters, run_id) -> TrackerRun`. `run_id` is None for a new run.
    """

    @property
    def run_id(self) -> str:
        """Return the identifier with which the tracker finds this run again."""

    def logged_epochs(self) -> set[int]:
        """Return the epochs that an earlier process has logged."""

    def resume_at(self, epoch: int) -> None:
        """Prepare for epoch number `epoch`. Called once, before the first epoch is logged."""

    def log_epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log the values of one epoch, so that others can see them."""

    def log_results(self, values: Mapping[str, float]) -> None:
        """Log the results of the finished run."""

    def log_figure(self, path: Path) -> None:
        """Log a PNG file."""

    def log_file(self, path: Path) -> None:
        """Log a file of the model, or a file about it."""

    def close(self, status: Status) -> None:
        """Close the run. This process logs nothing more."""


def track_with(tracker: str, *, with_files: bool = True) -> ObserverFactory:
    """Return a factory of observers that log runs to a tracker.

    Args:
        tracker: A name from `TRACKERS`.
        with_files: Whether to log figures and files of the model. They cost seconds per run.

    Returns:
        A function without arguments that makes one observer per run.

    Raises:
        InputError: The tracker is unknown, is not installed, or has no key.
    """
    if tracker not in TRACKERS:
        raise InputError(
            f"unknown tracker '{tracker}'{did_you_mean(tracker, list(TRACKERS))}",
            f"Pass one of these to --track: {', '.join(TRACKERS)}.",
        )
    if find_spec(tracker) is None:
        raise InputError(
            f"--track {tracker} needs {TRACKERS[tracker]}, which is not installed.",
            f"pip install 'headstart[{tracker}]'",
        )
    if tracker == "wandb":
        from headstart.tracking._wandb import require_key

        require_key()
    return functools.partial(TrackerObserver, tracker, with_files=with_files)


class TrackerObserver:
    """An observer that logs one run to a tracker. See `headstart.training.Observer`.

    The note `tracking.json` in the run folder links it to the run of the tracker.
    """

    def __init__(self, tracker: str, *, with_files: bool) -> None:
        self._tracker, self._with_files = tracker, with_files
        self._run: TrackerRun | None = None
        self._logged: set[int] = set()

    def begin(self, folder: Path, curve: Sequence[Mapping[str, float | None]]) -> None:
        self._folder = folder
        note = self._read_note()
        if note.get("ended"):
            return

        open_run = import_module(f"headstart.tracking._{self._tracker}").open_run
        name = f"{folder.parent.name}/{folder.name}"
        run: TrackerRun = open_run(folder, name, _parameters(folder), note.get("mark"))
        self._run = run
        self._write_note(run.run_id, ended=False)

        self._logged = run.logged_epochs()
        run.resume_at(next(epoch for epoch in itertools.count(1) if epoch not in self._logged))
        for epoch, row in enumerate(curve, 1):
            self.epoch(epoch, row)

    def epoch(self, number: int, row: Mapping[str, float | None]) -> None:
        if self._run is None or number in self._logged:
            return
        values = {key: value for key, value in row.items() if value is not None}
        self._run.log_epoch(number, values)
        self._logged.add(number)

    def end(self, metrics: RunMetrics) -> None:
        if self._run is None:
            return
        self._run.log_results(_results(metrics))
        if self._with_files:
            self._log_files(self._run)
        self._run.close("finished")
        self._write_note(self._run.run_id, ended=True)

    def fail(self, message: str, *, is_resumable: bool) -> None:
        if self._run is not None:
            self._run.close("stopped" if is_resumable else "failed")

    def _log_files(self, run: TrackerRun) -> None:
        for path in _figures(self._folder):
            run.log_figure(path)
        for name in _FILES:
            if (self._folder / name).exists():
                run.log_file(self._folder / name)

    def _read_note(self) -> dict[str, object]:
        notes = store.read_json_or(self._folder / _NOTE, {})
        note: dict[str, object] = notes.get(self._tracker, {})
        return note

    def _write_note(self, run_id: str, *, ended: bool) -> None:
        notes = store.read_json_or(self._folder / _NOTE, {})
        note = {"mark": run_id, "ended": ended}
        store.write_json(self._folder / _NOTE, {**notes, self._tracker: note})


def _parameters(folder: Path) -> dict[str, ParameterValue]:
    """Return the resolved recipe, the data and the seed of a run on one level."""
    config = store.read_json(folder / "recipe.json")
    data = store.read_json_or(folder / "data.json", {})
    plan = store.read_json_or(folder / "plan.json", {})
    recipe = plan.get("recipe") or config["recipe"]
    parts = data.get("parts") or {}

    flat = {
        **recipe,
        **recipe["net"],
        "seed": config["seed"],
        "dataset": data.get("name"),
        **{f"{name}_images": part["images"] for name, part in parts.items()},
    }
    return {key: _parameter_value(value) for key, value in flat.items() if key != "net"}


def _parameter_value(value: Any) -> ParameterValue:
    is_plain = value is None or isinstance(value, str | int | float | bool)
    return value if is_plain else str(value)


def _results(metrics: RunMetrics) -> dict[str, float]:
    """Return the metrics, costs and times of a finished run on one level."""
    results: dict[str, float | None] = {}
    for part in ("validation", "test"):
        scores = metrics.part(part)
        if scores is not None:
            results |= {f"final_{part}_{key}": getattr(scores, key) for key in _METRICS}
    results |= {key: getattr(metrics, key) for key in _COSTS}
    results |= {f"{key}_seconds": seconds for key, seconds in metrics.seconds}
    return {key: float(value) for key, value in results.items() if value is not None}


def _figures(folder: Path) -> list[Path]:
    """Return the figures of the run's report. The report is written if it is missing."""
    from headstart.report import write_run_report

    if not (folder / "report.html").exists():
        write_run_report(folder)
    return sorted((folder / "figures").glob("*.png"))
