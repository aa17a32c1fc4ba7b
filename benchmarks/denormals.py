"""Time trainings that fit their images, with and without numbers below 1e-38 counted as zero.

    OMP_NUM_THREADS=2 python benchmarks/denormals.py [--repeats 3]

Both ways alternate, each run in a process of its own: threads that PyTorch has started keep their
mode. The table has the median seconds of `headstart.train`, and
whether all runs ended with the same weights.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

import torch

import headstart

RUNS: dict[str, dict[str, Any]] = {
    "`mlp`, 30 epochs": {"model": "mlp", "epochs": 30},
    "`mlp`, 128 nodes, 120 epochs": {"model": "mlp", "epochs": 120, "nodes": 128},
    "`cnn`, 8 filters, 60 epochs": {"model": "cnn", "epochs": 60, "nodes": 8},
}


def train(options: dict[str, Any], *, flushes: bool) -> tuple[float, str]:
    """Train on 400 digits; return the seconds and the digest of the weights."""
    change = nullcontext() if flushes else mock.patch.object(torch, "set_flush_denormal")
    with tempfile.TemporaryDirectory() as folder, change:
        started = time.perf_counter()
        headstart.train(
            "digits", train_images=400, precision="float32", out=Path(folder, "run"), **options
        )
        seconds = time.perf_counter() - started
        weights = Path(folder, "run", "model.safetensors").read_bytes()
    return seconds, hashlib.sha256(weights).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
    print("| training on 400 digits | as they are | as zero | ratio | same weights |")
    print("|---|---|---|---|---|")
    for name, options in RUNS.items():
        results: dict[bool, list[tuple[float, str]]] = {False: [], True: []}
        for _ in range(repeats):
            for flushes, measured in results.items():
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                    measured.append(process.submit(train, options, flushes=flushes).result())
        before, after = (
            statistics.median(seconds for seconds, _ in measured) for measured in results.values()
        )
        digests = {digest for measured in results.values() for _, digest in measured}
        same = "yes" if len(digests) == 1 else "no"
        print(f"| {name} | {before:.1f} s | {after:.1f} s | {before / after:.2f} | {same} |")


if __name__ == "__main__":
    main()
