"""The worst errors of a comparison, and what made each contender say what it said."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.classifier import load_classifier
from headstart.data import Dataset
from headstart.deploy._explain import Evidence, evidence
from headstart.training import read_correct, read_losses

MOST_ERRORS = 6
_SECONDS = (
    3.0  # after which no further error is explained: a comparison keeps 8 s back for its report
)


def explain_errors(
    runs: Mapping[str, Path], dataset: Dataset, rows: NDArray[np.int64], part: str, path: Path
) -> None:
    """Write the images that cost the contenders most, and what spoke for the class that each gave them, as `.npz`.

    Nothing is written where nobody was wrong.

    Args:
        runs: by contender, the run that stands for it, with its weights.
        rows: of the dataset, those that judged. part: their name, "test" or "validation".
        path: holds, of E images and K contenders, `names`, `labels` `(E,)` and `images` `(E, H, W, C)`; `contenders` and `kinds`
            `(K,)`; `said` and `chances` `(K, E)`; and of contender k `heat-k` `(E, rows, columns)`, each in units of its largest.

    Raises:
        ResourceError: Captum is not installed.
    """
    wrong = np.any([~read_correct(run, part) for run in runs.values()], axis=0)
    losses = np.mean([read_losses(run, part) for run in runs.values()], axis=0)
    worst = rows[
        np.argsort(np.where(wrong, -losses, np.inf), kind="stable")[
            : min(MOST_ERRORS, int(wrong.sum()))
        ]
    ]
    if not len(worst):
        return
    classifiers = [load_classifier(run) for run in runs.values()]
    images = dataset.images[worst]
    found: list[list[Evidence]] = []
    end = time.perf_counter() + _SECONDS
    with progress.task("explaining the worst errors", len(worst), "images") as task:
        for image in images:
            if found and time.perf_counter() > end:
                break
            found.append([evidence(classifier, image) for classifier in classifiers])
            task.advance()
    shown = worst[: len(found)].tolist()
    arrays: dict[str, Any] = {
        "names": np.array([dataset.image_names[row] for row in shown]),
        "labels": np.array([dataset.class_names[dataset.labels[row]] for row in shown]),
        "images": images[: len(found)],
        "contenders": np.array(list(runs)),
        "kinds": np.array(["Grad-CAM" if one.heat.layer else "occlusion" for one in found[0]]),
        "said": np.array([[one.label for one in row] for row in found]).T,
        "chances": np.array([[one.probability for one in row] for row in found]).T,
    }
    for place in range(len(classifiers)):
        heats = [row[place].heat.values for row in found]
        arrays[f"heat-{place}"] = np.array(
            [heat / max(float(np.abs(heat).max()), 1e-12) for heat in heats]
        )
    out = io.BytesIO()
    np.savez(out, **arrays)
    store.write_bytes(path, out.getvalue())
