"""Checkpoints: complete or invisible, verified before use, the previous one kept in reserve."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from headstart import progress, store
from headstart.training._state import TrainingState

FOLDER, FINAL = "checkpoint", "state"

# Seconds between checkpoints. The documented limit is 30: the current step is finished first.
SECONDS_BETWEEN = 25.0

# Fraction of the time that checkpoints may take where epochs are short. The documented limit is
# 0.02.
_COST_FRACTION = 0.015

_KEPT = 2

# The tensors and the numbers of a `TrainingState`.
SavedState = tuple[dict[str, Tensor], dict[str, Any]]


class Checkpoints:
    """The checkpoints of one run folder, numbered by the steps done.

    Each is a folder that appears complete: `state.safetensors`, `state.json` and their manifest.
    Only the process that has claimed the run folder may use this class.
    """

    def __init__(self, run: Path) -> None:
        self.folder = run / FOLDER
        store.clear_debris(self.folder)
        self._last_save = time.monotonic()
        self._save_seconds = 0.0

    def save_if_due(self, state: TrainingState) -> None:
        """Save at the end of an epoch, and within an epoch when the last checkpoint is old.

        Where epochs are so short that saving each would cost more than 1.5% of the time, some are
        left out.
        """
        elapsed = time.monotonic() - self._last_save
        is_affordable = elapsed * _COST_FRACTION >= self._save_seconds
        if elapsed >= SECONDS_BETWEEN or (state.plan.is_epoch_end and is_affordable):
            self.save(state)

    def save(self, state: TrainingState) -> None:
        """Save now.

        Raises:
            ResourceError: No space or no permission. The earlier checkpoints remain.
        """
        started = time.monotonic()
        path = self.folder / f"{state.plan.done:08d}"
        if not path.exists():
            content = save(state.tensors())
            store.require_space(self.folder, len(content))
            with store.new_folder(path) as building:
                store.write_bytes(building / "state.safetensors", content)
                store.write_json(building / "state.json", state.as_json())
                store.seal(building)
            for old in self._paths()[:-_KEPT]:
                store.remove_folder(old)
        self._last_save = time.monotonic()
        self._save_seconds = self._last_save - started

    def load_newest(self) -> SavedState | None:
        """Load the newest intact checkpoint; None if there is none.

        A damaged one is renamed, and reported.
        """
        for path in reversed(self._paths()):
            saved = _load(path)
            if saved is not None:
                return saved
            store.rename_folder(path, path.with_name(f"{path.name}.bad-{time.time_ns()}"))
        return None

    def keep_final(self, run: Path) -> None:
        """Keep only the last checkpoint, as the final state that `--epochs +N` continues from."""
        paths = self._paths()
        if paths and not (run / FINAL).exists():
            store.rename_folder(paths[-1], run / FINAL)
        if self.folder.exists():
            store.remove_folder(self.folder)

    def _paths(self) -> list[Path]:
        """Return the checkpoints, oldest first. A damaged one may be among them."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if path.name.isdigit())


def load_final_state(run: Path) -> SavedState | None:
    """Load the state at the end of a finished run; None if it is missing or damaged."""
    if (run / FINAL).is_dir():
        return _load(run / FINAL)
    # A run that was killed after its last result has not renamed its last checkpoint yet.
    paths = sorted((run / FOLDER).glob("[0-9]*"))
    return _load(paths[-1]) if paths else None


def _load(path: Path) -> SavedState | None:
    """Load a checkpoint if it is intact; otherwise report the damage and return None."""
    damage = store.find_damage(path)
    if damage is None:
        tensors = load((path / "state.safetensors").read_bytes())
        return tensors, store.read_json(path / "state.json")
    progress.say(
        f"WARNING: the checkpoint {path} is damaged: {damage}. The previous checkpoint is used."
    )
    return None
