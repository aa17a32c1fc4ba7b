"""Checkpoints: complete or invisible, verified before use, the one before kept in case."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from headstart import progress, store
from headstart.training._state import State

FOLDER, FINAL = "checkpoint", "state"
SECONDS_BETWEEN = 25.0  # promised is 30: the step in hand is finished first
_COST_SHARE = (
    0.015  # of the time, that checkpoints may take where epochs are short; promised is 0.02
)
_KEPT = 2

Saved = tuple[dict[str, Tensor], dict[str, Any]]


class Checkpoints:
    """The checkpoints of one run folder, numbered by the steps done.

    Each is a folder that appears whole: `state.safetensors`, `state.json` and their manifest. Only the process that has claimed
    the run folder may use this.
    """

    def __init__(self, run: Path) -> None:
        self.folder = run / FOLDER
        store.clear_debris(self.folder)
        self._last = time.monotonic()
        self._cost = 0.0

    def save_if_due(self, state: State) -> None:
        """Save at the end of an epoch, and within one when the last checkpoint is long ago.

        Where epochs are so short that saving each would cost more than 1.5% of the time, some are left out.
        """
        since = time.monotonic() - self._last
        is_affordable = state.plan.is_epoch_end and since * _COST_SHARE >= self._cost
        if since >= SECONDS_BETWEEN or is_affordable:
            self.save(state)

    def save(self, state: State) -> None:
        """Save now.

        Raises:
            ResourceError: no space or no permission; the checkpoints before stay.
        """
        started = time.monotonic()
        name = f"{state.plan.done:08d}"
        if not (self.folder / name).exists():
            content = save(state.tensors())
            store.require_space(self.folder, len(content))
            with store.new_folder(self.folder / name) as building:
                store.write_bytes(building / "state.safetensors", content)
                store.write_json(building / "state.json", state.facts())
                store.seal(building)
            for old in self._numbered()[:-_KEPT]:
                store.remove_folder(old)
        self._last = time.monotonic()
        self._cost = self._last - started

    def newest(self) -> Saved | None:
        """The newest checkpoint that is whole; a damaged one is set aside under another name, and said."""
        for path in reversed(self._numbered()):
            if (found := self.read(path)) is not None:
                return found
            store.rename_folder(path, path.with_name(f"{path.name}.bad-{time.time_ns()}"))
        return None

    @staticmethod
    def read(path: Path) -> Saved | None:
        """A checkpoint, if it is whole; what is wrong with it is said if it is not."""
        wrong = store.find_damage(path)
        if wrong is None:
            return load((path / "state.safetensors").read_bytes()), store.read_json(
                path / "state.json"
            )
        progress.say(
            f"WARNING: the checkpoint {path} is damaged: {wrong}. It is set aside; the one before is used."
        )
        return None

    def keep_final(self, run: Path) -> None:
        """Leave only the last one, as what `--epochs +N` goes on from."""
        numbered = self._numbered()
        if numbered and not (run / FINAL).exists():
            store.rename_folder(numbered[-1], run / FINAL)
        if self.folder.exists():
            store.remove_folder(self.folder)

    def _numbered(self) -> list[Path]:
        """Whole ones and damaged ones not yet found out, oldest first."""
        return (
            sorted(path for path in self.folder.iterdir() if path.name.isdigit())
            if self.folder.is_dir()
            else []
        )


def final_state(run: Path) -> Saved | None:
    """The state at the end of a finished run, if it is there and whole."""
    if (run / FINAL).is_dir():
        return Checkpoints.read(run / FINAL)
    left = sorted(
        (run / FOLDER).glob("[0-9]*")
    )  # killed after its last result, before it had cleaned up
    return Checkpoints.read(left[-1]) if left else None
