"""Jobs of a second or less, and what is asked of their folders."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from headstart.execution import Job
from headstart.models.recipes import make_recipe

LONG: dict[str, Any] = {"epochs": 10000}  # longer than any test waits


def job(folder: Path, name: str = "run", seed: int = 0, model: str = "mlp", **values: Any) -> Job:
    """A job whose run lies at `folder / name`."""
    if model == "mlp":
        values = {"nodes": 32, **values}
    return Job(name, make_recipe(model, {"epochs": 1, **values}), seed, folder / name)


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


@contextmanager
def one_thread() -> Iterator[None]:
    """Use as many threads as the workers of these tests have."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def wait_for(what: Callable[[], Any], seconds: float = 300) -> Any:
    """The first value of `what` that is true."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
    return found


def trainer(run: Path) -> int | None:
    """The process that trains in this folder, as its lock says, once it does."""
    return json.loads((run / ".lock").read_text())["pid"] if (run / "plan.json").exists() else None


def is_alive(pid: int) -> bool:
    """Whether there is such a process, zombies not counted."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
