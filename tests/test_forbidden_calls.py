"""What the source never does: read a pickle, or let the wall clock decide.

The clock of a machine may jump by days. So durations come from `time.monotonic`, and an order from
numbers. The exceptions are listed with their reasons.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "headstart"
_CLOCK_CALLS = ("time", "time_ns", "now", "utcnow", "today", "localtime")
# The modules that read the wall clock, and why a jump of it does no harm.
CLOCK_READERS = {
    "data/_file_identity.py": "a file that seems to be new, or from the future, is hashed",
    "deploy/export/_page.py": "the date of a page, which is shown",
    "report/watch/_entry.py": "the time left, which is shown and never negative",
    "store/_locks.py": "the start of an owner, which is shown",
    "store/_unfinished.py": "an old folder is removed only if no process holds its lock",
    "studies/_study.py": "the date of a study, which is recorded",
    "studies/tune/_storage.py": "a number that changes: another machine counts its own seconds",
    "tracking/_mlflow.py": "the time of a figure, which MLflow shows",
    "training/_checkpoints.py": "a part of the name of a damaged checkpoint",
}
_PICKLE_READERS = {
    *("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"),
    *("jsonpickle", "read_pickle"),
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Yield the path of each module of the package, and its syntax tree."""
    for path in sorted(ROOT.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def reads_clock(tree: ast.AST) -> bool:
    """Return whether code reads the wall clock."""
    calls = {f"{owner}.{name}" for owner in ("time", "datetime", "date") for name in _CLOCK_CALLS}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in calls:
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            return any(alias.name in _CLOCK_CALLS for alias in node.names)
    return False


def pickle_readers(tree: ast.AST) -> Iterator[str]:
    """Yield the calls and imports in code that would read a pickle."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in _PICKLE_READERS)
        elif isinstance(node, ast.ImportFrom) and node.module in _PICKLE_READERS:
            yield str(node.module)
        elif isinstance(node, ast.Call) and is_pickle_reader(node):
            yield ast.unparse(node.func)


def is_pickle_reader(node: ast.Call) -> bool:
    """Return whether a call would read a pickle, or run code of a downloaded model."""
    call = ast.unparse(node.func)
    options = {word.arg: ast.unparse(word.value) for word in node.keywords}
    return (
        (call == "torch.load" and options.get("weights_only") != "True")
        or (call in ("np.load", "numpy.load") and options.get("allow_pickle") != "False")
        or call.rpartition(".")[2] in _PICKLE_READERS
        or "trust_remote_code" in options
    )


def test_the_wall_clock_is_read_only_where_a_jump_does_no_harm() -> None:
    assert {name for name, tree in sources() if reads_clock(tree)} == CLOCK_READERS.keys()


def test_no_module_reads_a_pickle() -> None:
    found = {name: calls for name, tree in sources() if (calls := list(pickle_readers(tree)))}
    assert not found


def test_only_packaged_weights_are_read_by_torch() -> None:
    """They have a pinned digest, which is compared first."""
    users = {
        name
        for name, tree in sources()
        if any(
            isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
            for node in ast.walk(tree)
        )
    }
    assert users == {"models/_weights.py"}


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(file)",
        "torch.load(file, weights_only=False)",
        "np.load(file)",
        "np.load(file, allow_pickle=True)",
        "pd.read_pickle(file)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
    ],
)
def test_a_reader_of_pickles_is_recognized(text: str) -> None:
    assert list(pickle_readers(ast.parse(text)))


def test_the_clocks_are_told_apart() -> None:
    assert reads_clock(ast.parse("time.time()"))
    assert reads_clock(ast.parse("from time import time_ns"))
    assert reads_clock(ast.parse("datetime.now(UTC)"))
    assert not reads_clock(ast.parse("time.monotonic() + time.perf_counter()"))
