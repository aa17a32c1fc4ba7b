"""Why a classifier, or several, say what they say of an image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.errors import InputError


def explain(
    run: str | Path,
    image: str | Path | bytes,
    *,
    against: str | Path | Sequence[str | Path] = (),
    label: str | None = None,
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Show which pixels a prediction rests on: Grad-CAM and occlusion, one row a classifier.

    Args:
        run: folder of a finished run.
        image: an image file, or its content; "-" for standard input.
        against: further runs, to be shown below.
        label: the class to explain; by default each classifier explains its own prediction.
        out: the figure, a PNG file; by default `explanation-IMAGE.png` in the current folder.

    Returns:
        What `headstart explain --json` prints: `image`, `figure`, `explanations[]` with `run`, `model`, `label`,
        `probability`, `predicted`, `grad_cam` (null for a net without feature maps) and `occlusion`,
        both with `values` by rows and their `unit`.

    Raises:
        InputError: no finished run there, no image, no such class. ResourceError: Captum is missing, or the disk is full.
    """
    from headstart import progress
    from headstart.classifier import Classifier
    from headstart.deploy import (
        explain as explain_one,
        named_sources,
        open_images,
        open_model,
    )
    from headstart.report import write_explanation

    runs = [run, *([against] if isinstance(against, str | Path) else against)]
    names, sources = named_sources([image])
    if len(sources) != 1:
        raise InputError(
            f"{image!s} stands for {len(sources)} images, but one is explained at a time.",
            "Give one image file.",
        )
    path = _figure_path(out, names[0])
    rows, found = [], []
    with progress.task("explaining", len(runs), "classifiers") as task:
        for folder in runs:
            model = open_model(Path(folder))
            if not isinstance(model, Classifier):
                raise InputError(
                    f"{folder} is no run folder, which an explanation needs.",
                    "`headstart runs` lists the runs.",
                )
            pixels = open_images(sources, names, model)[0]
            explanation = explain_one(model, pixels, label)
            what = model.recipe.model
            rows.append((f"{what} · {Path(folder).name}", pixels, explanation))
            found.append({"run": str(folder), "model": what, **explanation.as_json()})
            task.advance()
    figure = write_explanation(path, rows)
    return {"image": names[0], "figure": str(figure), "explanations": found}


def _figure_path(out: str | Path | None, image: str) -> Path:
    if out is None:
        stem = re.sub(r"[^\w.-]+", "-", Path(image).stem)
        return Path(f"explanation-{stem}.png")
    path = Path(out)
    if path.suffix.lower() != ".png":
        raise InputError(
            f"--out is '{out}', but the figure is a PNG file.", "Example: --out explanation.png"
        )
    return path
