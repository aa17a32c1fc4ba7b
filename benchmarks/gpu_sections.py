"""The sections of `gpu.py`. Each adds its measurements to the rows of the table."""

from __future__ import annotations

import shutil
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_runs import Spec, run_in_child, run_spec, weight_distance
from gpu_sizes import CIFAR10, FULL, MODEL, Goal, Sizes

from headstart.classifier import best_device, load_network
from headstart.data import Dataset, SplitDataset, make_split, without_test
from headstart.errors import RunFailed
from headstart.features import compute_features, seconds_per_image
from headstart.models import BackboneOptions, load_backbone
from headstart.models.recipes import make_recipe
from headstart.results import RunSummary
from headstart.training import TrainingJob, read_probabilities, train


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        measurement: What was measured.
        value: The result as text.
        target: The target as text; empty if there is none.
        is_met: Whether the target is met; None if there is none.
        n: Number of runs or images behind it.
        numbers: The result as numbers, for the JSON file.
    """

    measurement: str
    value: str
    target: str = ""
    is_met: bool | None = None
    n: int | None = None
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass
class Section:
    """The outcome of one section.

    Attributes:
        name: Its name.
        limit: Its time limit in seconds.
        seconds: Seconds that it took.
        rows: Its measurements, also those before a failure.
        error: Why it failed; None if it did not.
        peak_device_bytes: Peak of the memory of the GPU that tensors held; None on a CPU.
    """

    name: str
    limit: float
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)
    error: str | None = None
    peak_device_bytes: int | None = None


@dataclass(frozen=True)
class Bench:
    """The values that the sections share.

    Attributes:
        sizes: How much they compute.
        folder: A folder for runs, removed at the end.
        files: The joined file of each dataset, by name.
        datasets: The datasets, by name.
    """

    sizes: Sizes
    folder: Path
    files: dict[str, Path]
    datasets: dict[str, Dataset]

    def without_validation(self, name: str, train_images: int | None = None) -> SplitDataset:
        """Return a dataset with its training and test images, and no validation images."""
        dataset = self.datasets[name]
        return SplitDataset(dataset, make_split(dataset, validation=0, train_images=train_images))


def reach_accuracy(bench: Bench, section: Section) -> None:
    """Train with fixed recipes and several seeds; report test accuracy and seconds of training.

    A first run of one step is not counted. It loads what the process loads once.
    """
    goal = bench.sizes.goals[section.name]
    data = bench.without_validation(goal.data)
    folder = bench.folder / "goal"
    began = time.perf_counter()
    once = make_recipe("cnn", {**goal.values, "epochs": 0.001, "time_limit": None})
    train(TrainingJob(once, data, 0, folder))
    shutil.rmtree(folder)

    recipe = make_recipe("cnn", goal.values)
    summaries: list[RunSummary] = []
    longest = 0.0
    for seed in range(goal.runs):
        started = time.perf_counter()
        if seed and started - began + 1.1 * longest > section.limit:
            break
        summaries.append(train(TrainingJob(recipe, data, seed, folder)))
        shutil.rmtree(folder)
        longest = max(longest, time.perf_counter() - started)
        section.rows = _accuracy_rows(goal, summaries)


def _accuracy_rows(goal: Goal, summaries: list[RunSummary]) -> list[Row]:
    accuracies = [summary.test.accuracy for summary in summaries if summary.test is not None]
    seconds = [summary.seconds.train for summary in summaries]
    mean, n = statistics.mean(accuracies), len(accuracies)
    spread = f", standard deviation {statistics.stdev(accuracies):.2%}" if n > 1 else ""
    mean_seconds = statistics.mean(seconds)
    seconds_row = Row(
        f"{goal.title}: seconds of training per run",
        f"{mean_seconds:.2f} ({min(seconds):.2f} to {max(seconds):.2f})",
        "" if goal.seconds is None else f"under {goal.seconds:g}",
        None if goal.seconds is None else mean_seconds < goal.seconds,
        n,
        {"seconds": seconds, "epochs": [summary.epochs for summary in summaries]},
    )
    accuracy_row = Row(
        f"{goal.title}: mean test accuracy",
        f"{mean:.2%}{spread}, lowest {min(accuracies):.2%}",
        f"at least {goal.accuracy:.1%}, n at least {goal.least_runs}",
        mean >= goal.accuracy and n >= goal.least_runs,
        n,
        {"accuracies": accuracies, "recipe": goal.values},
    )
    return [accuracy_row, seconds_row]


def measure_features(bench: Bench, section: Section) -> None:
    """Time the features of a frozen backbone: the pass alone, and with the cache on disk."""
    sizes, px = bench.sizes, bench.sizes.input_px[0]
    recipe = make_recipe(MODEL, {"input_px": px})
    data = without_test(bench.without_validation(CIFAR10, sizes.feature_images))
    timings = [seconds_per_image(recipe, data) for _ in range(sizes.feature_timings)]
    speed = 1 / statistics.median(timings)
    section.rows.append(
        Row(
            f"features of {MODEL} at {px} px: images per second, the pass alone",
            f"{speed:,.0f}",
            n=len(timings),
            numbers={"images_per_second": [1 / seconds for seconds in timings]},
        )
    )

    started = time.perf_counter()
    features = compute_features(recipe, data, 0, px)
    seconds = time.perf_counter() - started
    if not np.isfinite(features.values[features.places[:100]]).all():
        raise RunFailed("the features are not finite.")
    images = len(features.rows)
    section.rows.append(
        Row(
            "the same, with loading the backbone and writing the cache",
            f"{images / seconds:,.0f}",
            n=images,
            numbers={"images_per_second": images / seconds},
        )
    )


def measure_finetuning(bench: Bench, section: Section) -> None:
    """Time the steps of fine-tuning. The first fifth of them is not counted.

    The median step counts, because some steps are followed by a checkpoint.
    """
    sizes, px = bench.sizes, bench.sizes.input_px[1]
    data = without_test(bench.without_validation(CIFAR10, sizes.finetune_images))
    for batch in sizes.finetune_batches:
        epochs = sizes.finetune_steps * batch / len(data.split.train)
        values = {
            "transfer": "finetune",
            "input_px": px,
            "batch": batch,
            "epochs": epochs,
            "flip": True,
        }
        clock: list[float] = []
        job = TrainingJob(
            make_recipe(MODEL, values),
            data,
            0,
            bench.folder / f"finetune-{batch}",
            watch=lambda _, seconds, clock=clock: clock.append(seconds),
        )
        train(job)
        steps = np.diff(clock[len(clock) // 5 :])
        speed = batch / float(np.median(steps))
        section.rows.append(
            Row(
                f"fine-tuning {MODEL} at {px} px, batch size {batch}: images per second",
                f"{speed:,.0f}",
                n=len(steps),
                numbers={"images_per_second": speed, "seconds_per_step": steps.tolist()},
            )
        )


def compare_devices(bench: Bench, section: Section) -> None:
    """Compare this device with the CPU: predictions, features, and a short training in float32.

    cuDNN's convolutions in float32 use TF32 by default, which has 10 bits of mantissa. It is off
    here.
    """
    with _ieee_convolutions():
        values = {**bench.sizes.short, "precision": "float32", "optimizer": "sgd", "epochs": 1}
        here = Spec(
            str(bench.files[CIFAR10]),
            values,
            str(bench.folder / "here"),
            bench.sizes.short_images,
            bench.sizes.short_test_images,
        )
        there = replace(here, folder=str(bench.folder / "there"))
        run_spec(here)
        _compare_predictions(bench, section, Path(here.folder))
        _compare_features(bench, section)
    if best_device().type == "cpu":
        run_spec(there)
    else:
        process = run_in_child(there, {"CUDA_VISIBLE_DEVICES": ""})
        if process.returncode:
            raise RunFailed(f"the run on the CPU failed: {process.stderr.strip()[-300:]}")
    section.rows += _training_rows(bench, Path(here.folder), Path(there.folder))


@contextmanager
def _ieee_convolutions() -> Iterator[None]:
    """Let cuDNN compute float32 convolutions in float32 within the block."""
    convolutions = torch.backends.cudnn.conv
    before = convolutions.fp32_precision
    convolutions.fp32_precision = "ieee"
    try:
        yield
    finally:
        convolutions.fp32_precision = before


def _compare_predictions(bench: Bench, section: Section, run: Path) -> None:
    """Predict with the same weights on both devices, and in bfloat16 on this one."""
    classifier = load_network(run)
    images = np.array(bench.datasets[CIFAR10].images[-bench.sizes.compared_images :])
    here = classifier.probabilities(images)
    exact_recipe = classifier.recipe
    classifier.recipe = exact_recipe.model_copy(update={"precision": "bfloat16"})
    rounded = classifier.probabilities(images)
    classifier.recipe = exact_recipe
    on_cpu = classifier.cpu().probabilities(images)

    for name, found, tolerance in (("float32", here, 1e-4), ("bfloat16", rounded, 0.1)):
        difference = float(np.abs(found - on_cpu).max())
        agreement = float((found.argmax(1) == on_cpu.argmax(1)).mean())
        section.rows.append(
            Row(
                f"the same weights in {name} here and in float32 on the CPU: probabilities",
                f"differ by at most {difference:.1e}; the same class for {agreement:.2%}",
                f"at most {tolerance:g}",
                difference <= tolerance,
                len(images),
                {"largest_difference": difference, "agreement": agreement},
            )
        )


def _compare_features(bench: Bench, section: Section) -> None:
    """Compute features of the same images on both devices in float32."""
    images = np.array(bench.datasets[CIFAR10].images[: bench.sizes.compared_images // 4])
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    options = make_recipe(MODEL, {}).net
    assert isinstance(options, BackboneOptions)
    backbone = load_backbone(MODEL, options, bench.sizes.input_px[1], 0).fold()
    with torch.inference_mode():
        on_cpu = backbone(pixels).double()
    device = best_device()
    backbone.to(device)
    with torch.inference_mode():
        here = backbone(pixels.to(device)).cpu().double()
    cosine = float(torch.nn.functional.cosine_similarity(here, on_cpu).min())
    section.rows.append(
        Row(
            f"features of {MODEL} in float32, here and on the CPU: lowest cosine similarity",
            f"{cosine:.7f}",
            "at least 0.9999",
            cosine >= 0.9999,
            len(images),
            {"cosine": cosine},
        )
    )


def _training_rows(bench: Bench, here: Path, there: Path) -> list[Row]:
    """Compare a short training on this device with the same training on the CPU."""
    names = bench.datasets[CIFAR10].class_names
    _, found = read_probabilities(here, "test", names)
    _, on_cpu = read_probabilities(there, "test", names)
    agreement = float((found.argmax(1) == on_cpu.argmax(1)).mean())
    distance = weight_distance(here, there)
    return [
        Row(
            "one epoch of SGD in float32, here and on the CPU: weights",
            f"{distance}; the same class for {agreement:.2%} of the test images",
            n=len(found),
            numbers={"agreement": agreement, "weights": asdict(distance)},
        )
    ]


def kill_and_resume(bench: Bench, section: Section) -> None:
    """Kill a training process in its second epoch, resume it here, and compare the weights.

    Where they differ, a second uninterrupted run says how far two of those lie apart: some
    gradients on a GPU are sums in no fixed order.
    """
    sizes = bench.sizes
    whole = Spec(
        str(bench.files[CIFAR10]),
        {**sizes.short, "epochs": 3},
        str(bench.folder / "whole"),
        sizes.short_images,
        sizes.short_test_images,
    )
    run_spec(whole)
    steps_per_epoch = sizes.short_images // sizes.short["batch"]
    killed = replace(whole, folder=str(bench.folder / "killed"))
    process = run_in_child(replace(killed, kill_at=steps_per_epoch * 3 // 2), {})
    if process.returncode != -signal.SIGKILL:
        raise RunFailed(
            f"the process that kills itself ended with status {process.returncode}: "
            f"{process.stderr.strip()[-300:]}"
        )
    summary = run_spec(killed)
    if not summary.resumed:
        raise RunFailed("the killed run was not resumed from a checkpoint.")

    distance = weight_distance(Path(whole.folder), Path(killed.folder))
    section.rows.append(
        Row(
            "a run that was killed and resumed, and an uninterrupted one: weights",
            str(distance),
            "equal",
            distance.is_equal,
            1,
            asdict(distance),
        )
    )
    if not distance.is_equal:
        again = replace(whole, folder=str(bench.folder / "again"))
        run_spec(again)
        control = weight_distance(Path(whole.folder), Path(again.folder))
        section.rows.append(
            Row("two uninterrupted runs: weights", str(control), n=1, numbers=asdict(control))
        )


SECTIONS: dict[str, Callable[[Bench, Section], None]] = {
    **dict.fromkeys(FULL.goals, reach_accuracy),
    "features": measure_features,
    "fine-tuning": measure_finetuning,
    "GPU and CPU": compare_devices,
    "kill and resume": kill_and_resume,
}
