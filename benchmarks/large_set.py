"""Training from a memory map larger than memory: how much of it is resident.

    python benchmarks/large_set.py [--gigabytes 40] [--train-images 15360] [--batch 64] [--cap 2] [--folder DIR]

Makes a sparse map of 224x224 RGB images in a temporary folder (each image differs in its first bytes, so the disk holds one
page an image). A process of its own opens it, splits it, and trains `cnn` for one epoch on images drawn from all over it. So
every byte is read once, for the content hashes; what trains, validates and is tested is read again.

The cap needs no root. This process looks every 20 ms, and ends the other when all that is resident there passes the cap. And once
PyTorch is imported, RLIMIT_DATA lets the other allocate no more than what the cap leaves (private memory: all but the pages of
mapped files). Exit status 1 where the cap was passed. The file cache belongs to no process; where systemd runs, it can be
bounded too: systemd-run --user --scope -p MemoryMax=2G python benchmarks/large_set.py
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIDE_PX, CLASSES, JUDGED_IMAGES = 224, 10, 256
GB, MB = 10**9, 10**6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=40, help="apparent size of the map")
    parser.add_argument(
        "--train-images",
        type=int,
        default=15_360,
        help="by default 2.3 GB of them, more than the cap",
    )
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--cap", type=float, default=2, help="GB that may be resident")
    parser.add_argument(
        "--folder",
        type=Path,
        help="where the temporary folder is made; the system's place for such by default",
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        labels = make_map(Path(name), int(args.gigabytes * GB / (SIDE_PX * SIDE_PX * 3)))
        size = (Path(name) / "images.npy").stat()
        print(
            f"map: {len(labels):,} images, {size.st_size / GB:.1f} GB, of them {size.st_blocks * 512 / GB:.2f} GB on disk",
            flush=True,
        )
        given = (Path(name), labels, args.train_images, args.batch, int(args.cap * GB))
        child = multiprocessing.get_context("spawn").Process(target=train_capped, args=given)
        child.start()
        peaks = watch(child, int(args.cap * GB))
    kept = child.exitcode == 0 and peaks["VmHWM"] <= args.cap * GB
    print(
        f"peak: {peaks['VmHWM'] / MB:,.0f} MB resident, at most {peaks['RssAnon'] / MB:,.0f} MB of it private"
    )
    print(f"the cap of {args.cap:g} GB was {'kept' if kept else 'NOT kept'}")
    raise SystemExit(not kept)


def make_map(folder: Path, count: int) -> NDArray[np.int64]:
    """A sparse `images.npy`; returns the labels. An image is black but for its number and a line as long as its label."""
    path = folder / "images.npy"
    start = np.lib.format.open_memmap(path, "w+", np.uint8, (count, SIDE_PX, SIDE_PX, 3)).offset
    labels = np.random.default_rng(0).integers(0, CLASSES, count)
    with path.open("r+b") as file:
        for row, label in enumerate(labels.tolist()):
            file.seek(start + row * SIDE_PX * SIDE_PX * 3)
            file.write(row.to_bytes(6, "little") + b"\xff" * 60 * label)
    return labels


def train_capped(
    folder: Path, labels: NDArray[np.int64], train_images: int, batch: int, cap_bytes: int
) -> None:
    """What the other process does: open, split, train, each with its seconds and what is resident after it."""
    start = time.perf_counter()

    def tell(what: str) -> None:
        now = status("self")
        line = f"{what:24} {time.perf_counter() - start:6.0f} s {now['VmRSS'] / MB:8,.0f} MB, peak {now['VmHWM'] / MB:,.0f} MB"
        print(line, flush=True)

    import torch

    import headstart

    tell(f"PyTorch {torch.__version__}")
    now = status("self")
    room = now["VmData"] + cap_bytes - now["VmRSS"]
    resource.setrlimit(resource.RLIMIT_DATA, (room, room))
    dataset = headstart.load((np.load(folder / "images.npy", mmap_mode="r"), labels))
    tell("opened and hashed")
    judged = JUDGED_IMAGES / len(dataset)
    found = headstart.train(
        dataset,
        model="cnn",
        epochs=1,
        batch=batch,
        train_images=train_images,
        validation=judged,
        test=judged,
        out=folder / "run",
    )
    tell(f"trained {train_images:,} images")
    print(f"{found['parameters']:,} parameters; {found['seconds']['train']:.0f} s of training")


def watch(child: BaseProcess, cap_bytes: int) -> dict[str, int]:
    """The peaks of a process in bytes, by their names in /proc; a process that passes the cap is ended."""
    peaks = {"VmHWM": 0, "RssAnon": 0}
    while child.is_alive():
        found = status(str(child.pid))
        peaks = {key: max(peak, found.get(key, 0)) for key, peak in peaks.items()}
        if peaks["VmHWM"] > cap_bytes:
            child.kill()
        child.join(0.02)
    return peaks


def status(pid: str) -> dict[str, int]:
    """The sizes in /proc/PID/status, in bytes; a process that has just ended has none."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[-1:] == ["kB"]}


if __name__ == "__main__":
    main()
