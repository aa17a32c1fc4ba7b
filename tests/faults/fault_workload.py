"""The micro-run of the fault tests: 96 images of an .npz file, and a checkpoint at each epoch."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

# A child ends with one of these where a command would end with the status of its error.
CRASHED, REFUSED = 50, 40


def write_data(path: Path) -> None:
    """Write 96 images of three classes."""
    generator = np.random.default_rng(0)
    labels = np.arange(96) % 3
    noise = generator.integers(0, 120, (96, 12, 12))
    images = (noise + labels[:, None, None] * 50).astype(np.uint8)
    np.savez(path, images=images, labels=labels)


def prepare() -> None:
    """Import everything once, so that the children which are forked do not."""
    import torch

    import headstart
    import headstart.training._run
    from headstart.training import _checkpoints

    torch.set_num_threads(1)
    _checkpoints._COST_FRACTION = 1e9  # every epoch is saved
    _ = headstart.train

    # A run imports some modules when it needs them. They took 40% of the time of each child.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder / "data.npz")

        def list_imports() -> None:
            train(folder / "data.npz", folder)
            (folder / "imports").write_text("\n".join(sys.modules), encoding="utf-8")

        if in_child(list_imports, folder / "log"):
            raise SystemExit(f"a run failed:\n{(folder / 'log').read_text()}")
        for module in (folder / "imports").read_text(encoding="utf-8").splitlines():
            if module.startswith(("headstart.", "PIL.", "scipy.")):
                importlib.import_module(module)


def train(data: Path, root: Path) -> None:
    """Decode the data into a cache of its own and train, or resume what is there."""
    import headstart

    os.environ["XDG_CACHE_HOME"] = str(root / "cache")
    # Nothing here may depend on a timing, which a lost cache means to repeat: neither the precision
    # nor the rounding of the default optimizer.
    headstart.train(
        data,
        model="mlp",
        epochs=2,
        batch=32,
        nodes=16,
        layers=1,
        optimizer="sgd",
        lr=0.05,
        precision="float32",
        out=root / "run",
    )


def result(root: Path) -> str:
    """Return the digest of the weights and predictions; "" if the run is not finished."""
    run = root / "run"
    if not (run / "metrics.json").exists():
        return ""
    content = (run / "model.safetensors").read_bytes() + (run / "predictions.csv").read_bytes()
    return hashlib.sha256(content).hexdigest()


def debris(root: Path) -> list[str]:
    """Return what killed processes have left, after a new process has swept its folders."""
    from headstart import store

    os.environ["XDG_CACHE_HOME"] = str(root / "cache")
    store.clear_cache_debris()
    names = [str(path.relative_to(root)) for path in root.rglob(".*") if path.name != ".lock"]
    return names + [str(path.relative_to(root)) for path in root.rglob("*.bad-*")]


def in_child(work: Callable[[], None], log: Path) -> int:
    """Run `work` in a forked process; return its exit status, and write its error to `log`."""
    from headstart.errors import HeadstartError

    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 0
        try:
            work()
        except HeadstartError as error:
            log.write_text(f"{type(error).__name__}: {error}")
            status = REFUSED + error.exit_code
        except BaseException:
            log.write_text(traceback.format_exc())
            status = CRASHED
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
