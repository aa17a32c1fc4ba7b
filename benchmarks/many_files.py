"""Audit and train on many small image files, and measure how much memory that takes.

        python benchmarks/many_files.py [--files 100000] [--folder DIR]

Writes JPEGs of 64 pixels, made of the images of CIFAR-10, into ten class folders. Each repetition
of an image is shifted by another number of pixels, so that no two files are equal. Then it runs the
quick audit, and trains `cnn` for one epoch on 2,000 of them, each as a command of its own. The
peak is that of the resident memory of the command and of its worker processes together, looked at
every 0.2 s. "private" leaves out the pages of mapped files, which the system can take back.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from headstart.data import load
from headstart.progress import show_progress

SIDE_PX = 64
COMMANDS = (
    ("audit", "DATA", "--quick", "--out", "OUT/audit"),
    (
        *("train", "DATA", "--model", "cnn", "--epochs", "1", "--train-images", "2000"),
        *("--validation", "0.01", "--test", "0.01", "--out", "OUT/run"),
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="parent of the temporary folder")
    options = parser.parse_args()
    show_progress(False)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        write_files(folder / "photos", options.files)
        environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
        for command in COMMANDS:
            words = [
                word.replace("DATA", str(folder / "photos")).replace("OUT", str(folder))
                for word in command
            ]
            measure(words, options.files, environment)


def write_files(folder: Path, count: int) -> None:
    """Write the files, each one different."""
    dataset = load("cifar10")
    for number in range(count):
        row, shift = number % len(dataset), number // len(dataset)
        target = folder / dataset.class_names[dataset.labels[row]] / f"{number:06}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.roll(dataset.images[row], 3 * shift, axis=1)
        Image.fromarray(pixels).resize((SIDE_PX, SIDE_PX)).save(target, quality=85)


def measure(words: list[str], files: int, environment: dict[str, str]) -> None:
    """Run a command, and print its peak memory and its processor time."""
    before = os.times()
    process = subprocess.Popen(
        [sys.executable, "-m", "headstart", *words],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    resident = private = 0
    while process.poll() is None:
        sizes = [memory_of(pid) for pid in family(process.pid)]
        resident = max(resident, sum(size for size, _ in sizes))
        private = max(private, sum(size for _, size in sizes))
        time.sleep(0.2)
    after = os.times()
    seconds = after.children_user + after.children_system
    seconds -= before.children_user + before.children_system
    print(
        f"{words[0]} of {files:,} files: exit status {process.returncode}, peak "
        f"{resident / 1e6:,.0f} MB resident, {private / 1e6:,.0f} MB private, "
        f"{seconds:,.0f} s of processor time",
        flush=True,
    )


def family(pid: int) -> list[int]:
    """Return the number of a process, and those of its descendants."""
    members = [pid]
    for member in members:
        try:
            text = Path(f"/proc/{member}/task/{member}/children").read_text(encoding="ascii")
        except OSError:
            continue
        members += map(int, text.split())
    return members


def memory_of(pid: int) -> tuple[int, int]:
    """Return the resident and the private memory of a process in bytes. 0 if it has ended."""
    sizes = {"VmRSS:": 0, "RssAnon:": 0}
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0, 0
    for line in lines:
        name, *values = line.split()
        if name in sizes:
            sizes[name] = 1024 * int(values[0])
    return sizes["VmRSS:"], sizes["RssAnon:"]


if __name__ == "__main__":
    main()
