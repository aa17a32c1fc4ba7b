"""Weights & Biases: a run of the project WANDB_PROJECT.

With WANDB_MODE=offline, its files stay in the run folder.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from headstart import store
from headstart.errors import InputError
from headstart.tracking._track import Parameters, Status, TrackerRun

PROJECT = "headstart"
_LOGGED_EPOCHS = "wandb-epochs.json"  # an offline run cannot be queried


def require_key() -> None:
    """Check that runs can be uploaded, or that no upload is needed.

    Otherwise the library would ask for a key in the middle of a command.

    Raises:
        InputError: No key is stored.
    """
    import wandb

    is_online = os.environ.get("WANDB_MODE", "online") == "online"
    if is_online and not wandb.login(prompt=False):
        raise InputError(
            "--track wandb has no key for uploads.",
            "Run `wandb login`, or set WANDB_MODE=offline to keep runs in their folders.",
        )


def open_run(folder: Path, name: str, parameters: Parameters, run_id: str | None) -> TrackerRun:
    """Open the run `run_id`, or a new one."""
    return _WandbRun(folder, name, parameters, run_id)


class _WandbRun:
    def __init__(self, folder: Path, name: str, parameters: Parameters, run_id: str | None) -> None:
        import wandb

        self.run_id: str = run_id or secrets.token_hex(4)
        self._wandb, self._note = wandb, folder / _LOGGED_EPOCHS
        self._epochs: set[int] = set(store.read_json_or(self._note, []))
        settings = wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            id=self.run_id,
            resume="allow",
            name=name,
            config=dict(parameters),
            dir=str(folder),
            settings=settings,
            reinit="create_new",
        )
        self._model = wandb.Artifact(f"model-{self.run_id}", type="model")

    def logged_epochs(self) -> set[int]:
        return set(self._epochs)

    def resume_at(self, epoch: int) -> None:
        """Do nothing: no epoch is logged twice."""

    def log_epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=epoch, commit=True)
        self._epochs.add(epoch)
        store.write_json(self._note, sorted(self._epochs))

    def log_results(self, values: Mapping[str, float]) -> None:
        self._run.summary.update(dict(values))

    def log_figure(self, path: Path) -> None:
        self._run.log({path.stem: self._wandb.Image(str(path))})

    def log_file(self, path: Path) -> None:
        self._model.add_file(str(path))

    def close(self, status: Status) -> None:
        if status == "finished" and self._model.manifest.entries:
            self._run.log_artifact(self._model)
        self._run.finish(exit_code=0 if status == "finished" else 1)
