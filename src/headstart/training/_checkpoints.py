"""Checkpoints: complete or invisible, verified before use, the previous one kept in reserve."""

from __future__ import annotations

import time
from pathlib import Path

from safetensors.torch import load, save
from torch import Tensor

from headstart import progress, store
from headstart.training._identity import recorded_key
from headstart.training._state import StateValues, TrainingState

FOLDER, FINAL = "checkpoint", "state"

# Seconds between checkpoints. The documented limit is 30: the current step is finished first.
SECONDS_BETWEEN = 25.0

# Fraction of the time that checkpoints may take where epochs are short. The documented limit is
# 0.02.
_COST_FRACTION = 0.015

_KEPT = 2

# The tensors and the numbers of a `TrainingState`.
SavedState = tuple[dict[str, Tensor], StateValues]


class Checkpoints:
    """The checkpoints of one run folder, numbered by the steps done.

    Each is a folder that appears complete: `state.safetensors`, `state.json` and their manifest.
    Only the process that has claimed the run folder may use this class.

    Args:
        run: The run folder.
        key: The key of the run's identity. A checkpoint of another run is not resumed.
    """

    def __init__(self, run: Path, key: str) -> None:
        self.folder, self._key = run / FOLDER, key
        store.clear_debris(self.folder)
        self._last_save = time.monotonic()
        self._save_seconds = 0.0

    def require_space(self, state: TrainingState) -> None:
        """Raise an error unless the checkpoints and the results of a run will fit on the disk.

        Raises:
            ResourceError: They will not.
        """
        trained = sum(weight.nbytes for weight in state.classifier.net.parameters())
        network = sum(tensor.nbytes for tensor in state.classifier.state_dict().values())
        # Adam has two moments per weight, and early stopping keeps the best weights.
        checkpoint = network + 2 * trained + network * (state.plan.recipe.patience is not None)
        missing = max(0, _KEPT + 1 - len(self._paths()))
        store.require_space(self.folder.parent, missing * checkpoint + network)

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
                store.write_json(building / "state.json", {"run": self._key, **state.as_json()})
                store.seal(building)
            for old in self._paths()[:-_KEPT]:
                store.remove_folder(old)
        self._last_save = time.monotonic()
        self._save_seconds = self._last_save - started

    def load_newest(self) -> SavedState | None:
        """Load the newest intact checkpoint; None if there is none.

        A damaged one, or one of another run, is renamed and reported.
        """
        for path in reversed(self._paths()):
            saved = _load(path, self._key)
            if saved is not None:
                return saved
            store.rename(path, path.with_name(f"{path.name}.bad-{time.time_ns()}"))
        return None

    def keep_final(self, run: Path) -> None:
        """Keep only the last checkpoint, as the final state that `--epochs +N` continues from."""
        paths = self._paths()
        if paths and not (run / FINAL).exists():
            store.rename(paths[-1], run / FINAL)
        if self.folder.exists():
            store.remove_folder(self.folder)

    def _paths(self) -> list[Path]:
        """Return the checkpoints, oldest first. A damaged one may be among them."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if path.name.isdigit())


def load_final_state(run: Path) -> SavedState | None:
    """Load the state at the end of a finished run; None if it is missing or damaged."""
    key = recorded_key(run)
    if (run / FINAL).is_dir():
        return _load(run / FINAL, key)
    # A run that was killed after its last result has not renamed its last checkpoint yet.
    paths = sorted((run / FOLDER).glob("[0-9]*"))
    return _load(paths[-1], key) if paths else None


def _load(path: Path, key: str) -> SavedState | None:
    """Load a checkpoint of this run if it is intact; otherwise report why not and return None."""
    damage = store.find_damage(path)
    if damage is not None:
        progress.warn(f"WARNING: the checkpoint {path} is damaged, and is not used: {damage}.")
        return None
    values: StateValues = store.read_json(path / "state.json")
    if values.get("run", key) != key:  # checkpoints of earlier versions do not name their run
        progress.warn(f"WARNING: the checkpoint {path} belongs to another run, and is not used.")
        return None
    return load((path / "state.safetensors").read_bytes()), values
