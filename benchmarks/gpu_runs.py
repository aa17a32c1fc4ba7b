"""Short runs for `gpu.py`, in this process or a child of it, and the comparison of their weights.

python benchmarks/gpu_runs.py SPEC        trains the run that this JSON object describes
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from headstart.data import SplitDataset, load, make_split
from headstart.models.recipes import make_recipe
from headstart.results import RunSummary
from headstart.training import TrainingJob, train


@dataclass(frozen=True)
class Spec:
    """A short run that this process or a child of it trains.

    Attributes:
        data: Path of the dataset.
        values: The recipe of `cnn`.
        folder: The run folder.
        train_images: Number of training images.
        test_images: Number of test images.
        kill_at: Step after which the process kills itself; None for an uninterrupted run.
    """

    data: str
    values: dict[str, Any]
    folder: str
    train_images: int
    test_images: int
    kill_at: int | None = None


def run_spec(spec: Spec) -> RunSummary:
    """Train the run, or resume it."""
    dataset = load(spec.data)
    split = make_split(dataset, validation=0, train_images=spec.train_images)
    split = replace(split, test=split.test[: spec.test_images])

    def kill(done: int, _: float) -> None:
        if done == spec.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    recipe = make_recipe("cnn", spec.values)
    data = SplitDataset(dataset, split)
    return train(TrainingJob(recipe, data, 0, Path(spec.folder), watch=kill))


def run_in_child(spec: Spec, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Train the run in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), json.dumps(asdict(spec))]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@dataclass(frozen=True)
class WeightDistance:
    """How far the weights of two runs lie apart.

    Attributes:
        is_equal: Whether the files of the weights are equal, byte for byte.
        largest: The largest difference of two weights.
        relative: The norm of all differences relative to the norm of all weights.
    """

    is_equal: bool
    largest: float
    relative: float

    def __str__(self) -> str:
        if self.is_equal:
            return "equal"
        return f"differ by at most {self.largest:.1e}, by {self.relative:.1e} of their norm"


def weight_distance(run: Path, other: Path) -> WeightDistance:
    """Compare the weights of two finished runs."""
    paths = [folder / "model.safetensors" for folder in (run, other)]
    is_equal = paths[0].read_bytes() == paths[1].read_bytes()
    weights, others = (_all_weights(path) for path in paths)
    differences = weights - others
    norm = float(np.linalg.norm(weights))
    return WeightDistance(
        is_equal, float(np.abs(differences).max()), float(np.linalg.norm(differences)) / norm
    )


def _all_weights(path: Path) -> NDArray[np.float64]:
    tensors = load_file(path)
    return np.concatenate([tensors[name].double().flatten().numpy() for name in sorted(tensors)])


if __name__ == "__main__":
    run_spec(Spec(**json.loads(sys.argv[1])))
