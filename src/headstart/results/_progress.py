"""The progress of an unfinished run, and the few scores that a list of runs shows."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headstart import store
from headstart.errors import InputError
from headstart.results._base import Fraction, Interval, JsonObject, ResultModel
from headstart.results._metrics import RunSeconds, count_solved_heads
from headstart.results._read import read_metrics

PROGRESS_FILE = "progress.json"


class RunProgress(ResultModel):
    """How far a run is: the content of `progress.json`, which exists while it trains."""

    step: int = Field(ge=0, description="Number of optimizer steps done.")
    steps: int = Field(ge=1, description="Number of steps of the whole run, as planned now.")
    epochs: float = Field(ge=0, description="Number of passes over the training images so far.")
    seconds: float = Field(ge=0, description="Seconds of training so far.")

    @property
    def seconds_left(self) -> float | None:
        """Expected seconds of the steps that are left; None before the first step."""
        if not self.step:
            return None
        return self.seconds / self.step * max(0, self.steps - self.step)


class _ListModel(BaseModel):
    """A frozen part of a file: other keys of the file are not read."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, strict=True)


class ListedScores(_ListModel):
    """The scores on one part of the split that a list of runs shows."""

    accuracy: Fraction
    interval: Interval
    n: int


class ListedMember(_ListModel):
    """The part of a run of an ensemble that a list of runs needs."""

    recipe: JsonObject


class ListedRun(_ListModel):
    """The part of `metrics.json` that a list of runs shows."""

    schema_version: Literal[1]
    model: str
    seed: int
    epochs: int | float
    recipe: JsonObject
    members: tuple[ListedMember, ...] = ()
    parameters: int
    seconds: RunSeconds
    stop_reason: str
    validation: ListedScores | None
    test: ListedScores | None

    @property
    def solved_heads(self) -> int:
        """Number of heads that were solved for in one step, without epochs."""
        return count_solved_heads(self.recipe, [member.recipe for member in self.members])


def read_progress(folder: Path) -> RunProgress | None:
    """Read how far the unfinished run in `folder` is; None if nothing is recorded."""
    try:
        content = store.read_json(folder / PROGRESS_FILE)
        return RunProgress.model_validate(content)
    except (InputError, ValidationError):  # It is being replaced, or a power cut damaged it.
        return None


def read_listed_run(folder: Path) -> ListedRun:
    """Read what a list shows of the finished run in `folder`.

    It takes a fifth of the time of `read_metrics`. If the folder is sealed, the whole file is
    compared with its seal.

    Raises:
        InputError: The file is missing, damaged, or written by a newer version.
    """
    path = folder / "metrics.json"
    try:
        return ListedRun.model_validate_json(store.read_verified(path))
    except (OSError, ValidationError):
        # A file of an earlier version is upgraded, and a damaged one is named.
        metrics = read_metrics(folder)
        return ListedRun.model_validate_json(metrics.model_dump_json())
