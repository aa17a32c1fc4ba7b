"""A finished run in use: predict, explain, submit, export, serve."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.api._deploy_results import (
    ExplainResult,
    ExportResult,
    Prediction,
    PredictResult,
    SubmitResult,
)
from headstart.api._input_images import InputImages
from headstart.errors import InputError, ResourceError, suggest_name

if TYPE_CHECKING:
    from headstart.api._data import Data
    from headstart.data import ImageSource
    from headstart.deploy import Form, Model

_SUFFIXES = {"onnx": ".onnx", "torch": ".pt2", "page": ".html"}


def predict(
    run: str | Path | Model,
    images: str | ImageSource | Sequence[str | ImageSource] | NDArray[np.uint8],
    *,
    top: int | None = None,
    coverage: float | None = None,
    csv: str | Path | None = None,
    figure: str | Path | None = None,
    safe_cells: bool = False,
    skip_bad: bool = False,
) -> PredictResult:
    """Predict the classes of images.

    Args:
        run: A run folder, the folder of a study (its best run on validation images, which is
            printed), an exported `.onnx` file, or a model that `headstart.deploy.open_model`
            returned.
        images: A path, a folder, the bytes of an image, an open file, or a sequence of those; "-"
            is standard input. Or a uint8 array of shape (N, H, W, C) or (H, W, C), with the image
            shape of the model.
        top: Number of classes per image. By default all of them, but three in table and figure.
        coverage: Fraction of images, such as 0.95, whose set of classes contains the true class.
            By default there are no sets. They are calibrated on the run's validation images.
        csv: File for the predictions: one row per image, one column per class.
        figure: PNG or SVG file with the first 24 images and their probabilities as bars.
        safe_cells: Whether CSV cells that a spreadsheet would evaluate get an apostrophe.
        skip_bad: Whether image files may be damaged. They are counted and named, and have no
            prediction. By default they are an error.

    Returns:
        `run`, `top`, `predictions`, `unreadable` (`image` and `reason` of each image without a
        prediction), and the paths `csv` and `figure`. A prediction has `image`, `label`,
        `probabilities` by class name (most probable first) and `unfamiliar`. Probabilities are
        calibrated on the run's validation images. With `coverage`, a prediction also has `set`
        and `uncertain`, and the result has `coverage` and `calibration` (`images`, `groups`,
        `coverage_interval`, `thresholds` by class name). Without, the latter two are None.

    Raises:
        InputError: The run is not finished, an image cannot be read, an array is not uint8, an
            output would replace an input, or the run has too few validation images for `coverage`.
            Then nothing is written.
    """
    from headstart import deploy
    from headstart.report import DEFAULT_TOP, MAX_IMAGES, check_figure_path, draw_predictions

    _check_top(top)
    if figure is not None:
        check_figure_path(Path(figure))
    located = _find_model(run)

    given = InputImages.of(images)
    if csv is not None:
        deploy.check_csv_output(Path(csv), given.sources, "--csv")
    if figure is not None:
        deploy.check_output(Path(figure), given.sources, "--figure")

    model = _open_model(located)
    calibration = None
    if coverage is not None:
        folder = located if isinstance(located, Path) else None
        calibration = deploy.calibrate_sets(model, folder, coverage)

    predictions, errors = given.predict(model, skip_bad=skip_bad)
    failures = [(given.names[row], str(error)) for row, error in errors.items()]
    if failures:
        _say_what_is_left_out(failures, len(given.names))
        given = given.without(errors)

    entries = cast("list[Prediction]", predictions.as_json(given.names, top))
    sets = None
    if calibration is not None:
        sets = calibration.describe(predictions)
        entries = [{**entry, **row} for entry, row in zip(entries, sets, strict=True)]

    if csv is not None:
        with store.named_by("--csv"):
            deploy.write_predictions(
                Path(csv), predictions, given.names, sets=sets, safe_cells=safe_cells
            )
    if figure is not None:
        drawn = given.first(MAX_IMAGES, model)
        with store.named_by("--figure"):
            draw_predictions(Path(figure), entries[:MAX_IMAGES], drawn, top or DEFAULT_TOP)
    return {
        "run": _run_name(located),
        "top": top or DEFAULT_TOP,
        "coverage": coverage,
        "calibration": None if calibration is None else calibration.as_json(),
        "predictions": entries,
        "unreadable": [{"image": name, "reason": reason} for name, reason in failures],
        "csv": None if csv is None else str(csv),
        "figure": None if figure is None else str(figure),
    }


def explain(
    run: str | Path,
    image: str | Path | bytes,
    *,
    against: str | Path | Sequence[str | Path] = (),
    label: str | None = None,
    out: str | Path | None = None,
) -> ExplainResult:
    """Show which pixels a prediction depends on: Grad-CAM and occlusion, one row per classifier.

    Args:
        run: Folder of a finished run, or of a study for its best run.
        image: An image file, or its content; "-" for standard input.
        against: Further runs, which are drawn below.
        label: The class to explain. By default each classifier explains its own prediction.
        out: The figure, a PNG file. By default `explanation-IMAGE.png` in the current folder.

    Returns:
        What `headstart explain --json` prints: `image`, `figure` and `explanations`. An explanation
        has `run`, `model`, `label`, `probability`, `predicted`, `grad_cam` (null for a network
        without feature maps) and `occlusion`. The latter two have `values` by rows and their
        `unit`.

    Raises:
        InputError: The run is not finished, or there is no such image or class.
        ResourceError: Captum is not installed, or the disk is full.
    """
    from headstart import deploy

    paths = [run, *([against] if isinstance(against, str | Path) else against)]
    names, sources = deploy.named_sources([image])
    if len(sources) != 1:
        raise InputError(
            f"expected one image, got {len(sources)} images in {image!s}.", "Pass one image file."
        )
    path = _explanation_path(out, names[0])
    deploy.check_output(path, sources, "--out")

    folders = [_find_run(path) for path in paths]
    from headstart.classifier import BaseClassifier
    from headstart.report import write_explanation

    rows = []
    explanations = []
    with progress.task("explaining", len(folders), "classifiers") as task:
        for folder in folders:
            classifier = deploy.open_model(folder)
            if not isinstance(classifier, BaseClassifier):
                raise InputError(
                    f"{folder} is not a run folder, which an explanation needs.",
                    "List the runs with: headstart runs",
                )
            pixels = deploy.open_images(sources, names, classifier)[0]
            explanation = deploy.explain(classifier, pixels, label)
            model = classifier.model_name
            rows.append((f"{model} · {folder.name}", pixels, explanation))
            explanations.append({"run": str(folder), "model": model, **explanation.as_json()})
            task.advance()
    figure = write_explanation(path, rows)
    return {"image": names[0], "figure": str(figure), "explanations": explanations}


def submit(
    run: str | Path | Model,
    test: str | Path,
    *,
    out: str | Path = "submission.csv",
    sample: str | Path | None = None,
    probability_of: str | None = None,
    path_column: str | None = None,
    safe_cells: bool = False,
    skip_bad: bool = False,
) -> SubmitResult:
    """Write a competition's submission for its test images. See `headstart.deploy.submit`.

    Args:
        run: A run folder, the folder of a study for its best run, an exported `.onnx` file, or an
            open model.
        test: A pixel CSV, a CSV with a column of image paths, or a folder of images.
        out: The CSV to write: ImageId,Label, or the columns of `sample`. An earlier file of the
            same name is kept under another name.
        sample: The competition's sample submission, which may be in an archive.
        probability_of: The class whose probability is written, if the sample asks for one
            probability and does not name the class.
        path_column: The column of image paths in a table of test images, if its name is unusual.
        safe_cells: Whether cells that a spreadsheet would evaluate get an apostrophe.
        skip_bad: Whether images may be damaged. They are counted and named. A competition requires
            their rows, which have the mean probabilities of the others.

    Returns:
        `run`, `submission` (a path), `rows`, `columns`, `probability_of`, `labels` (images per
        predicted class), `unfamiliar` (the number of out-of-distribution images, or None), and
        `unreadable` (`image` and `reason` of each damaged image).

    Raises:
        InputError: The run is not finished, a table or an image cannot be read, ids and rows do not
            match, or the submission would replace an input. Then nothing is written.
    """
    from headstart import deploy

    located = _find_model(run)
    written = deploy.submit(
        _open_model(located),
        deploy.CompetitionImages(Path(test), path_column, skip_bad),
        Path(out),
        None if sample is None else Path(sample),
        probability_of=probability_of,
        safe_cells=safe_cells,
    )
    return cast("SubmitResult", {"run": _run_name(located), **written})


def export(
    run: str | Path,
    *,
    data: Data | None = None,
    out: str | Path | None = None,
    form: str = "onnx",
    int8: bool = False,
    page: bool = False,
    runtime: str | Path | None = None,
) -> ExportResult:
    """Write a run's classifier as one file for other programs. See `headstart.deploy.export`.

    Args:
        run: Folder of a finished run, or of a study for its best run.
        data: The dataset of the run, where its source cannot be opened again. The exported file is
            compared with the run on validation images.
        out: The file. By default `model.onnx`, `model.pt2` or `model.html` in the run folder.
        form: onnx or torch.
        int8: Whether to write an 8-bit ONNX file as well.
        page: Whether to write a web page that classifies in the browser, instead of an ONNX file.
        runtime: For a page, ONNX Runtime Web as the archive of `npm pack` or as a folder. By
            default it is fetched from the npm registry of this machine, once.

    Returns:
        `run`, the paths `onnx`, `torch` and `page` (None for those not written), `bytes`, `parity`
        with the run, and `int8` (accuracy, size and speed of the 8-bit file, or None).

    Raises:
        InputError: The run is not finished, its data have changed, or options contradict each
            other.
        RunFailed: The file does not reproduce the run. Then nothing is written.
        ResourceError: A package is missing, or ONNX Runtime Web cannot be fetched.
    """
    from headstart import deploy

    if runtime is not None and not page:
        raise InputError("--runtime is for a page.", "Add --page, or leave out --runtime.")
    file_form = _file_form(form, int8=int8, page=page)
    suffix = _SUFFIXES[file_form]
    folder = deploy.resolve_run(run)
    path = folder / f"model{suffix}" if out is None else Path(out)
    if path.suffix.lower() != suffix:
        raise InputError(
            f"invalid --out: expected a name that ends in {suffix}, got {path.name}.",
            f"Write it as -o model{suffix}.",
        )
    deploy.check_export(path, "--out")
    deploy.need_classifier(folder)
    from headstart.api._runs import reopen_run

    _, opened = reopen_run(folder, data)
    written = deploy.export(
        folder,
        opened,
        path,
        file_form,
        int8=int8,
        runtime=None if runtime is None else Path(runtime),
    )
    return cast("ExportResult", written)


def serve(
    run: str | Path,
    *,
    port: int = 8000,
    host: str = "127.0.0.1",
    allow_hosts: Sequence[str] = (),
    as_json: bool = False,
) -> None:
    """Serve a run until SIGINT or SIGTERM.

    The server has a page at `/`, and `POST /predict`, `POST /explain` and `GET /model` for
    programs.

    Args:
        run: Folder of a finished run, or of a study for its best run, or an exported `.onnx` file,
            which has no explanations.
        port: Port to listen on; 0 for any free one.
        host: Address to listen on. Beyond loopback, clients need a token: HEADSTART_TOKEN, or one
            that is generated and printed.
        allow_hosts: Further names by which clients address the server. With any, clients need a
            token as well.
        as_json: Whether to print the address as one JSON object.

    Raises:
        Stopped: A signal stopped the server, which is how it ends.
        InputError: The run is not finished, or the address does not exist.
        ResourceError: FastAPI or Uvicorn is not installed, or the port is in use.
    """
    from headstart import deploy

    folder = _find_run(run)
    try:
        serve_run = deploy.serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in (
            "fastapi",
            "httptools",
            "starlette",
            "uvicorn",
        ):
            raise
        raise ResourceError(
            "the server needs FastAPI and Uvicorn, which are not installed.",
            "pip install 'headstart[serve]'",
        ) from error
    serve_run(
        folder,
        host=host,
        port=port,
        allow_hosts=tuple(allow_hosts),
        as_json=as_json,
    )


def _say_what_is_left_out(failures: Sequence[tuple[str, str]], images: int) -> None:
    from headstart.data import list_failures

    progress.say(
        f"left out {len(failures):,} of {images:,} images, which cannot be "
        f"read:{list_failures(failures)}"
    )


def _file_form(form: str, *, int8: bool, page: bool) -> Form:
    """Return the form of the file to export.

    Raises:
        InputError: The form is unknown, or the options contradict each other.
    """
    if form not in ("onnx", "torch"):
        raise InputError(
            f"invalid --format: expected onnx or torch, got '{form}'.",
            suggest_name(form, ("onnx", "torch")),
        )
    if int8 and form != "onnx":
        raise InputError(
            "--int8 writes an ONNX file, but --format is torch.", "Leave one of the two out."
        )
    if page and (int8 or form != "onnx"):
        other = "--int8" if int8 else "--format torch"
        raise InputError(
            f"--page and {other} write different files.", "Run the command once for each."
        )
    return "page" if page else cast("Form", form)


def _check_top(top: int | None) -> None:
    if top is not None and (isinstance(top, bool) or not isinstance(top, int) or top < 1):
        raise InputError(
            f"invalid --top: expected a number of classes from 1, got {top!r}.",
            "Write it as --top 3.",
        )


def _find_run(run: str | Path) -> Path:
    """Return the folder or file of a model, without opening it.

    Raises:
        InputError: There is no finished run or exported file.
    """
    from headstart import deploy

    folder = deploy.resolve_run(run)
    deploy.need_model(folder)
    return folder


def _find_model(run: str | Path | Model) -> Path | Model:
    return _find_run(run) if isinstance(run, str | Path) else run


def _open_model(located: Path | Model) -> Model:
    from headstart import deploy

    return deploy.open_model(located) if isinstance(located, Path) else located


def _run_name(located: Path | Model) -> str | None:
    """Return the path of a run as text; None for a model that is open already."""
    return str(located) if isinstance(located, Path) else None


def _explanation_path(out: str | Path | None, image: str) -> Path:
    if out is None:
        stem = re.sub(r"[^\w.-]+", "-", Path(image).stem)
        return Path(f"explanation-{stem}.png")
    path = Path(out)
    if path.suffix.lower() != ".png":
        raise InputError(
            f"invalid --out: expected a .png file, got '{out}'.", "Write it as -o explanation.png."
        )
    return path
