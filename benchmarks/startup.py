"""Measure how long commands take from a cold start, and what a wrong command costs.

    python benchmarks/startup.py [--repeats 5] [--out benchmarks/results/startup.json]
    python benchmarks/startup.py table

Each command is a process of its own. The commands take turns, so that a busy machine slows all of
them alike. Two imports without Headstart take turns with them: PyTorch, and timm with torchvision.
Bytecode is compiled by a first round, which does not count, as it is when a package is installed.

The result has wall-clock and processor time: medians and lowest values. The second call writes the
table of `startup.md` again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from result_files import HERE, facts

from headstart import api

PACKAGES = ("torch", "timm", "numpy", "onnxruntime")
RESULTS, PAGE = HERE / "results" / "startup.json", HERE / "startup.md"
MARK = "<!-- made by: python benchmarks/startup.py table -->"
TORCH, TIMM = "import torch", "import torchvision, timm"
# Goals in seconds, on a quiet machine.
TARGETS: dict[str, float] = {
    "predict RUN": 1.5,
    "predict --onnx": 0.6,
    "train digits, to the first step": 3.0,
}
WRONG_SECONDS = 0.6
# The loop counts the steps that are done, none, just before the first one.
FIRST_STEP = """
import os, sys
from headstart import progress
advance = progress.Task.advance
def end_at_first_step(task, amount=1.0):
    if task.title.endswith(", seed 0"):
        os._exit(0)
    advance(task, amount)
progress.Task.advance = end_at_first_step
sys.argv[0] = "headstart"
from headstart.cli import main
main()
"""


def commands(folder: Path) -> dict[str, list[str]]:
    """Make the files that the commands need, and return the words of each process."""
    image, run, exported = folder / "photo.png", folder / "run", folder / "model.onnx"
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(image)
    api.train("digits", model="mlp", epochs=1, train_images=200, out=run)
    api.export(run, out=exported)

    headstart = ["-m", "headstart"]
    nowhere, photo = str(folder / "nowhere"), str(image)
    return {
        TORCH: ["-c", TORCH],
        TIMM: ["-c", TIMM],
        "--help": [*headstart, "--help"],
        "predict RUN": [*headstart, "predict", str(run), photo],
        "predict --onnx": [*headstart, "predict", "--onnx", str(exported), photo],
        "runs": [*headstart, "runs", str(folder)],
        "train digits, to the first step": [
            *("-c", FIRST_STEP, "train", "digits", "--model", "mlp"),
            *("--train-images", "200", "--out", str(folder / "first")),
        ],
        "wrong: predict, no such run": [*headstart, "predict", nowhere, photo],
        "wrong: predict, no such image": [*headstart, "predict", str(run), nowhere],
        "wrong: predict, no such .onnx": [
            *headstart,
            *("predict", "--onnx", f"{nowhere}.onnx", photo),
        ],
        "wrong: train, no such data": [*headstart, "train", nowhere],
        "wrong: train, unknown model": [*headstart, "train", "digits", "--model", "nonsense"],
        "wrong: train, invalid option": [*headstart, "train", "digits", "--lr", "-1"],
        "wrong: compare, no such data": [*headstart, "compare", nowhere],
    }


def measure(words: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run one process, and return its seconds by the clock and of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    process = [sys.executable, *words]
    subprocess.run(process, env=environment, capture_output=True, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    user = after.ru_utime - before.ru_utime
    return wall, user + after.ru_stime - before.ru_stime


def run(repeats: int) -> dict[str, Any]:
    """Measure all commands in turns, and return the content of the result file."""
    with tempfile.TemporaryDirectory() as folder:
        processes = commands(Path(folder))
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in processes}
        load = os.getloadavg()[0]
        for number in range(repeats + 1):
            for name, words in processes.items():
                measured = measure(words, environment)
                if number:
                    times[name].append(measured)

    rows = []
    for name, pairs in times.items():
        walls, cpus = zip(*pairs, strict=True)
        row = {"command": name, "wall": statistics.median(walls), "cpu": statistics.median(cpus)}
        rows.append({**row, "lowest_wall": min(walls), "lowest_cpu": min(cpus)})
    return {**facts(*PACKAGES, load=load), "repeats": repeats, "rows": rows}


def page(result: dict[str, Any]) -> str:
    """Return the page of a result, with one row per command."""
    torch = next(row for row in result["rows"] if row["command"] == TORCH)
    lines, missed = [], []
    for row in result["rows"]:
        name = row["command"]
        target = WRONG_SECONDS if name.startswith("wrong:") else TARGETS.get(name)
        cells = [f"`{name}`" if name in (TORCH, TIMM) else name]
        cells += [f"{row['wall']:.2f}", f"{row['lowest_wall']:.2f}", f"{row['lowest_cpu']:.2f}"]
        cells += [f"{row['lowest_cpu'] / torch['lowest_cpu']:.2f}"]
        cells += ["" if target is None else f"{target:g}"]
        lines.append(f"| {' | '.join(cells)} |")
        if target is not None and row["wall"] > target:
            missed.append(name)
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    table = "\n".join(lines)
    return f"""# Start-up

{MARK}

How long a command takes from a cold start, with compiled bytecode and a warm disk cache.

```
python benchmarks/startup.py
```
{result["processor"]}, {result["cores"]} cores; {versions}; {result["date"]}.
Number of rounds: {result["repeats"]}. Load average at the start: {result["load"]:.1f}. If it is
well above 0, only the processor time and the ratio count.

| command | seconds, median | lowest | processor seconds, lowest | ratio to PyTorch | target |
|---|---|---|---|---|---|
{table}

The ratio compares processor times with that of `{TORCH}` in the same run. A command that
imports PyTorch can be below 1, because it collects garbage less often, and not at exit.

**Targets missed by the median**: {", ".join(missed) or "none"}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("action", nargs="?", choices=("run", "table"), default="run")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    if given.action == "run":
        result = run(given.repeats)
        given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        if given.out != RESULTS:
            print(page(result))
            return
    PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
