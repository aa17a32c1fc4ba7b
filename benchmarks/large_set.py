"""Training from a memory map larger than memory: how much of it becomes resident.

    python benchmarks/large_set.py [--gigabytes 40] [--side 224] [--train-images 2560] [--batch 64] [--cap 2] [--folder DIR]

Writes a sparse map of uint8 images into a temporary folder (each image differs in its first page, so the disk holds one page an image),
and in a process of its own, under a memory cap, opens it, splits it and trains `cnn` on images drawn from all over it: every byte is
read once (for the content hashes), and what trains and validates again.

The cap needs no root: RLIMIT_DATA bounds private memory, which is all but the pages of mapped files; and this process, which looks
every 20 ms, ends the training when its whole resident size passes the cap. The peaks are the kernel's own: VmHWM of everything resident,
sampled RssAnon of private memory. Exit status 1 when the cap was passed. Where systemd runs, the system's file cache can be bounded as
well: `systemd-run --user --scope -p MemoryMax=2G python benchmarks/large_set.py`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import numpy as np

CLASSES = 10
GB, MB = 10**9, 10**6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=40)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--train-images", type=int, default=2560)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--cap", type=float, default=2, help="GB")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made; by default the system's")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / "images.npy"
        labels = write_map(path, args.gigabytes, args.side)
        disk = path.stat()
        print(f"map: {len(labels):,} images, {disk.st_size / GB:.1f} GB, of which {disk.st_blocks * 512 / GB:.2f} GB on disk")
        context = multiprocessing.get_context("spawn")
        said = context.Queue()
        child = context.Process(target=train_capped, args=(path, labels, args, said))
        start = time.perf_counter()
        child.start()
        peaks = watch(child, args.cap * GB)
        seconds = time.perf_counter() - start
        for _ in range(0 if said.empty() else 3):
            print(said.get())
    kept = child.exitcode == 0 and peaks["VmHWM"] <= args.cap * GB
    print(f"peak resident (VmHWM) {peaks['VmHWM'] / MB:,.0f} MB, of it private (RssAnon) at most {peaks['RssAnon'] / MB:,.0f} MB")
    print(f"{seconds:.0f} s; cap {args.cap:g} GB (RLIMIT_DATA, and watched): {'kept' if kept else 'NOT kept'}")
    raise SystemExit(not kept)


def write_map(path: Path, gigabytes: float, side: int) -> np.ndarray:
    """A sparse map `(N, side, side, 3)`; returns its labels. An image begins with its number and a stripe that shows its class."""
    count = int(gigabytes * GB / (side * side * 3))
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, side, side, 3))
    labels = np.random.default_rng(0).integers(0, CLASSES, count)
    flat = images.reshape(count, -1)
    for row, label in enumerate(labels.tolist()):
        flat[row, :8] = np.frombuffer(row.to_bytes(8, "little"), np.uint8)
        flat[row, 8 : 8 + 64 * label] = 255
    return labels
