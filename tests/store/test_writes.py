"""Every write of a file passes through `store/`, or is listed here with its reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src/headstart"

# What writes outside `store/`, and why. The keys are a file and what it calls or imports there.
_FILLS = "fills a folder of store.new_folder or store.unfinished_folder, which is then published"
_PACKAGE = "the package writes by itself, where the user has told it to"
_BYTES = "returns bytes or writes to a file in memory"
EXCEPTIONS = {
    ("data/_cache_entry.py", "np.save"): _FILLS,
    ("data/_cache_entry.py", "np.savez"): _FILLS,
    ("data/_memory_maps.py", "np.lib.format.open_memmap"): _FILLS,
    ("data/_memory_maps.py", "path.open"): _FILLS,
    ("data/_unpacked.py", "target.mkdir"): _FILLS,
    ("data/_unpacked.py", "target.parent.mkdir"): _FILLS,
    ("data/_unpacked.py", "target.open"): _FILLS,
    ("data/formats/arrays/_python_items.py", "….open"): _FILLS,
    ("data/formats/images/_encoded_images.py", "spool.open"): _FILLS,
    ("data/formats/images/_encoded_images.py", "spool.unlink"): _FILLS,
    ("data/named/_packages.py", "folder.chmod"): "lets a package client use a scratch folder",
    ("data/named/_packages.py", "log.open"): "the log of a client, in a scratch folder",
    ("data/named/_packages.py", "import subprocess"): "a package client, in a scratch folder",
    ("deploy/export/_int8.py", "import onnx"): "the quantiser works with files: a scratch folder",
    ("deploy/export/_int8.py", "import onnxruntime"): "the same quantiser",
    ("deploy/export/_onnx.py", "import onnxruntime"): "reads models only",
    ("deploy/export/_int8.py", "onnx.save"): "the same quantiser",
    ("deploy/export/_serialise.py", "torch.export.save"): _BYTES,
    ("features/_feature_cache.py", "safetensors.torch.save"): _BYTES,
    ("training/_checkpoints.py", "self.save"): "the checkpoints, which write with store",
    ("training/_loop.py", "checkpoints.save"): "the checkpoints, which write with store",
    ("cli/_streams.py", "os.open"): "the null device, in place of a closed standard output",
    ("execution/_local.py", "import subprocess"): "starts workers, whose writes are our own",
    ("execution/_ray.py", "import ray"): _PACKAGE,
    ("report/watch/_resume.py", "import subprocess"): "starts our own command, which writes itself",
    ("studies/tune/_finding.py", "import optuna"): "computes importances, and writes nothing",
    ("studies/tune/_storage.py", "import optuna"): "trials.db is written by SQLite's transactions",
    ("studies/tune/_trial_schema.py", "import optuna"): "reads what a database holds",
    ("tracking/_mlflow.py", "import mlflow"): _PACKAGE,
    ("tracking/_tensorboard.py", "import tensorboard"): "reads what was logged before",
    ("tracking/_tensorboard.py", "import torch.utils.tensorboard"): _PACKAGE,
    ("tracking/_wandb.py", "import wandb"): _PACKAGE,
}

_WRITING_MODULES = (
    *("ray", "optuna", "mlflow", "wandb", "tensorboard", "torch.utils.tensorboard", "onnx"),
    *("onnxruntime", "sqlite3", "subprocess", "tempfile", "h5py", "joblib", "pickle", "shelve"),
)
_CHANGES_OF_PATHS = (
    *("write_text", "write_bytes", "mkdir", "touch", "unlink", "rmdir", "rename", "chmod"),
    *("symlink_to", "hardlink_to", "tofile"),
)
_FUNCTIONS = {
    "os": (
        *("replace", "rename", "renames", "mkdir", "makedirs", "remove", "removedirs", "unlink"),
        *("rmdir", "link", "symlink", "truncate", "open", "mkfifo", "fdopen", "chmod"),
    ),
    "shutil": ("copy", "copy2", "copyfile", "copytree", "move", "rmtree", "unpack_archive"),
    "np": ("save", "savez", "savez_compressed", "savetxt"),
    "torch": ("save",),
}
_SAVERS = ("save", "savefig", "save_file", "save_model", "to_csv", "to_parquet", "to_json", "dump")
_READING_FLAGS = ("O_RDONLY", "O_NONBLOCK", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC")


def writes(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each call that may write a file, and of such imports.

    A file in memory, `io.BytesIO()`, may be written.
    """
    in_memory = _names_of_buffers(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _imported(node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from _imported(node.lineno, node.module)
        elif isinstance(node, ast.Call) and _may_write(node, in_memory):
            yield node.lineno, _short(node.func)


def _imported(line: int, module: str) -> Iterator[tuple[int, str]]:
    for name in _WRITING_MODULES:
        if module == name or module.startswith(f"{name}."):
            yield line, f"import {name}"


def _names_of_buffers(tree: ast.Module) -> set[str]:
    """Return the names that a module gives to files in memory and to nothing else."""
    buffers: set[str] = set()
    others: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            for name, value in _pairs(target, node.value):
                makes = ast.unparse(value.func) if isinstance(value, ast.Call) else ""
                is_buffer = makes.rpartition(".")[2] in ("BytesIO", "StringIO")
                (buffers if is_buffer else others).add(name)
    return buffers - others


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[str, ast.expr]]:
    """Return the names of an assignment, each with its value where that is known."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(map(ast.unparse, target.elts), value.elts, strict=False))
    return [(ast.unparse(target), value)]


def _may_write(call: ast.Call, in_memory: set[str]) -> bool:
    name = _short(call.func)
    holder, _, function = name.rpartition(".")
    first = ast.unparse(call.args[0]) if call.args else ""
    if holder == "store":
        return False
    if name == "os.open":
        return bool(set(_flags(call.args[1])) - set(_READING_FLAGS))
    if function in _FUNCTIONS.get(holder, ()):
        return first not in in_memory
    if function in ("open", "open_memmap", "memmap"):
        return _opens_for_writing(call, function, holder)
    if function == "replace":  # that of a path has one argument
        return bool(holder) and len(call.args) == 1 and not call.keywords
    if function in _SAVERS and holder:
        return bool(call.args) and first not in in_memory
    if function == "rename":  # that of a data frame has keywords
        return bool(call.args)
    return function in _CHANGES_OF_PATHS and bool(holder)


def _opens_for_writing(call: ast.Call, function: str, holder: str) -> bool:
    """Return whether a call opens a file for writing, or in a mode that is not a constant."""
    place = 1 if function != "open" or not holder else 0  # Path.open has the mode first
    if function == "memmap":
        place = 2
    given = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    modes = given or call.args[place : place + 1]
    if not modes:
        return function == "open_memmap"  # its default is to read and write
    mode = modes[0]
    if not (isinstance(mode, ast.Constant) and isinstance(mode.value, str)):
        return function != "open" or not holder
    return any(letter in mode.value for letter in "wax+")


def _flags(node: ast.expr) -> list[str]:
    names = [child.attr for child in ast.walk(node) if isinstance(child, ast.Attribute)]
    return names or ["unknown"]


def _short(function: ast.expr) -> str:
    """Return the text of a function; an expression before its name is left out."""
    if isinstance(function, ast.Attribute) and not isinstance(
        function.value, ast.Name | ast.Attribute
    ):
        return f"….{function.attr}"
    return ast.unparse(function)


def all_writes() -> dict[tuple[str, str], list[int]]:
    """Return the lines of the writes outside `store/`, by file and by what is called."""
    found: dict[tuple[str, str], list[int]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith("store/"):
            for line, call in writes(ast.parse(path.read_text(encoding="utf-8"))):
                found.setdefault((name, call), []).append(line)
    return found


def test_every_write_passes_through_the_store() -> None:
    found = all_writes()
    unknown = {
        f"{file}:{lines}": call
        for (file, call), lines in found.items()
        if (file, call) not in EXCEPTIONS
    }
    assert not unknown, "write with headstart.store, or list the exception with its reason"
    assert not EXCEPTIONS.keys() - found.keys(), "these exceptions are no longer needed"


@pytest.mark.parametrize(
    "text",
    [
        "open('a', 'w')",
        "path.open('ab')",
        "path.open(mode='r+')",
        "open(path, mode)",
        "os.open(path, os.O_RDWR | os.O_CREAT)",
        "os.replace(a, b)",
        "(folder / 'a').replace(b)",
        "(folder / 'a').write_text('')",
        "path.mkdir()",
        "shutil.rmtree(path)",
        "np.savez(path, a=a)",
        "torch.save(weights, path)",
        "figure.savefig(path)",
        "np.lib.format.open_memmap(path)",
        "np.memmap(path, np.uint8, 'w+')",
        "import tempfile",
        "from sqlite3 import connect",
    ],
)
def test_a_write_is_recognized(text: str) -> None:
    assert list(writes(ast.parse(text)))


@pytest.mark.parametrize(
    "text",
    [
        "open('a')",
        "path.open('rb')",
        "os.open(path, os.O_RDONLY | os.O_NONBLOCK)",
        "text.replace('a', 'b')",
        "replace(job)",
        "image, file = image(), io.BytesIO()\nimage.save(file)",
        "out = io.BytesIO()\nnp.savez(out, a=a)",
        "store.write_text(path, text)",
        "np.memmap(file, np.uint8, 'r', 0, shape)",
    ],
)
def test_reading_is_no_write(text: str) -> None:
    assert not list(writes(ast.parse(text)))
