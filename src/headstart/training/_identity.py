"""The identity of a run, and the refusal of folders that hold something else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from headstart import store
from headstart.data import SplitDataset, describe_changes
from headstart.errors import InputError
from headstart.models.recipes import Recipe
from headstart.results import RunMetrics, read_metrics

# Keys of recipe.json that must agree, and how messages name them.
_COMPARED = {
    "recipe": "recipe",
    "seed": "seed",
    "dataset": "dataset",
    "split": "split",
    "after": "origin",
    "ensemble": "set of members",
}
_MOST_DIFFERENCES = 3
_MOST_FILES = 3


@dataclass(frozen=True)
class RunIdentity:
    """The identity of a run: the content of `recipe.json`.

    Attributes:
        recipe: The recipe as JSON.
        digest: Digest of the recipe.
        seed: Seed of the run.
        dataset: Fingerprint of the dataset.
        split: Fingerprint of the split.
        after: Digest of the weights that it continues from; None for most runs.
    """

    recipe: dict[str, object]
    digest: str
    seed: int
    dataset: str
    split: str
    after: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the content of `recipe.json`."""
        origin = {} if self.after is None else {"after": self.after}
        return {
            **origin,
            "recipe": self.recipe,
            "digest": self.digest,
            "seed": self.seed,
            "dataset": self.dataset,
            "split": self.split,
        }

    @property
    def key(self) -> str:
        """SHA-256 digest of the whole identity, hexadecimal."""
        return _key(self.as_json())


def run_identity(
    recipe: Recipe, data: SplitDataset, seed: int, after: Path | None = None
) -> RunIdentity:
    """Return the identity of a run.

    Args:
        recipe: The recipe as requested, with its open values.
        data: The images.
        seed: Seed of the run.
        after: Folder of the finished run that it continues.
    """
    origin = None
    if after is not None:
        origin = hashlib.sha256(store.read_verified(after / "model.safetensors")).hexdigest()
    return RunIdentity(
        recipe=recipe.model_dump(mode="json"),
        digest=recipe.digest,
        seed=seed,
        dataset=data.dataset.fingerprint,
        split=data.split.fingerprint,
        after=origin,
    )


def recorded_key(folder: Path) -> str:
    """Return the key of the run in a folder, from its `recipe.json`.

    Raises:
        InputError: The file is missing or damaged.
    """
    return _key(store.read_json(folder / "recipe.json"))


def _key(identity: object) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def load_finished_run(folder: Path, identity: RunIdentity, data: SplitDataset) -> RunMetrics | None:
    """Load the metrics of a run that is already finished.

    Args:
        folder: The run folder.
        identity: The run that is expected there.
        data: Its data. A message about another dataset says how the two differ.

    Returns:
        The metrics; None if the folder holds no run, or an unfinished one of this identity.

    Raises:
        InputError: The folder holds another run, or something that is not a run. Neither is ever
            overwritten.
        DamagedFile: The run was finished, and one of its files has changed or is missing. It is
            not trained again.
    """
    if not (folder / "recipe.json").exists():
        _require_empty(folder)
        return None

    is_finished = (folder / "metrics.json").exists()
    if not is_finished and not (folder / "checkpoint").exists():
        # A run keeps its checkpoints until its last file is written.
        if store.is_sealed(folder):
            store.require_intact(folder)
        return None  # stopped before its first checkpoint: there is nothing to lose

    _require_same(folder, identity, data, is_finished=is_finished)
    if not is_finished:
        return None
    store.require_intact(folder)
    store.note_if_unsealed(folder)
    return read_metrics(folder)


def _require_empty(folder: Path) -> None:
    """Raise InputError if the folder holds anything but hidden files."""
    if not folder.is_dir():
        return
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    if names:
        raise InputError(
            f"{folder} is not empty and does not hold a run: {', '.join(names[:_MOST_FILES])}.",
            "Choose another --out.",
        )


def _require_same(
    folder: Path, identity: RunIdentity, data: SplitDataset, *, is_finished: bool
) -> None:
    """Raise InputError if the folder holds a run of another identity."""
    present, requested = store.read_json(folder / "recipe.json"), identity.as_json()
    for key, name in _COMPARED.items():
        if present.get(key) != requested.get(key):
            difference = _describe_difference(present.get(key), requested.get(key))
            if key in {"dataset", "split"}:
                changes = describe_changes(folder, data)
                difference = f" ({changes})" if changes else ""
            article = "a" if is_finished else "an unfinished"
            raise InputError(
                f"{folder} holds {article} run with another {name}{difference}.",
                "Choose another --out, or remove that folder.",
            )


def _describe_difference(present: object, requested: object) -> str:
    """Return how two recipes or seeds differ, in parentheses; "" for fingerprints."""
    if not isinstance(present, dict) or not isinstance(requested, dict):
        if isinstance(requested, int):
            return f" ({present} there, {requested} requested)"
        return ""

    present = {**present, **present.get("net", {}), "net": None}
    requested = {**requested, **requested.get("net", {}), "net": None}
    differences = [
        f"{key}: {present.get(key)} there, {value} requested"
        for key, value in requested.items()
        if present.get(key) != value
    ]
    return f" ({', '.join(differences[:_MOST_DIFFERENCES])})"
