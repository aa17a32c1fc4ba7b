"""How much each section of `gpu.py` computes: on a GPU, and with `--small`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

CIFAR10, FASHION_MNIST = "cifar10", "fashion-mnist"
MODEL = "efficientnet-lite0"


@dataclass(frozen=True)
class Goal:
    """An accuracy to reach from scratch.

    Attributes:
        title: What a row of the table is called.
        data: Name of the dataset.
        accuracy: The mean test accuracy to reach.
        seconds: The target of the seconds of training per run; None if there is none.
        runs: The largest number of runs. Fewer are made if the section's time does not suffice.
        least_runs: Runs that the target asks for.
        values: The recipe of `cnn`. That for 94% was chosen among four on validation images.
    """

    title: str
    data: str
    accuracy: float
    seconds: float | None
    runs: int
    least_runs: int
    values: dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """How much every section computes.

    Attributes:
        limits: Seconds per section.
        goals: The accuracies to reach, by section.
        input_px: Image size of the backbone for features and for fine-tuning, in pixels.
        feature_images: Number of training images whose features are computed.
        feature_timings: How often the pass over a sample of them is timed.
        finetune_images: Number of training images that are fine-tuned on.
        finetune_batches: Batch sizes of fine-tuning.
        finetune_steps: Steps of fine-tuning per batch size.
        compared_images: Number of images that are predicted on the GPU and on the CPU.
        short: Recipe of the short runs that are compared, killed and resumed.
        short_images: Number of training images of these runs.
        short_test_images: Number of test images of these runs.
    """

    limits: dict[str, float]
    goals: dict[str, Goal]
    input_px: tuple[int, int]
    feature_images: int
    feature_timings: int
    finetune_images: int
    finetune_batches: tuple[int, ...]
    finetune_steps: int
    compared_images: int
    short: dict[str, Any]
    short_images: int
    short_test_images: int


_AUGMENTED: dict[str, Any] = {"flip": True, "batch": 1024, "lr": 0.18}
FULL = Sizes(
    limits={
        "CIFAR-10 to 94%": 95,
        "CIFAR-10 to 96%": 60,
        "Fashion-MNIST to 96%": 45,
        "features": 20,
        "fine-tuning": 45,
        "GPU and CPU": 40,
        "kill and resume": 40,
    },
    goals={
        "CIFAR-10 to 94%": Goal(
            title="CIFAR-10, 94%",
            data=CIFAR10,
            accuracy=0.94,
            seconds=2.0,
            runs=50,
            least_runs=50,
            values={**_AUGMENTED, "lr": 0.24, "nodes": 128, "epochs": 8, "shift": 0.0625},
        ),
        "CIFAR-10 to 96%": Goal(
            title="CIFAR-10, 96%",
            data=CIFAR10,
            accuracy=0.96,
            seconds=25.0,
            runs=3,
            least_runs=1,
            values={
                **_AUGMENTED,
                "nodes": 192,
                "epochs": 40,
                "shift": 0.125,
                "cutout": 0.375,
                "time_limit": 40.0,
            },
        ),
        "Fashion-MNIST to 96%": Goal(
            title="Fashion-MNIST, 96%",
            data=FASHION_MNIST,
            accuracy=0.96,
            seconds=None,
            runs=2,
            least_runs=1,
            values={
                **_AUGMENTED,
                "nodes": 128,
                "epochs": 60,
                "shift": 0.07,
                "cutout": 0.3,
                "time_limit": 40.0,
            },
        ),
    },
    input_px=(128, 96),
    feature_images=40_000,
    feature_timings=3,
    finetune_images=5_000,
    finetune_batches=(64, 512),
    finetune_steps=100,
    compared_images=1_000,
    short={"batch": 512, "flip": True, "shift": 0.0625},
    short_images=10_240,
    short_test_images=1_000,
)

_TINY: dict[str, Any] = {"nodes": 4, "layers": 1, "batch": 64, "epochs": 1, "flip": False}
SMALL = Sizes(
    limits=dict.fromkeys(FULL.limits, 600.0),
    goals={
        name: replace(goal, runs=min(2, goal.least_runs), values={**_TINY, "cutout": 0.3})
        for name, goal in FULL.goals.items()
    },
    input_px=(32, 32),
    feature_images=64,
    feature_timings=1,
    finetune_images=32,
    finetune_batches=(16,),
    finetune_steps=4,
    compared_images=16,
    short={**_TINY, "shift": 0.1, "precision": "float32"},
    short_images=256,
    short_test_images=50,
)
