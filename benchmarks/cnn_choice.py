"""How the default `cnn` was chosen: variants on Fashion-MNIST, judged on validation images only (no test image is read).

    python benchmarks/cnn_choice.py [--dataset fashion-mnist] [--seeds 2]

Prints one line a variant: mean validation accuracy, its spread over seeds, seconds of training.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import headstart
from headstart import progress
from headstart.training import make_recipe, train

VARIANTS: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "16 filters": {"nodes": 16},
    "48 filters": {"nodes": 48, "epochs": 4},
    "4 epochs": {"epochs": 4},
    "batch 256": {"batch": 256},
    "half the rate": {"lr": 0.1},
    "gelu": {"activation": "gelu"},
    "no label smoothing": {"label_smoothing": 0.0},
    "shift by 4%": {"shift": 0.04},
    "adam": {"optimizer": "adam", "lr": 2e-3},
    "float32": {"precision": "float32"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="fashion-mnist")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS))
    args = parser.parse_args()
    progress.show_progress(False)
    dataset = headstart.load(args.dataset)
    split = headstart.split(dataset, test=0)
    for name in args.variants:
        scores, seconds = [], []
        for seed in range(args.seeds):
            folder = Path(tempfile.mkdtemp()) / "run"
            found = train(make_recipe("cnn", VARIANTS[name]), dataset, split, seed, folder)
            scores.append(found["validation"]["accuracy"])
            seconds.append(found["seconds"]["train"])
            shutil.rmtree(folder.parent)
        spread = f" +- {statistics.stdev(scores):.2%}" if len(scores) > 1 else ""
        print(f"{name:20} {statistics.mean(scores):.2%}{spread}  {statistics.mean(seconds):6.1f} s", flush=True)


if __name__ == "__main__":
    main()
