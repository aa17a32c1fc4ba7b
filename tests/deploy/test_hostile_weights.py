"""A hostile file in the place of the weights is refused: no code runs, and no memory is taken."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from headstart.classifier import load_classifier
from headstart.data import Dataset, Split, SplitDataset
from headstart.errors import InputError
from headstart.models.recipes import make_recipe
from headstart.training import TrainingJob, train

PEAK_BYTES = 32 << 20


@pytest.fixture(scope="module")
def run(data: tuple[Dataset, Split], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    recipe = make_recipe("mlp", {"epochs": 0.1, "nodes": 16})
    train(TrainingJob(recipe, SplitDataset(*data), 0, folder))
    (folder / "manifest.json").unlink()  # an attacker leaves no seal, or writes another
    return folder


class Payload:
    """An object whose pickle creates a folder when it is read."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.canary),)


def pickled(weights: bytes, canary: Path) -> bytes:
    return pickle.dumps(Payload(canary))


def long_header(weights: bytes, canary: Path) -> bytes:
    return struct.pack("<Q", 4 << 30) + weights[8:]


def changed_header(change: Callable[[dict[str, dict[str, object]]], None]) -> object:
    """Return a function that changes the header of weights."""

    def apply(weights: bytes, _: Path) -> bytes:
        (length,) = struct.unpack("<Q", weights[:8])
        header = json.loads(weights[8 : 8 + length])
        change(header)
        content = json.dumps(header).encode()
        return struct.pack("<Q", len(content)) + content + weights[8 + length :]

    return apply


def tensors(header: dict[str, dict[str, object]]) -> list[dict[str, object]]:
    return [value for name, value in header.items() if name != "__metadata__"]


def overlap(header: dict[str, dict[str, object]]) -> None:
    first, *others = sorted(tensors(header), key=lambda tensor: str(tensor["data_offsets"]))
    others[0]["data_offsets"] = first["data_offsets"]


def beyond(header: dict[str, dict[str, object]]) -> None:
    tensors(header)[0].update(data_offsets=[0, 4 << 40], shape=[1 << 40])


HOSTILE = {
    "a pickle": pickled,
    "a header of 4 GiB": long_header,
    "tensors that overlap": changed_header(overlap),
    "a tensor beyond the file": changed_header(beyond),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_weights_are_refused(name: str, run: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(run, tmp_path / "run"))
    write = HOSTILE[name]
    assert callable(write)
    weights = (own / "model.safetensors").read_bytes()
    (own / "model.safetensors").write_bytes(write(weights, tmp_path / "canary"))
    load_classifier(run)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"cannot load .*model\.safetensors"):
            load_classifier(own)
        assert tracemalloc.get_traced_memory()[1] < PEAK_BYTES
    finally:
        tracemalloc.stop()
    assert not (tmp_path / "canary").exists()


def test_the_payload_would_run_where_pickles_are_read(tmp_path: Path) -> None:
    pickle.loads(pickled(b"", tmp_path / "canary"))
    assert (tmp_path / "canary").is_dir()
