"""Train from a memory map larger than memory, and measure how much of it is resident.

        python benchmarks/large_set.py [--gigabytes 40] [--train-images 15360] [--batch 64]
                                   [--cap 2]
                                   [--folder DIR]

Creates a sparse map of 224x224 RGB images in a temporary folder. Each image differs in its first
bytes, so the disk holds one page per image. A separate process opens the map, splits it, and trains
`cnn` for one epoch on images drawn from all over it. Every byte is read once for the content
hashes. The training, validation and test images are read again.

The cap does not need root. This process checks every 20 ms, and ends the other process if its
resident memory exceeds the cap. In addition, after PyTorch is imported, RLIMIT_DATA limits further
allocations of the other process to what is left under the cap. This covers private memory: all but
the pages of mapped files. The exit status is 1 if the cap was exceeded. The file cache belongs to
no process; where systemd runs, it can be limited too:
systemd-run --user --scope -p MemoryMax=2G python benchmarks/large_set.py
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

SIDE_PX, CLASSES, EVALUATED_IMAGES = 224, 10, 256
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
        help="the default is 2.3 GB, more than the cap",
    )
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--cap", type=float, default=2, help="limit of resident memory in GB")
    parser.add_argument(
        "--folder",
        type=Path,
        help="parent of the temporary folder; the default is that of the system",
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        labels = make_map(Path(name), int(args.gigabytes * GB / (SIDE_PX * SIDE_PX * 3)))
        size = (Path(name) / "images.npy").stat()
        on_disk = size.st_blocks * 512 / GB
        print(
            f"map: {len(labels):,} images, {size.st_size / GB:.1f} GB, "
            f"of which {on_disk:.2f} GB on disk",
            flush=True,
        )
        arguments = (Path(name), labels, args.train_images, args.batch, int(args.cap * GB))
        child = multiprocessing.get_context("spawn").Process(target=train_capped, args=arguments)
        child.start()
        peaks = watch(child, int(args.cap * GB))
    kept = child.exitcode == 0 and peaks["VmHWM"] <= args.cap * GB
    print(
        f"peak: {peaks['VmHWM'] / MB:,.0f} MB resident, "
        f"of which at most {peaks['RssAnon'] / MB:,.0f} MB private"
    )
    print(f"the cap of {args.cap:g} GB was {'kept' if kept else 'EXCEEDED'}")
    raise SystemExit(not kept)


def make_map(folder: Path, count: int) -> NDArray[np.int64]:
    """Write a sparse `images.npy` and return the labels.

    An image is black except for its number and a line whose length encodes the label.
    """
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
    """Open, split and train in the other process; print the time and memory of each step."""
    start = time.perf_counter()

    def report(step: str) -> None:
        sizes = status("self")
        seconds = time.perf_counter() - start
        print(
            f"{step:24} {seconds:6.0f} s {sizes['VmRSS'] / MB:8,.0f} MB, "
            f"peak {sizes['VmHWM'] / MB:,.0f} MB",
            flush=True,
        )

    import torch

    import headstart

    report(f"PyTorch {torch.__version__}")
    sizes = status("self")
    limit = sizes["VmData"] + cap_bytes - sizes["VmRSS"]
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    dataset = headstart.load((np.load(folder / "images.npy", mmap_mode="r"), labels))
    report("opened and hashed")
    fraction = EVALUATED_IMAGES / len(dataset)
    metrics = headstart.train(
        dataset,
        model="cnn",
        epochs=1,
        batch=batch,
        train_images=train_images,
        validation=fraction,
        test=fraction,
        out=folder / "run",
    )
    report(f"trained {train_images:,} images")
    print(f"{metrics['parameters']:,} parameters; {metrics['seconds']['train']:.0f} s of training")


def watch(child: BaseProcess, cap_bytes: int) -> dict[str, int]:
    """Return the peak sizes of a process in bytes, by their names in /proc.

    The process is ended if its resident memory exceeds the cap.
    """
    peaks = {"VmHWM": 0, "RssAnon": 0}
    while child.is_alive():
        sizes = status(str(child.pid))
        peaks = {key: max(peak, sizes.get(key, 0)) for key, peak in peaks.items()}
        if peaks["VmHWM"] > cap_bytes:
            child.kill()
        child.join(0.02)
    return peaks


def status(pid: str) -> dict[str, int]:
    """Return the sizes in /proc/PID/status in bytes. A process that has just ended has none."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[-1:] == ["kB"]}


if __name__ == "__main__":
    main()
