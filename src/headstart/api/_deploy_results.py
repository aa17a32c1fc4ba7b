"""The results of predict, explain, submit and export: what the commands print with `--json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict


class Prediction(TypedDict):
    """The prediction for one image.

    Attributes:
        image: Name of the image.
        label: The predicted class: the most probable one, or with costs the cheapest one.
        probabilities: Calibrated probabilities by class name, most probable first.
        unfamiliar: Whether the image is out-of-distribution; None if that is unknown.
        set: The classes that contain the true one with the coverage asked for.
        uncertain: Whether the set has several classes, or the image is out-of-distribution.
    """

    image: str
    label: str
    probabilities: dict[str, float]
    unfamiliar: bool | None
    set: NotRequired[list[str]]
    uncertain: NotRequired[bool]


class UnreadableFile(TypedDict):
    """An image file without a prediction.

    Attributes:
        image: Name of the image.
        reason: What is wrong with the file.
    """

    image: str
    reason: str


class PredictResult(TypedDict):
    """The result of `headstart.predict`.

    Attributes:
        run: The run or file that predicted; None for an open model.
        top: Number of classes in table and figure.
        coverage: The coverage of the sets; None without sets.
        calibration: Images, groups and thresholds by which the sets were calibrated.
        predictions: One entry per image.
        unreadable: Images that `skip_bad` left out.
        csv: Path of the table; None without one.
        figure: Path of the figure; None without one.
    """

    run: str | None
    top: int
    coverage: float | None
    calibration: Mapping[str, Any] | None
    predictions: list[Prediction]
    unreadable: list[UnreadableFile]
    csv: str | None
    figure: str | None


class ExplainResult(TypedDict):
    """The result of `headstart.explain`.

    Attributes:
        image: Name of the image.
        figure: Path of the figure.
        explanations: `run`, `model`, `label`, `probability`, `predicted`, `grad_cam` and
            `occlusion` of each classifier.
    """

    image: str
    figure: str
    explanations: Sequence[Mapping[str, Any]]


class SubmitResult(TypedDict):
    """The result of `headstart.submit`.

    Attributes:
        run: The run or file that predicted; None for an open model.
        submission: Path of the submission.
        rows: Number of its rows.
        columns: Names of its columns.
        probability_of: The class whose probability it holds; None if it holds classes.
        labels: Number of images by predicted class, most frequent first.
        unfamiliar: Number of images that are out-of-distribution; None if that is unknown.
        unreadable: Images that cannot be read. Their rows have the mean probabilities of the
            others.
    """

    run: str | None
    submission: str
    rows: int
    columns: list[str]
    probability_of: str | None
    labels: dict[str, int]
    unfamiliar: int | None
    unreadable: list[UnreadableFile]


class Parity(TypedDict):
    """How far an exported file agrees with its run.

    Attributes:
        top1_agreement: Share of images with the same class.
        max_difference: Largest difference of a probability.
        max_familiarity_difference: Largest difference of an energy score.
        n: Number of images.
        part: The part of the split that they belong to.
    """

    top1_agreement: float
    max_difference: float
    max_familiarity_difference: float
    n: int
    part: str


class ExportResult(TypedDict):
    """The result of `headstart.export`.

    Attributes:
        run: The run.
        onnx: Path of the ONNX file, or None.
        torch: Path of the torch program, or None.
        page: Path of the web page, or None.
        bytes: Size of the file.
        parity: Agreement with the run.
        int8: Accuracy, size and speed of the 8-bit file; None without one.
    """

    run: str
    onnx: str | None
    torch: str | None
    page: str | None
    bytes: int
    parity: Parity
    int8: Mapping[str, Any] | None
