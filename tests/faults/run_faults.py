"""Inject faults into a micro-run, and check that nothing is lost and nothing differs.

    python tests/faults/run_faults.py --every 1 --states 10000 --seed 0

Kills, full disks and I/O errors hit every k-th write boundary. Power losses are replayed from a
recording; equal states of the disk are tried once. After each fault the same call is repeated. It
must end with the weights and predictions of an undisturbed run, and leave no debris.
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
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import fault_injection as injection
import fault_workload as workload
import power_loss

_FAILED_WELL = {workload.REFUSED + 3}  # ResourceError


@dataclass
class Findings:
    """The number of faults by mode, and what went wrong.

    Attributes:
        counts: Number of faults by mode.
        problems: One description per fault that had a wrong end.
    """

    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Faults:
    """The faults of one micro-run.

    Args:
        base: A folder for everything.
    """

    def __init__(self, base: Path) -> None:
        self.base, self.data, self.log = base, base / "data.npz", base / "error.txt"
        self.findings = Findings()
        workload.write_data(self.data)
        golden = self._fresh()
        moments = base / "moments"

        def record() -> None:
            recorder = power_loss.Recorder(golden)
            injection.Boundaries(golden, recorder.before_boundary)
            workload.train(self.data, golden)
            recorder.before_boundary(0, "the end")
            moments.write_bytes(pickle.dumps((recorder.top, recorder.moments)))

        self._require(workload.in_child(record, self.log) == 0)
        self.golden = workload.result(golden)
        self.top, self.moments = pickle.loads(moments.read_bytes())
        self.boundaries = len(self.moments) - 1

    def inject(self, mode: str, every: int) -> None:
        """Fail each boundary whose number is divisible by `every`."""
        for boundary in range(every, self.boundaries + 1, every):
            root = self._fresh()

            def disturbed(root: Path = root, boundary: int = boundary) -> None:
                injection.inject(root, mode, boundary)
                workload.train(self.data, root)

            status = workload.in_child(disturbed, self.log)
            self._check_status(mode, boundary, status)
            self._check_again(f"{mode} at boundary {boundary}", root)
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
            files = power_loss.crash_state(moment, self.top, chance)
            self._count("power loss, states")
            digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
            if digest in known:
                continue
            known.add(digest)
            root = self._fresh()
            power_loss.write_state(files, root)
            self._check_again(f"power loss {number} (seed {seed})", root)
            self._count("power loss, distinct and resumed")
            if len(known) == most:
                return

    def _check_status(self, mode: str, boundary: int, status: int) -> None:
        # A fault in a cache or a clean-up may be survived.
        expected = {injection.KILLED, 0} if mode == "kill" else {0, *_FAILED_WELL}
        if status not in expected:
            where = f"{mode} at boundary {boundary}: status {status}"
            self.findings.problems.append(f"{where}\n{self.log.read_text()[-1500:]}")

    def _check_again(self, what: str, root: Path) -> None:
        status = workload.in_child(lambda: workload.train(self.data, root), self.log)
        if status:
            self.findings.problems.append(f"{what}: not resumed\n{self.log.read_text()[-1500:]}")
        elif workload.result(root) != self.golden:
            self.findings.problems.append(f"{what}: another result")
        elif workload.debris(root):
            self.findings.problems.append(f"{what}: left {workload.debris(root)}")

    def _count(self, what: str) -> None:
        self.findings.counts[what] = self.findings.counts.get(what, 0) + 1

    def _fresh(self) -> Path:
        root = self.base / "root"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        return root

    def _require(self, is_met: bool) -> None:
        if not is_met:
            raise SystemExit(f"the undisturbed run failed:\n{self.log.read_text()}")


def main() -> None:
    """Inject the faults that the options ask for, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--modes", nargs="*", default=list(injection.MODES))
    parser.add_argument("--every", type=int, default=1, help="fail every k-th boundary")
    parser.add_argument("--states", type=int, default=10_000, help="states after a power loss")
    parser.add_argument("--most", type=int, default=10_000, help="distinct states to try")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    workload.prepare()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="headstart-faults-") as base:
        faults = Faults(Path(base))
        for mode in options.modes:
            faults.inject(mode, options.every)
        faults.lose_power(options.states, options.seed, options.most)
    _print(faults, options.seed, time.perf_counter() - started)
    sys.exit(1 if faults.findings.problems else 0)


def _print(faults: Faults, seed: int, seconds: float, say: Callable[[str], None] = print) -> None:
    say(f"{time.strftime('%Y-%m-%d')}, seed {seed}, {faults.boundaries} write boundaries")
    for what, count in faults.findings.counts.items():
        say(f"{count:>8,}  {what}")
    for problem in faults.findings.problems:
        say(f"PROBLEM {problem}")
    say(f"{len(faults.findings.problems)} problems in {seconds:.0f} s")


if __name__ == "__main__":
    main()
