"""Measure how fast a CSV of pixels is read, and how much memory that takes.

        python benchmarks/csv_speed.py [--rows 10000] [--repeat 3]
                                       [--only headstart pandas pyarrow numpy]
        python benchmarks/csv_speed.py --gigabytes 10 --repeat 1 --only headstart [--folder DIR]

The file has a label and 784 pixels per row, of random values. Each reader runs in a process of its
own. Megabytes per second of processor time are printed, because they depend little on what else
the machine does. Of the peak memory, "private" is what is not a page of a mapped file.
`--gigabytes` writes a large file quickly: the same 2,000 rows again and again, where the first four
pixels number the row, so that all images differ. `headstart` also checks every value, hashes the
images and writes the cache. The others hold the whole table in memory.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

PIXELS, CLASSES = 784, 10
BLOCK_ROWS = 2000
READERS = ("headstart", "pandas", "pyarrow", "numpy")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--gigabytes", type=float, help="size of the file, instead of --rows")
    parser.add_argument("--folder", type=Path, help="parent of the temporary folder")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=READERS)
    parser.add_argument("--read", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read is not None:
        measure(options.read, Path(options.only[0]))
        return

    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        table = Path(folder) / "train.csv"
        write_table(table, options.rows if options.gigabytes is None else BLOCK_ROWS)
        if options.gigabytes is not None:
            write_large_table(table, int(options.gigabytes * 1e9))
        environment = {**os.environ, "XDG_CACHE_HOME": folder}
        for reader in options.only * options.repeat:
            words = [sys.executable, __file__, "--read", reader, "--only", str(table)]
            subprocess.run(words, env=environment, check=True)


def write_table(table: Path, rows: int) -> None:
    """Write a table of random pixels, and a small one that warms up the readers."""
    rng = np.random.default_rng(0)
    header = ",".join(["label", *(f"pixel{number}" for number in range(PIXELS))])
    for path, count in ((table, rows), (table.with_name("small.csv"), CLASSES)):
        with path.open("w", encoding="utf-8") as file:
            file.write(f"{header}\n")
            for row in range(count):
                pixels = ",".join(map(str, rng.integers(0, 256, PIXELS).tolist()))
                file.write(f"{row % CLASSES},{pixels}\n")


def write_large_table(table: Path, size: int) -> None:
    """Repeat the rows of a table up to a size in bytes, each with a number in its first pixels."""
    header, *rows = table.read_bytes().splitlines(keepends=True)
    ends = [row.split(b",", 5)[5] for row in rows]
    numbers = itertools.count()
    with table.open("wb") as file:
        file.write(header)
        while file.tell() < size:
            for end in ends:
                number = next(numbers)
                pixels = b",".join(b"%d" % (number >> shift & 255) for shift in (0, 8, 16, 24))
                file.write(b"%d,%b,%b" % (number % CLASSES, pixels, end))


class PrivateMemory:
    """Watches the private memory of this process, of which `peak` is the largest in bytes."""

    def __init__(self) -> None:
        self.peak = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PrivateMemory:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(0.1):
            for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
                if line.startswith("RssAnon"):
                    self.peak = max(self.peak, 1024 * int(line.split()[1]))


def measure(reader: str, table: Path) -> None:
    """Print the speed of one reader, and the peak memory of this process."""
    read(reader, table.with_name("small.csv"))
    before = time.process_time()
    with PrivateMemory() as private:
        read(reader, table)
    seconds = time.process_time() - before
    megabytes = table.stat().st_size / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(
        f"{reader:10} {megabytes:,.0f} MB: {megabytes / seconds:6,.0f} MB/s of processor time, "
        f"peak {peak:,.0f} MB, of which {private.peak / 1e6:,.0f} MB private",
        flush=True,
    )


def read(reader: str, table: Path) -> None:
    """Read a table."""
    if reader == "headstart":
        from headstart.data import load

        load(table, cache=False)
    elif reader == "pandas":
        import pandas

        pandas.read_csv(table, dtype=np.uint8)
    elif reader == "pyarrow":
        from pyarrow import csv

        csv.read_csv(table)
    else:
        np.loadtxt(table, np.uint8, delimiter=",", skiprows=1)


if __name__ == "__main__":
    main()
