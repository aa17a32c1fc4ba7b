"""Inject faults into small commands, and check that nothing is lost and nothing differs.

    python tests/faults/run_faults.py --every 1 --states 10000 --seed 0
    python tests/faults/run_faults.py --workloads compare --modes kill eio --every 2 --states 0

Kills, stop signals, full disks, I/O errors and short writes hit every k-th write boundary. Power
losses are replayed from a recording; equal states of the disk are tried once. Of commands that take
seconds, k is multiplied by a stride. After each fault the same command is repeated. It must end
with the results of an undisturbed one, and leave no debris.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import pickle
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import fault_injection as injection
import fault_workload as workloads
import power_loss

_STOPPED = 143
_NO_SPACE_OR_PERMISSION = 3
_LONGEST_OUTPUT = 1500  # characters of a problem's output that are printed


@dataclass
class Findings:
    """The number of faults by workload and mode, and what went wrong.

    Attributes:
        counts: Number of faults by workload and mode.
        problems: One description per fault that had a wrong end.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


class Faults:
    """The faults of one workload.

    Args:
        workload: The workload.
        base: A folder with the data of all workloads. Everything else is written there too.
        findings: Receives what is found.
    """

    def __init__(self, workload: workloads.Workload, base: Path, findings: Findings) -> None:
        self.workload, self.findings = workload, findings
        self.base, self.root, self.start = base, base / "root", base / "start"
        self.words = workload.words(base / "data", self.root)
        self._undisturbed()
        self.outside = self._look_outside()
        self.golden = workload.result(self.root)
        self.sizes = [path.stat().st_size for path in self.root.rglob("*") if path.is_file()]
        self._check("undisturbed", 0, "")

    def _undisturbed(self) -> None:
        """Run the commands without a fault, and record the moments of the disk."""
        for folder in (self.root, self.start):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        recording = self.base / "recording"

        def record() -> None:
            recorder = power_loss.Recorder(self.root)
            injection.Boundaries(self.root, recorder.before_boundary)
            self._recorder = recorder

        def keep(_: Path) -> None:
            self._recorder.before_boundary(0, "end", "")
            recording.write_bytes(pickle.dumps((self._recorder.moments, self._recorder.kinds)))

        if self.workload.before:
            before = self.workload.words_before(self.base / "data", self.root)
            _require(*workloads.run(before, self.root))
            workloads.copy_root(self.root, self.start)
        _require(*workloads.run(self.words, self.root, keep, disturb=record))
        self.moments, self.kinds = pickle.loads(recording.read_bytes())
        recording.unlink()

    def places(self, mode: str) -> list[int]:
        """Return where a mode injects a fault: numbers of boundaries, or sizes of files."""
        boundaries = range(1, len(self.kinds))
        if mode == injection.FILE_SIZE:
            return sorted({part for size in self.sizes for part in (size // 2, size - 1) if size})
        if mode == injection.SHORT_WRITE:
            return [number for number in boundaries if self.kinds[number - 1] == "write"]
        return list(boundaries)

    def inject(self, mode: str, every: int) -> None:
        """Inject a fault at every k-th place."""
        places = self.places(mode)
        for place in places[min(every, len(places)) - 1 :: every]:
            workloads.copy_root(self.start, self.root)

            def disturb(place: int = place) -> None:
                injection.inject(self.root, mode, place)

            status, output = workloads.run(self.words, self.root, disturb=disturb)
            what = f"{self.workload.name}: {mode} at {place}"
            if status not in _expected(mode):
                self._report(f"{what}: status {status}", output)
            self._repeat(what)
            self._count(mode)

    def lose_power(self, states: int, seed: int, most: int) -> None:
        """Try crash states, each distinct one once, until `most` distinct ones are tried.

        At each moment, the state in which nothing unsynced has survived is one of them.
        """
        generator = random.Random(seed)
        known: set[str] = set()
        for number in generator.sample(range(states), states):
            moment = self.moments[number % len(self.moments)]
            chance = generator if number >= len(self.moments) else None
            files = power_loss.crash_state(moment, chance)
            self._count("power loss, states")
            digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
            if digest in known:
                continue
            known.add(digest)
            shutil.rmtree(self.root)
            self.root.mkdir()
            power_loss.write_state(files, self.root)
            self._repeat(f"{self.workload.name}: power loss {number} (seed {seed})")
            self._count("power loss, distinct and resumed")
            if len(known) == most:
                return

    def _repeat(self, what: str) -> None:
        """Examine what a fault left, and run the command again."""
        for diagnosis in workloads.examine(self.root):
            if diagnosis.state == "damaged" and not diagnosis.reason:
                self._report(f"{what}: damage without a reason", repr(diagnosis))
        shutil.rmtree(self.base / "outside/tmp")  # a killed process cannot remove its files
        (self.base / "outside/tmp").mkdir()
        self._check(what, *workloads.run(self.words, self.root))

    def _check(self, what: str, status: int, output: str) -> None:
        """Check the end of a command that was not disturbed."""
        if status:
            self._report(f"{what}: not resumed, status {status}", output)
            return
        # A file that the command removed may be there again, if a power loss undid the removal.
        if not self.golden.items() <= self.workload.result(self.root).items():
            self._report(f"{what}: another result", output)
        if workloads.debris(self.root):
            self._report(f"{what}: left debris", ", ".join(workloads.debris(self.root)))
        for diagnosis in workloads.examine(self.root):
            if diagnosis.state != "healthy":
                self._report(f"{what}: not healthy in the end", repr(diagnosis))
        if self._look_outside() != self.outside:
            changed = dict(self._look_outside().items() ^ self.outside.items())
            self._report(f"{what}: changed files outside", ", ".join(changed))

    def _look_outside(self) -> dict[str, tuple[int, int]]:
        """Return size and time of each file that no command may change."""
        files = {}
        for folder in ("data", "outside"):
            for path in (self.base / folder).rglob("*"):
                status = path.stat()
                if path.is_file():
                    files[str(path)] = (status.st_size, status.st_mtime_ns)
        return files

    def _count(self, what: str) -> None:
        self.findings.counts[self.workload.name, what] += 1

    def _report(self, what: str, output: str) -> None:
        self.findings.problems.append(f"{what}\n{output[-_LONGEST_OUTPUT:]}")


def _expected(mode: str) -> set[int]:
    """Return the statuses that a disturbed command may have. A fault may be survived."""
    if mode == "kill":
        return {0, injection.KILLED}
    return {0, _STOPPED} if mode.startswith("term") else {0, _NO_SPACE_OR_PERMISSION}


def _require(status: int, output: str) -> None:
    if status:
        raise SystemExit(f"an undisturbed command failed with status {status}:\n{output}")


def choose(names: Sequence[str]) -> list[workloads.Workload]:
    """Return the workloads with these names; all of them if there are none.

    Raises:
        SystemExit: A name is unknown.
    """
    known = {workload.name: workload for workload in workloads.WORKLOADS}
    if unknown := set(names) - known.keys():
        raise SystemExit(f"unknown workloads: {', '.join(sorted(unknown))}; known: {list(known)}")
    return [known[name] for name in names] or list(known.values())


def main() -> None:
    """Inject the faults that the options ask for, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--workloads", nargs="*", default=[])
    parser.add_argument("--modes", nargs="*", default=list(injection.MODES))
    parser.add_argument("--every", type=int, default=1, help="k; see above")
    parser.add_argument("--states", type=int, default=10_000, help="states after a power loss")
    parser.add_argument("--most", type=int, default=10_000, help="distinct states to try")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    started, findings = time.perf_counter(), Findings()
    with tempfile.TemporaryDirectory(prefix="headstart-faults-") as name:
        base = Path(name)
        chosen = choose(options.workloads)
        workloads.prepare(chosen, base)
        for workload in chosen:
            faults = Faults(workload, base, findings)
            print(f"{workload.name}: {len(faults.kinds) - 1} write boundaries", flush=True)
            for mode in options.modes:
                faults.inject(mode, options.every * workload.stride)
            if workload.is_recorded and options.states:
                most = max(1, options.most // workload.stride)
                faults.lose_power(options.states, options.seed, most)
            _print(workload.name, findings)
        os.chdir("/")
    seconds = time.perf_counter() - started
    date = time.strftime("%Y-%m-%d")
    print(f"{date}, seed {options.seed}: {len(findings.problems)} problems in {seconds:.0f} s")
    sys.exit(1 if findings.problems else 0)


def _print(name: str, findings: Findings, say: Callable[[str], None] = print) -> None:
    for (workload, mode), count in findings.counts.items():
        if workload == name:
            say(f"{count:>8,}  {workload}: {mode}")
    for problem in findings.problems:
        if problem.startswith(f"{name}: "):
            say(f"PROBLEM {problem}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
