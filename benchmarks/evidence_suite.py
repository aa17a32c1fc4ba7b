"""Run the commands of all evidence pages, and print the processor time of each.

    python benchmarks/evidence_suite.py OUT [--jobs 2] [--only groups]

The commands are those in the code blocks of evidence*.md. Each runs with one thread, and its tables
are written to OUT. A command for a whole script is left out where the page also has its parts.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
COMMAND = re.compile(r"^python (benchmarks/evidence\w*\.py[^#\n]*)", re.MULTILINE)


class Measured(NamedTuple):
    """A command that has ended, with its seconds of processor time."""

    command: str
    seconds: float
    status: int


def listed_commands() -> list[str]:
    """Return the commands of all pages, without this one and those whose parts are listed."""
    commands: list[str] = []
    for page in sorted(HERE.glob("evidence*.md")):
        commands += [match.strip() for match in COMMAND.findall(page.read_text(encoding="utf-8"))]
    this = f"benchmarks/{Path(__file__).name}"
    return [
        command
        for command in commands
        if not command.startswith(this) and not _has_parts(command, commands)
    ]


def _has_parts(command: str, commands: list[str]) -> bool:
    return any(other.startswith(f"{command} ") for other in commands)


def run(command: str, out: Path) -> Measured:
    """Run a command, and write what it prints to a file in `out`."""
    words = command.split()
    name = re.sub(r"\W+", "-", command.removeprefix("benchmarks/")).strip("-")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (out / f"{name}.md").open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=HERE.parent, stdout=file, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Measured(command, usage.ru_utime + usage.ru_stime, process.returncode)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--jobs", type=int, default=2, help="commands that run at the same time")
    parser.add_argument("--only", default="", help="part of the commands to run")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    commands = [command for command in listed_commands() if given.only in command]

    started, total = time.perf_counter(), 0.0
    print("| command | processor seconds |\n|---|---|")
    with ThreadPoolExecutor(given.jobs) as pool:
        for measured in pool.map(lambda command: run(command, given.out), commands):
            failed = f" (exit status {measured.status})" if measured.status else ""
            print(f"| `{measured.command}` | {measured.seconds:.0f}{failed} |", flush=True)
            total += measured.seconds
    wall = time.perf_counter() - started
    print(f"\n{total / 60:.1f} minutes of processor time, {wall / 60:.1f} minutes in all.")


if __name__ == "__main__":
    main()
