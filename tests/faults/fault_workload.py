"""The commands that the fault tests disturb, each small, and the process that runs one.

Every command is run as `headstart` runs it, in a forked child of a process that has imported
everything. Its folders lie below one root: the cache, and what the command writes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import importlib
import json
import os
import shutil
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

_OTHERS_FILES = {".lock", ".onnxruntime"}  # ONNX Runtime keeps an empty file of its own
CRASHED = 50  # the status of a child that ends with a traceback

# Nothing may depend on a timing, which a lost cache means to repeat: neither the precision nor the
# rounding of the default optimizer.
_STEADY = "--optimizer sgd --lr 0.05 --precision float32"
_STEADY_STUDY = "--set optimizer=sgd --set lr=0.05 --set precision=float32"
_MLP = f"--model mlp --nodes 16 --layers 1 --batch 32 {_STEADY}"
_TRAIN = f"train DATA/images.npz {_MLP} --epochs 2 --out ROOT/run"


@dataclass(frozen=True)
class Workload:
    """A command that is disturbed and then repeated.

    Attributes:
        name: Its name.
        command: Its words. DATA and ROOT stand for two folders.
        results: Patterns of the files below ROOT that must be equal to those of an undisturbed run.
        before: A command whose results it needs, which is never disturbed.
        values: Keys of the JSON files in `findings` that must be equal too.
        findings: Pattern of JSON files below ROOT.
        is_recorded: Whether power losses can be replayed: all writes are seen, which those of
            SQLite are not, and the command is the same each time.
        stride: The number of boundaries of which one is hit, where a command takes seconds.
    """

    name: str
    command: str
    results: tuple[str, ...]
    before: str = ""
    values: tuple[str, ...] = ()
    findings: str = "study/finding.json"
    is_recorded: bool = True
    stride: int = 1

    def words(self, data: Path, root: Path) -> list[str]:
        """Return the words of the command."""
        return _words(self.command, data, root)

    def words_before(self, data: Path, root: Path) -> list[str]:
        """Return the words of the command before it."""
        return _words(self.before, data, root)

    def result(self, root: Path) -> dict[str, str]:
        """Return the digests of the results, by their paths."""
        contents = {path: path.read_bytes() for path in _files(root, self.results)}
        for path in _files(root, (self.findings,)):
            finding = json.loads(path.read_text(encoding="utf-8"))
            contents[path] = json.dumps({key: finding[key] for key in self.values}).encode()
        return {
            str(path.relative_to(root)): hashlib.sha256(content).hexdigest()
            for path, content in contents.items()
        }


_RUN = ("run/model.safetensors", "run/predictions.csv", "run/split.npz")
_ALL_RUNS = ("study/**/model.safetensors", "study/**/predictions.csv")
WORKLOADS = (
    Workload("train", _TRAIN, _RUN),
    Workload(
        "early stopping",
        f"train DATA/images.npz {_MLP} --epochs 6 --patience 1 --out ROOT/run",
        _RUN,
    ),
    Workload(
        "more epochs",
        f"train DATA/images.npz {_MLP} --epochs +1 --out ROOT/run",
        ("run*/model.safetensors", "run*/predictions.csv"),
        before=_TRAIN,
    ),
    Workload("images", f"train DATA/folder {_MLP} --epochs 1 --out ROOT/run", _RUN),
    Workload(
        "compare",
        "compare DATA/images.npz --models mlp,mlp:fast --folds 2 --seeds 1 --time-limit none "
        f"--epochs 1 {_STEADY_STUDY} --out ROOT/study",
        _ALL_RUNS,
        stride=20,
    ),
    Workload(
        "fit",
        # What it tries depends on the time: only that it finishes can be compared.
        "fit DATA/images.npz --time-limit 10s --out ROOT/study",
        (),
        values=("schema_version",),
        is_recorded=False,
        stride=100,
    ),
    Workload(
        "tune",
        "tune DATA/images.npz --model mlp --trials 2 --seeds 1 --epochs 1 --batch 8 "
        f"{_STEADY_STUDY} --out ROOT/study",
        _ALL_RUNS,
        is_recorded=False,
        stride=30,
    ),
    Workload(
        "audit",
        "audit DATA/images.npz --quick --fix ROOT/plan.csv --out ROOT/study",
        ("plan.csv",),
    ),
    Workload(
        "features",
        "train DATA/colours.npz --model efficientnet-lite0 --set pretrained=false "
        f"--set input_px=32 --transfer frozen --epochs 1 {_STEADY} --out ROOT/run",
        _RUN,
    ),
    Workload("export", "export ROOT/run --out ROOT/model.onnx", ("model.*",), before=_TRAIN),
    Workload("download", "data get tiny", ("cache/**/images.npy",)),
)


def _words(command: str, data: Path, root: Path) -> list[str]:
    return command.replace("DATA", str(data)).replace("ROOT", str(root)).split()


def _files(root: Path, patterns: Sequence[str]) -> Iterator[Path]:
    for pattern in patterns:
        yield from sorted(path for path in root.glob(pattern) if path.is_file())


def write_data(folder: Path) -> None:
    """Write the data of all workloads: 96 images of three classes, as files of several kinds."""
    from PIL import Image

    generator = np.random.default_rng(0)
    labels = np.arange(96) % 3
    noise = generator.integers(0, 120, (96, 12, 12))
    images = (noise + labels[:, None, None] * 50).astype(np.uint8)
    np.savez(folder / "images.npz", images=images, labels=labels)
    np.savez(folder / "colours.npz", images=np.stack([images] * 3, axis=-1), labels=labels)
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / "folder" / "abc"[label] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def _offer_download(folder: Path) -> None:
    """Serve the files of a tiny named dataset, and enter it in the catalogue of this process."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
    import test_named

    from headstart.data.named import _fetch, _layouts
    from headstart.data.named._sources import WebFiles

    test_named.write_files(folder, is_gzipped=True)
    handler = partial(_QuietHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    names = tuple(f"{name}.gz" for name in _layouts.IDX_FILES)
    source = WebFiles(f"http://127.0.0.1:{server.server_port}/", names, 1000)
    entry = dataclasses.replace(test_named.TINY, sources=(source,))
    setattr(_fetch, "CATALOGUE", (entry,))  # noqa: B010  # mypy forbids the plain assignment


def prepare(workloads: Sequence[Workload], base: Path) -> None:
    """Write the data, and import everything, so that the children which are forked do not.

    Args:
        workloads: The workloads that will be run.
        base: The folder for the data. Below it, home, temporary files and the current folder of
            this process and its children are from now on.

    Raises:
        SystemExit: An undisturbed command failed.
    """
    import torch

    from headstart.training import _checkpoints

    torch.set_num_threads(1)
    _checkpoints._COST_FRACTION = 1e9  # every epoch is saved
    os.environ.pop("HEADSTART_DATA", None)
    data, tempfile.tempdir = base / "data", str(base)  # some packages leave folders there
    data.mkdir()
    write_data(data)
    _offer_download(data / "served")

    # A command imports some modules when it needs them, which takes longer than the command.
    for workload in workloads:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            status, output = 0, ""
            if workload.before:
                status, output = run(workload.words_before(data, root), root, _list_modules)
            if not status:
                status, output = run(workload.words(data, root), root, _list_modules)
            if status:
                raise SystemExit(f"{workload.name} failed with status {status}:\n{output}")
            for path in root.glob("modules-*"):
                for module in path.read_text(encoding="utf-8").splitlines():
                    with suppress(Exception):  # some modules exist only where they were made
                        importlib.import_module(module)

    for folder in ("home", "tmp", "current"):
        (base / "outside" / folder).mkdir(parents=True)
    os.environ["HOME"], tempfile.tempdir = str(base / "outside/home"), str(base / "outside/tmp")
    os.chdir(base / "outside/current")


def _list_modules(root: Path) -> None:
    (root / f"modules-{os.getpid()}").write_text("\n".join(sys.modules), encoding="utf-8")


def run(
    words: list[str],
    root: Path,
    after: Callable[[Path], object] = lambda _: None,
    *,
    disturb: Callable[[], object] = lambda: None,
) -> tuple[int, str]:
    """Run a command in a forked child, and return its exit status and its output.

    Args:
        words: The words of the command, without `headstart`.
        root: The folder of its cache, and of what it writes.
        after: Called in the child after the command, with the root.
        disturb: Called in the child before the command.
    """
    read_end, write_end = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        for number, name in ((1, "stdout"), (2, "stderr")):
            stream = os.fdopen(os.dup2(write_end, number), "w", buffering=1)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        os._exit(_in_child(words, root, after, disturb))
    os.close(write_end)
    with os.fdopen(read_end, encoding="utf-8", errors="replace") as stream:
        output = stream.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output


def _in_child(
    words: list[str],
    root: Path,
    after: Callable[[Path], object],
    disturb: Callable[[], object],
) -> int:
    from headstart.cli import main

    os.environ["XDG_CACHE_HOME"] = str(root / "cache")
    sys.argv = ["headstart", *words]
    status = 0
    try:
        disturb()
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = CRASHED
    if not status:
        after(root)
    return status


def examine(root: Path) -> list[Any]:
    """Return what `headstart doctor` finds below a root."""
    from headstart.diagnosis import examine

    os.environ["XDG_CACHE_HOME"] = str(root / "cache")
    return examine([root], cache=(root / "cache").exists())


def debris(root: Path) -> list[str]:
    """Return what killed processes have left, after a new process has swept its folders."""
    from headstart import store

    os.environ["XDG_CACHE_HOME"] = str(root / "cache")
    store.clear_cache_debris()
    paths = [path for path in root.rglob(".*") if path.name not in _OTHERS_FILES]
    return [str(path.relative_to(root)) for path in (*paths, *root.rglob("*.bad-*"))]


def copy_root(old: Path, new: Path) -> None:
    """Replace a root by a copy of another."""
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(old, new, symlinks=True)
