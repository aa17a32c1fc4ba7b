"""Profile a training step: the share of convolutions, matrix products and other operations.

    python benchmarks/step_profile.py fashion-mnist --preset balanced

Prints images per second without the profiler, and then the share of each kind of operation in the
CPU time of profiled steps.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import torch

import headstart
from headstart.classifier import prepare_process
from headstart.data import SplitDataset
from headstart.models.recipes import make_recipe, resolve
from headstart.training._inputs import prepare_training
from headstart.training._optimizers import make_optimizers
from headstart.training._random import RngKey
from headstart.training._step import make_loss, shard_labels, training_step

KINDS = {
    "convolutions": ("convolution", "mkldnn_convolution", "convolution_backward"),
    "matrix products": ("mm", "addmm", "bmm", "linear", "mkldnn_linear"),
    "pooling": ("max_pool2d", "amax", "evenly_distribute"),
    "batch norm": ("batch_norm",),
    "activations": ("relu", "threshold", "clamp", "gelu"),
    "copies, conversions, zeroes": (
        "copy_",
        "fill_",
        "zero_",
        "_to_copy",
        "cat",
        "contiguous",
        "clone",
    ),
    "data: indexing, flips, standardisation": ("index", "where", "flip", "sub", "div"),
}


def kind_of(name: str) -> str:
    """Return the kind of a PyTorch operation."""
    name = name.removeprefix("aten::")
    for kind, parts in KINDS.items():
        if any(part in name for part in parts):
            return kind
    return "other"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset")
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--steps", type=int, default=30)
    args = parser.parse_args()
    prepare_process()
    dataset = headstart.load(args.dataset)
    split = headstart.split(dataset, test=0)
    recipe = resolve(
        make_recipe("cnn", {"precision": args.precision}, args.preset),
        len(split.train),
    )
    data = SplitDataset(dataset, split)
    classifier, inputs = prepare_training(recipe, data, 0)
    classifier.train()
    optimizers = make_optimizers(classifier.net, recipe)
    loss_function = make_loss(recipe, data)
    batch = recipe.batch or 1

    def steps(count: int) -> float:
        start = time.perf_counter()
        for step in range(count):
            rows = split.train[step * batch % (len(split.train) - batch) :][:batch]
            images = inputs.batch(rows, recipe, RngKey(0, step, 0))
            labels = shard_labels(dataset, rows)
            training_step(classifier.logits, images, labels, loss_function, optimizers)
        return time.perf_counter() - start

    steps(10)
    seconds = min(steps(args.steps) for _ in range(3)) / args.steps
    print(
        f"{args.preset}, batch {batch}: {1000 * seconds:.1f} ms per step, "
        f"{batch / seconds:,.0f} images/s\n"
    )
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        steps(args.steps)
    times: Counter[str] = Counter()
    for event in profile.key_averages():
        times[kind_of(event.key)] += event.self_cpu_time_total
    total = sum(times.values())
    print("| kind | share of a step |\n|---|---|")
    for kind, spent in times.most_common():
        print(f"| {kind} | {spent / total:.1%} |")


if __name__ == "__main__":
    main()
