"""Remove one protection at a time, and run the test that must notice it.

    make mutations

The source is changed in a temporary copy. The table that is printed says which test failed. The
exit status is 1 if a protection was removed unnoticed.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import pytest
from mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
_TEST_FAILED = 1  # exit status of pytest; others mean that the test did not run
_SECONDS = 300.0


def mutate(mutation: Mutation, package: Path) -> str:
    """Change a copy of the package, and return the earlier content of the file."""
    path = package / mutation.file
    content = path.read_text(encoding="utf-8")
    if content.count(mutation.old) != 1:
        raise SystemExit(f"{mutation.file} does not contain once:\n{mutation.old}")
    path.write_text(content.replace(mutation.old, mutation.new), encoding="utf-8")
    return content


def run_test(mutation: Mutation, source: Path) -> str:
    """Return "failed", "passed", "hangs" or "did not run".

    The test runs in a fork, which has the libraries already, and imports the changed package.
    """
    pid = os.fork()
    if pid == 0:
        os.setsid()  # so that what the test starts ends with it
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        os.chdir(ROOT)
        os.environ["PYTHONPATH"] = str(source)
        sys.path.insert(0, str(source))
        test = str(ROOT / "tests" / mutation.test)
        os._exit(int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", test])))
    return _await(pid)


def _await(pid: int) -> str:
    """Wait for a test, and end it if it hangs."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return {0: "passed", _TEST_FAILED: "failed"}.get(code, "did not run")
        time.sleep(0.05)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "hangs"


def _import_libraries() -> None:
    """Import what most tests need, but nothing of Headstart."""
    for name in ("numpy", "torch", "httpx", "pydantic", "safetensors.torch", "optuna", "rich"):
        importlib.import_module(name)
    assert "headstart" not in sys.modules


def main() -> int:
    """Run all mutations, or those whose name contains a text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a text in the name of the protection")
    options = parser.parse_args()
    chosen = [mutation for mutation in MUTATIONS if options.only in mutation.protection]

    _import_libraries()
    unnoticed = 0
    print(f"{time.strftime('%Y-%m-%d')}, {len(chosen)} mutations", flush=True)
    with tempfile.TemporaryDirectory(prefix="headstart-mutations-") as place:
        package = Path(place) / "headstart"
        shutil.copytree(
            ROOT / "src/headstart", package, ignore=shutil.ignore_patterns("__pycache__")
        )
        for mutation in chosen:
            content = mutate(mutation, package)
            outcome = run_test(mutation, Path(place))
            (package / mutation.file).write_text(content, encoding="utf-8")
            unnoticed += outcome not in ("failed", "hangs")
            test = mutation.test.partition("::")[2]
            print(f"| {mutation.protection} | `{test}` | {outcome} |", flush=True)
    print(f"{unnoticed} unnoticed")
    return int(unnoticed > 0)


if __name__ == "__main__":
    sys.exit(main())
