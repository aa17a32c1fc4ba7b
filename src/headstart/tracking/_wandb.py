"""Weights & Biases: a run of the project that WANDB_PROJECT names. With WANDB_MODE=offline its files wait in the run folder."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from headstart import store
from headstart.errors import InputError
from headstart.tracking._track import Log, Status, Value

PROJECT = "headstart"
_TOLD = "wandb-epochs.json"  # offline, a run cannot be asked what it holds


def need_key() -> None:
    """Whether runs can be sent, or need not be: in the middle of a command nobody waits for a question.

    Raises:
        InputError: no key is known.
    """
    import wandb

    if os.environ.get("WANDB_MODE", "online") == "online" and not wandb.login(prompt=False):
        raise InputError(
            "--track wandb has no key to send runs with.",
            "`wandb login` keeps one; WANDB_MODE=offline keeps runs in their folders.",
        )


def open_log(folder: Path, name: str, parameters: Mapping[str, Value], mark: str | None) -> Log:
    """The run with the id `mark`, or a new one."""
    return _Run(folder, name, parameters, mark)


class _Run:
    def __init__(
        self, folder: Path, name: str, parameters: Mapping[str, Value], mark: str | None
    ) -> None:
        import wandb

        self.mark: str = mark or secrets.token_hex(4)
        self._wandb, self._note = wandb, folder / _TOLD
        self._epochs: set[int] = set(store.read_json_or(self._note, []))
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            id=self.mark,
            resume="allow",
            name=name,
            config=dict(parameters),
            dir=str(folder),
            settings=wandb.Settings(
                silent=True, console="off", disable_git=True, disable_code=True
            ),
            reinit="create_new",
        )
        self._model = wandb.Artifact(f"model-{self.mark}", type="model")

    def epochs(self) -> set[int]:
        return set(self._epochs)

    def go_on_from(self, epoch: int) -> None:
        """A step counts once; nobody tells it twice."""

    def scalars(self, epoch: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=epoch, commit=True)
        self._epochs.add(epoch)
        store.write_json(self._note, sorted(self._epochs))

    def scores(self, values: Mapping[str, float]) -> None:
        self._run.summary.update(dict(values))

    def figure(self, path: Path) -> None:
        self._run.log({path.stem: self._wandb.Image(str(path))})

    def file(self, path: Path) -> None:
        self._model.add_file(str(path))

    def close(self, status: Status) -> None:
        if status == "finished" and self._model.manifest.entries:
            self._run.log_artifact(self._model)
        self._run.finish(exit_code=0 if status == "finished" else 1)
