"""A finished run at work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from headstart.api._common import Data, whole
from headstart.api._runs import open_again
from headstart.errors import InputError, suggest_name

if TYPE_CHECKING:
    from headstart.data import ImageSource
    from headstart.deploy import Model


def predict(
    run: str | Path | Model,
    images: str | ImageSource | Sequence[str | ImageSource] | NDArray[np.uint8],
    *,
    top: int | None = None,
    csv: str | Path | None = None,
    figure: str | Path | None = None,
) -> dict[str, Any]:
    """What a classifier says of images.

    Args:
        run: a run folder, an exported `.onnx` file, or what `headstart.deploy.open_model` made of one.
        images: a path, a folder, the bytes of an image, an open file, or a sequence of those; "-" is standard input. Or an array
            `(N, H, W, C)` or `(H, W, C)` uint8 of the shape that the classifier takes.
        top: how many classes each image gets; by default all, and three in table and figure.
        csv: file for the predictions, one row an image, every class a column.
        figure: PNG or SVG with the first 24 images and their bars.

    Returns:
        `run`, `top`, `predictions` (a list of `image`, `label`, `probabilities` by class name with the likeliest first, and
        `unfamiliar`), and where `csv` and `figure` were written. Probabilities are calibrated on the run's validation images.

    Raises:
        InputError: no finished run, images that cannot be read, or arrays that are not uint8; then nothing is written.
    """
    from headstart import deploy
    from headstart.report import MOST_PICTURES, USUAL_TOP, draw_predictions, need_figure_name

    if top is not None and whole(top) < 1:
        raise InputError(
            "--top is 0, but wanted is how many classes to show, 1 or more.", "Example: --top 3"
        )
    if figure is not None:
        need_figure_name(Path(figure))
    model = deploy.open_model(Path(run)) if isinstance(run, str | Path) else run
    if isinstance(images, np.ndarray):
        pixels = images if images.ndim == 4 else images[None]
        names = [f"image {number}" for number in range(1, len(pixels) + 1)]
        found = deploy.predict_pixels(model, pixels)
    else:
        several = (
            images
            if isinstance(images, Sequence) and not isinstance(images, str | bytes)
            else [images]
        )
        names, sources = deploy.named_sources(several)
        found = deploy.predict(model, sources, names)
    shown = found.as_json(names, top)
    if csv is not None:
        deploy.write_predictions(Path(csv), found, names)
    if figure is not None:
        most = slice(MOST_PICTURES)
        opened = (
            pixels[most]
            if isinstance(images, np.ndarray)
            else deploy.open_images(sources[most], names[most], model)
        )
        draw_predictions(Path(figure), shown[most], opened, top or USUAL_TOP)
    return {
        "run": str(run) if isinstance(run, str | Path) else None,
        "top": top or USUAL_TOP,
        "predictions": shown,
        "csv": None if csv is None else str(csv),
        "figure": None if figure is None else str(figure),
    }


def submit(
    run: str | Path | Model,
    test: str | Path,
    *,
    out: str | Path = "submission.csv",
    sample: str | Path | None = None,
) -> dict[str, Any]:
    """A competition's submission from its test table. See `headstart.deploy.submit`.

    Args:
        run: a run folder, an exported `.onnx` file, or a model.
        test: pixel CSV, or a CSV with a column of image paths.
        out: the CSV to write: ImageId,Label, or what `sample` asks for.
        sample: the competition's sample submission.
    """
    from headstart import deploy

    model = deploy.open_model(Path(run)) if isinstance(run, str | Path) else run
    found = deploy.submit(model, Path(test), Path(out), None if sample is None else Path(sample))
    return {"run": str(run) if isinstance(run, str | Path) else None, **found}


def export(
    run: str | Path,
    *,
    data: Data | None = None,
    out: str | Path | None = None,
    form: str = "onnx",
    int8: bool = False,
) -> dict[str, Any]:
    """A run's classifier as one file for other programs. See `headstart.deploy.export`.

    Args:
        data: the dataset of the run, where its own source cannot be opened again; its validation images are compared.
        out: the file; by default `model.onnx` (or `model.pt2`) in the run folder.
        form: onnx or torch.
        int8: also write an ONNX file with eight bits.
    """
    from headstart import deploy

    if form not in get_args(deploy.Form):
        raise InputError(
            f"--format is '{form}', but wanted is onnx or torch.",
            suggest_name(form, get_args(deploy.Form)),
        )
    if int8 and form != "onnx":
        raise InputError(
            "--int8 makes an ONNX file, but --format is torch.", "Leave one of the two out."
        )
    ending = {"onnx": ".onnx", "torch": ".pt2"}[form]
    path = Path(run) / f"model{ending}" if out is None else Path(out)
    if path.suffix.lower() != ending:
        raise InputError(
            f"the file is to be {path.name}, but wanted is a name that ends in {ending}.",
            f"Example: -o model{ending}",
        )
    deploy.need_classifier(Path(run))
    _, opened = open_again(Path(run), data)
    return deploy.export(Path(run), opened, path, cast("deploy.Form", form), int8=int8)
