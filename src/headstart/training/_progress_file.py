"""The record of an unfinished run that others may watch: how far it is, and its curve so far."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from headstart import store
from headstart.errors import HeadstartError
from headstart.results import PROGRESS_FILE, RunProgress
from headstart.training._curve import write_curves

if TYPE_CHECKING:
    from headstart.training._state import TrainingState

# Seconds between two records: the first number, or more where the curve is long and the record
# would take more than half a percent of the time. A disk that is slow for a moment delays it to the
# second number at most.
_SHORTEST_SECONDS, _LONGEST_SECONDS = 1.0, 10.0
_COST_FRACTION = 0.005


class ProgressFile:
    """Writes `progress.json` and the curve so far, every few seconds.

    The files serve those who watch. They are not synced to disk, and a failure to write them ends
    no run.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last_write = time.monotonic()
        self._write_seconds = 0.0
        self._epochs_written = 0
        self._has_failed = False

    def write_if_due(self, state: TrainingState) -> None:
        """Write the record if the last one is old enough."""
        wait = max(_SHORTEST_SECONDS, self._write_seconds / _COST_FRACTION)
        is_due = time.monotonic() - self._last_write >= min(wait, _LONGEST_SECONDS)
        if is_due and not self._has_failed:
            self.write(state)

    def write(self, state: TrainingState) -> None:
        """Write the record now."""
        started = time.monotonic()
        plan = state.plan
        record = RunProgress(
            step=plan.done,
            steps=plan.steps,
            epochs=round(plan.epochs, 6),
            seconds=round(state.seconds, 3),
        )
        try:
            with store.without_sync():
                if len(state.curve) != self._epochs_written:
                    write_curves(self._folder, state.curve)
                    self._epochs_written = len(state.curve)
                store.write_json(self._folder / PROGRESS_FILE, record.as_json())
        except HeadstartError:
            self._has_failed = True  # A full disk is reported by the next checkpoint.
        self._last_write = time.monotonic()
        self._write_seconds = self._last_write - started


def remove_progress(folder: Path) -> None:
    """Remove the record of a run that has its results."""
    store.remove_file(folder / PROGRESS_FILE)
