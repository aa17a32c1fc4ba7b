"""Measure training, features and correctness on one GPU, in less than 8 minutes, offline.

    python benchmarks/gpu.py --data DIR            on a machine with a CUDA GPU
    python benchmarks/gpu.py --small               all sections with tiny data, also on a CPU
    python benchmarks/gpu.py --pack DIR            write the data files, where the datasets are

The data are files that lie beside this script or in DIR: parts of at most 60 MB, such as
`cifar10-1-of-4.npz` and `fashion-mnist-1-of-1.npz`. `--pack` makes them from the named datasets
`cifar10` (all 50,000 training images) and `fashion-mnist`, which it finds or downloads as
`headstart data get` does. Each part holds `images`, `labels`, `parts` and `class_names`.

Prints one Markdown table and writes a JSON file. Each section has a time limit in seconds. A
section that fails or exceeds its limit is reported in the table, and the next one begins. The exit
status is 1 if any section failed, 2 if the data are missing, and 3 without a GPU. It is 0 where
only a target was missed.

All training is that of `headstart.training.train`. Test images evaluate, and select nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import gpu_data
import torch
from gpu_sections import SECTIONS, Bench, Row, Section
from gpu_sizes import CIFAR10, FASHION_MNIST, FULL, SMALL, Sizes

from headstart.classifier import best_device
from headstart.data import load
from headstart.errors import HeadstartError, ResourceError
from headstart.training._environment import describe_environment

HERE = Path(__file__).resolve().parent


class OutOfTime(BaseException):
    """The time limit of a section has passed. No `except Exception` may catch this."""


@contextmanager
def limited_to(seconds: float) -> Iterator[None]:
    """Raise OutOfTime in the block after so many seconds."""

    def stop(_: int, __: FrameType | None) -> None:
        raise OutOfTime(f"exceeded its limit of {seconds:g} s")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def run_section(name: str, bench: Bench) -> Section:
    """Run one section within its time limit; a failure becomes its `error`."""
    section = Section(name, bench.sizes.limits[name])
    is_on_gpu = best_device().type == "cuda"
    gc.collect()
    if is_on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    try:
        with limited_to(section.limit):
            SECTIONS[name](bench, section)
    except (Exception, OutOfTime) as error:
        section.error = f"{type(error).__name__}: {error}"
    section.seconds = time.perf_counter() - started
    if is_on_gpu:
        section.peak_device_bytes = torch.cuda.max_memory_allocated()
    shutil.rmtree(bench.folder, ignore_errors=True)
    bench.folder.mkdir()
    return section


def describe_machine() -> dict[str, object]:
    """Return versions, processor and GPU."""
    machine = describe_environment()
    if best_device().type == "cuda":
        properties = torch.cuda.get_device_properties(0)
        machine |= {
            "gpu": properties.name,
            "gpu_bytes": properties.total_memory,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return machine


def peak_resident_bytes() -> int:
    """Return the peak of this process's resident memory."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def to_markdown(sections: list[Section], resident_bytes: int) -> str:
    """Return the table."""
    lines = [
        "| section | measurement | value | n | target | met | seconds | peak GPU memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for section in sections:
        rows = list(section.rows)
        if section.error is not None:
            first_line = (section.error.splitlines() or [""])[0]
            rows.append(Row("FAILED", first_line.replace("|", "/")))
        peak = section.peak_device_bytes
        memory = "–" if peak is None else f"{peak / 1e9:.2f} GB"
        ends = [f"{section.seconds:.1f}", memory]
        for row in rows:
            met = {None: "", True: "yes", False: "no"}[row.is_met]
            n = "" if row.n is None else f"{row.n:,}"
            cells = [section.name, row.measurement, row.value, n, row.target, met, *ends]
            lines.append(f"| {' | '.join(cells)} |")
            ends = ["", ""]
    value = f"{resident_bytes / 1e9:.2f} GB"
    lines.append(f"| all | peak resident memory of the process | {value} | | | | | |")
    return "\n".join(lines)


def write_result(path: Path, sections: list[Section], began: datetime, sizes: Sizes) -> None:
    """Write the JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "benchmark": "gpu",
        "is_small": sizes is SMALL,
        "date": began.isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "peak_resident_bytes": peak_resident_bytes(),
        "sections": [asdict(section) for section in sections],
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def run_all(data: Path | None, out: Path, sizes: Sizes, only: list[str]) -> list[Section]:
    """Run the sections in a scratch folder with an empty cache, and print the table."""
    began = datetime.now(UTC)
    cache_before = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory(prefix="headstart-gpu-") as scratch_name:
        scratch = Path(scratch_name)
        os.environ["XDG_CACHE_HOME"] = str(scratch / "cache")
        try:
            if data is None:
                data = scratch / "parts"
                gpu_data.write_small_data(data)
            files, datasets = {}, {}
            for name in (CIFAR10, FASHION_MNIST):
                files[name] = gpu_data.join_parts(name, data, scratch / f"{name}.npz")
                datasets[name] = load(files[name])
            runs = scratch / "runs"
            runs.mkdir()
            bench = Bench(sizes, runs, files, datasets)
            sections: list[Section] = []
            for name in only or SECTIONS:
                sections.append(run_section(name, bench))
                write_result(out, sections, began, sizes)  # a later crash leaves what was measured
                print(f"{name}: {sections[-1].seconds:.1f} s", file=sys.stderr, flush=True)
        finally:
            if cache_before is None:
                del os.environ["XDG_CACHE_HOME"]
            else:
                os.environ["XDG_CACHE_HOME"] = cache_before
    print(to_markdown(sections, peak_resident_bytes()))
    return sections


def main(words: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=HERE, help="folder of the parts")
    parser.add_argument("--out", type=Path, help="the JSON file; benchmarks/results/gpu.json")
    parser.add_argument("--small", action="store_true", help="tiny data, for a CPU")
    parser.add_argument("--only", nargs="+", default=[], choices=SECTIONS, help="sections to run")
    parser.add_argument("--pack", type=Path, metavar="DIR", help="write the parts to DIR and end")
    args = parser.parse_args(words)
    try:
        if args.pack is not None:
            gpu_data.pack_named(args.pack)
            return 0
        if not args.small and best_device().type != "cuda":
            raise ResourceError(
                "expected a CUDA GPU, got none that torch can use.",
                "Try all sections with tiny data on this machine: --small",
            )
        sizes = SMALL if args.small else FULL
        out = args.out or HERE / "results" / ("gpu-small.json" if args.small else "gpu.json")
        sections = run_all(None if args.small else args.data, out, sizes, args.only)
    except HeadstartError as error:
        print(f"gpu.py: {error}", file=sys.stderr)
        return error.exit_code
    return int(any(section.error is not None for section in sections))


if __name__ == "__main__":
    sys.exit(main())
