"""Eight processes start on one run folder at the same moment: one of them trains.

    python tests/faults/shared_folder.py --times 50 --seed 0

The others find the finished run and reuse it, or end with status 3 and name the process that uses
the folder. In every second round, the first process that reaches a random write boundary is killed.
In half of the rounds, writing is slow, so that the others give up.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import fault_injection as injection
import fault_workload as workloads

PROCESSES = 8
_IN_USE = 3
_SLOW_SECONDS = 0.02  # before each boundary


class SharedFolder:
    """Rounds of processes that start one command at the same moment.

    Args:
        base: An empty folder.

    Attributes:
        ends: Number of processes by how they ended.
        problems: One description per round that had a wrong end.
    """

    def __init__(self, base: Path) -> None:
        self.workload, self.root = workloads.WORKLOADS[0], base / "root"
        self._empty, self._data, self._killed = base / "empty", base / "data", base / "killed"
        workloads.prepare([self.workload], base)
        self.ends: Counter[str] = Counter()
        self.problems: list[str] = []
        self._empty.mkdir()
        self._clear()
        workloads.run(self._words(), self.root)
        self.golden = self.workload.result(self.root)

    def run(self, killed_at: int | None, *, is_slow: bool) -> None:
        """Let eight processes run the command.

        Args:
            killed_at: The boundary at which the first process that reaches it is killed, or None.
            is_slow: Whether each boundary takes longer.
        """
        self._clear()
        self._killed.unlink(missing_ok=True)
        gate, opened = os.pipe()
        ready, started = os.pipe()

        def before(number: int, _: str, __: str) -> None:
            if is_slow:
                time.sleep(_SLOW_SECONDS)
            if number == killed_at:
                with suppress(FileExistsError):
                    self._killed.touch(exist_ok=False)
                    os._exit(injection.KILLED)

        def disturb() -> None:
            os.close(opened)
            os.write(started, b"x")
            os.read(gate, 1)  # until every process has closed its end
            injection.Boundaries(self.root, before)

        def start(_: int) -> tuple[int, str]:
            return workloads.run(self._words(), self.root, disturb=disturb)

        with ThreadPoolExecutor(PROCESSES) as pool:
            children = [pool.submit(start, number) for number in range(PROCESSES)]
            waiting = 0
            while waiting < PROCESSES:
                waiting += len(os.read(ready, PROCESSES))
            os.close(opened)
            ends = [self._end(*child.result()) for child in children]
        for handle in (gate, ready, started):
            os.close(handle)
        self.ends.update(ends)
        self._check(Counter(ends), f"killed at {killed_at}, slow: {is_slow}")

    def _check(self, ends: Counter[str], what: str) -> None:
        known = ("trained", "reused", "in use", "killed")
        unknown = [end for end in ends if end not in known]
        if unknown or ends["trained"] > 1:
            self.problems.append(f"{what}: {dict(ends)}")
        if not ends["trained"]:  # all others had given up before the killed process ended
            status, output = workloads.run(self._words(), self.root)
            if status or not ends["killed"]:
                self.problems.append(f"{what}: nobody trained: {dict(ends)}\n{output}")
        if self.workload.result(self.root) != self.golden:
            self.problems.append(f"{what}: another result")
        states = {diagnosis.state for diagnosis in workloads.examine(self.root)}
        if workloads.debris(self.root) or states != {"healthy"}:
            self.problems.append(f"{what}: {workloads.debris(self.root)}, {states}")

    def _end(self, status: int, output: str) -> str:
        if status == 0:
            return "reused" if "its results are reused" in output else "trained"
        if status == _IN_USE and "is in use by another process" in output:
            return "in use"
        return "killed" if status == injection.KILLED else f"status {status}: {output[-800:]}"

    def _words(self) -> list[str]:
        return self.workload.words(self._data, self.root)

    def _clear(self) -> None:
        workloads.copy_root(self._empty, self.root)


def main() -> int:
    """Run the rounds, print how the processes ended, and return 1 if there is a problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="headstart-shared-") as base:
        shared = SharedFolder(Path(base))
        for number in range(options.times):
            killed_at = generator.randint(60, 200) if number % 2 else None
            shared.run(killed_at, is_slow=number % 4 >= 2)
        os.chdir("/")

    for end, count in sorted(shared.ends.items()):
        print(f"{count:>6,}  {end}")
    for problem in shared.problems:
        print(f"PROBLEM {problem}")
    rounds = f"{options.times} rounds of {PROCESSES} processes"
    print(f"seed {options.seed}: {rounds}, {len(shared.problems)} problems")
    return int(bool(shared.problems))


if __name__ == "__main__":
    sys.exit(main())
