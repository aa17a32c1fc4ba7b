"""From what training tells of a run to what a tracker takes: parameters, scalars by epoch, scores, figures, files."""

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
from headstart.training import ObserverFactory

# Each is also the module that is imported, and the extra that installs it.
TRACKERS = {"tensorboard": "TensorBoard", "mlflow": "MLflow", "wandb": "Weights & Biases"}
_NOTE = "tracking.json"
_MODEL_FILES = (
    "model.safetensors",
    "classifier.json",
    "recipe.json",
    "data.json",
    "environment.json",
    "metrics.json",
)
_SCORES = ("accuracy", "loss", "macro_f1")

Status = Literal["finished", "failed", "stopped"]
Value = str | int | float | bool | None


class Log(Protocol):
    """One run in a tracker, open for writing.

    Made with the run folder, a name, the parameters, and the mark that an earlier process left of the same run, or None.
    """

    @property
    def mark(self) -> str:
        """What finds this run of the tracker again."""

    def epochs(self) -> set[int]:
        """The epochs that are there already, of an earlier process."""

    def go_on_from(self, epoch: int) -> None:
        """Told before the first epoch: the next one to be told is this."""

    def scalars(self, epoch: int, values: Mapping[str, float]) -> None:
        """Values of one epoch; others can see them when this returns."""

    def scores(self, values: Mapping[str, float]) -> None:
        """What the finished run reached."""

    def figure(self, path: Path) -> None:
        """A PNG."""

    def file(self, path: Path) -> None:
        """A file of the model, or about it."""

    def close(self, status: Status) -> None:
        """Nothing more comes, from this process."""


def track_with(tracker: str, *, with_files: bool = True) -> ObserverFactory:
    """What makes an observer for each run, for `headstart.training.observing`.

    Args:
        tracker: a name of `TRACKERS`.
        with_files: figures and model files too; they cost seconds a run.

    Raises:
        InputError: no such tracker, it is not installed, or it lacks a key.
    """
    if tracker not in TRACKERS:
        raise InputError(
            f"--track is '{tracker}'{did_you_mean(tracker, list(TRACKERS))}",
            f"Trackers: {', '.join(TRACKERS)}.",
        )
    if find_spec(tracker) is None:
        raise InputError(
            f"--track {tracker} needs {TRACKERS[tracker]}, which is not installed.",
            f"pip install 'headstart[{tracker}]'",
        )
    if tracker == "wandb":
        from headstart.tracking._wandb import need_key

        need_key()
    return functools.partial(Tracked, tracker, with_files=with_files)


class Tracked:
    """See `headstart.training.Observer`. Which run of the tracker belongs to a run folder stands in its `tracking.json`."""

    def __init__(self, tracker: str, *, with_files: bool) -> None:
        self._tracker, self._with_files = tracker, with_files
        self._log: Log | None = None
        self._told: set[int] = set()

    def begin(self, folder: Path, curve: Sequence[Mapping[str, float | None]]) -> None:
        self._folder = folder
        note = self._note()
        if note.get("ended"):
            return
        make = import_module(f"headstart.tracking._{self._tracker}").open_log
        log: Log = make(
            folder, f"{folder.parent.name}/{folder.name}", _parameters(folder), note.get("mark")
        )
        self._log = log
        self._remember({"mark": log.mark, "ended": False})
        self._told = log.epochs()
        first = next(number for number in itertools.count(1) if number not in self._told)
        log.go_on_from(first)
        for number, row in enumerate(curve, 1):
            self.epoch(number, row)

    def epoch(self, number: int, row: Mapping[str, float | None]) -> None:
        if self._log is not None and number not in self._told:
            self._log.scalars(
                number, {key: value for key, value in row.items() if value is not None}
            )
            self._told.add(number)

    def end(self, metrics: dict[str, Any]) -> None:
        if self._log is None:
            return
        self._log.scores(_scores(metrics))
        if self._with_files:
            for path in _figures(self._folder):
                self._log.figure(path)
            for name in (*_MODEL_FILES, "report.html"):
                if (self._folder / name).exists():
                    self._log.file(self._folder / name)
        self._log.close("finished")
        self._remember({"mark": self._log.mark, "ended": True})

    def fail(self, message: str, *, is_resumable: bool) -> None:
        if self._log is not None:
            self._log.close("stopped" if is_resumable else "failed")

    def _note(self) -> dict[str, Any]:
        found: dict[str, Any] = store.read_json_or(self._folder / _NOTE, {}).get(self._tracker, {})
        return found

    def _remember(self, note: dict[str, Any]) -> None:
        store.write_json(
            self._folder / _NOTE,
            {**store.read_json_or(self._folder / _NOTE, {}), self._tracker: note},
        )


def _parameters(folder: Path) -> dict[str, Value]:
    """The recipe with everything decided, the data, the seed; flat."""
    asked, data = (
        store.read_json(folder / "recipe.json"),
        store.read_json_or(folder / "data.json", {}),
    )
    plan = store.read_json_or(folder / "plan.json", {})
    recipe = plan.get("recipe") or asked["recipe"]
    parts = {f"{name}_images": one["images"] for name, one in (data.get("parts") or {}).items()}
    flat = {**recipe, **recipe["net"], "seed": asked["seed"], "dataset": data.get("name"), **parts}
    return {key: _plain(value) for key, value in flat.items() if key != "net"}


def _plain(value: Any) -> Value:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _scores(metrics: Mapping[str, Any]) -> dict[str, float]:
    judged = {
        f"final_{part}_{key}": scores[key]
        for part in ("validation", "test")
        if (scores := metrics[part])
        for key in _SCORES
    }
    sizes = {
        key: metrics[key]
        for key in ("epochs", "parameters", "multiply_adds", "predict_ms_per_image")
    }
    seconds = {f"{key}_seconds": value for key, value in metrics["seconds"].items()}
    return {
        key: float(value)
        for key, value in {**judged, **sizes, **seconds}.items()
        if value is not None
    }


def _figures(folder: Path) -> list[Path]:
    """The figures of the run's report, which is drawn if it is not there."""
    from headstart.report import write_run_report

    if not (folder / "report.html").exists():
        write_run_report(folder)
    return sorted((folder / "figures").glob("*.png"))
