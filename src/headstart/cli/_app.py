"""The application, its verbs, and the options that several verbs share."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import wraps
from importlib import import_module
from inspect import Signature, signature
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart import progress

if TYPE_CHECKING:
    from rich.console import RenderableType

app: typer.Typer = typer.Typer(
    name="headstart",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="How well does a plain CNN do on my images, and what is a pretrained head start worth?",
)

VERBS = (
    "train",
    "compare",
    "tune",
    "lr",
    "labels",
    "effects",
    "backbones",
    "predict",
    "explain",
    "submit",
    "export",
    "serve",
    "data",
    "runs",
    "report",
)


class Resize(StrEnum):
    """How images become squares."""

    pad = "pad"
    crop = "crop"
    squish = "squish"


_DATA, _OUTPUT, _TRAINING, _EXECUTOR = "Data", "Output", "Training", "Where runs execute"

_DATA_HELP = (
    "A named dataset (fashion-mnist, mnist, cifar10, digits), a folder of class folders, a pixel CSV, a CSV of path,label, "
    "an IDX folder, or an .npz file."
)
DataArgument = Annotated[str, typer.Argument(metavar="DATA", help=_DATA_HELP)]
OptionalData = Annotated[str | None, typer.Argument(metavar="DATA", help=_DATA_HELP)]
ImageSize = Annotated[
    int | None,
    typer.Option("--image-size", help="Side in pixels that all images get.", rich_help_panel=_DATA),
]
ResizeOption = Annotated[
    Resize, typer.Option("--resize", help="How other shapes become squares.", rich_help_panel=_DATA)
]
PixelMax = Annotated[
    float | None,
    typer.Option(
        "--pixel-max",
        help="Brightest value in a pixel CSV or .npz, if not 255.",
        rich_help_panel=_DATA,
    ),
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        "--group-by",
        help="CSV column whose groups stay together in the split.",
        rich_help_panel=_DATA,
    ),
]
Validation = Annotated[
    float | None,
    typer.Option(
        "--validation",
        help="Fraction for validation; 0 for none. Default: 0.15.",
        rich_help_panel=_DATA,
    ),
]
Test = Annotated[
    float | None,
    typer.Option(
        "--test",
        help="Fraction for the test; 0 for none. Default: the dataset's own test set, or 0.15.",
        rich_help_panel=_DATA,
    ),
]
TrainImages = Annotated[
    int | None,
    typer.Option(
        "--train-images", help="Train on this many images, stratified.", rich_help_panel=_DATA
    ),
]
SplitSeed = Annotated[
    int, typer.Option("--split-seed", help="Seed of the split.", rich_help_panel=_DATA)
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any other key of the recipe or the model; repeatable.",
        rich_help_panel=_TRAINING,
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        help="mlp, cnn, cnn-fashion, cnn-fashion-small, cnn-scenes, efficientnet-lite0|1|2, inception-mixed7 or timm/NAME.",
    ),
]
Preset = Annotated[
    str, typer.Option("--preset", help="fast (seconds), balanced, or best (as long as it pays).")
]
Seeds = Annotated[int, typer.Option("--seeds", help="Runs of each recipe, with seeds 0, 1, ….")]
TimeLimit = Annotated[
    str | None,
    typer.Option(
        "--time-limit",
        help="For everything, such as 90s, 15m, 1h; less is tried where time is short.",
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        help="Processes of this machine that share its cores.",
        rich_help_panel=_EXECUTOR,
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="A Ray cluster; auto: the one there is.",
        rich_help_panel=_EXECUTOR,
    ),
]
Epochs = Annotated[
    float | None,
    typer.Option("--epochs", help="Passes over the training images.", rich_help_panel=_TRAINING),
]
Batch = Annotated[
    int | None, typer.Option("--batch", help="Images a step.", rich_help_panel=_TRAINING)
]
Track = Annotated[
    str | None,
    typer.Option(
        "--track",
        help="Tell tensorboard, mlflow or wandb, epoch by epoch.",
        rich_help_panel=_OUTPUT,
    ),
]
Out = Annotated[
    str | None,
    typer.Option(
        "--out",
        "-o",
        help="Folder of the results; default: one under runs/.",
        rich_help_panel=_OUTPUT,
    ),
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Folder of a finished run.")]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON object on stdout; progress goes to stderr.",
        rich_help_panel=_OUTPUT,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.", rich_help_panel=_OUTPUT)]


def data_options(
    validation: Validation = None,
    test: Test = None,
    train_images: TrainImages = None,
    split_seed: SplitSeed = 0,
    image_size: ImageSize = None,
    resize: ResizeOption = Resize.pad,
    pixel_max: PixelMax = None,
    group_by: GroupBy = None,
) -> None:
    """How DATA is read and split."""


def training_options(epochs: Epochs = None, batch: Batch = None) -> None:
    """Of the recipe, what every study of runs can set."""


def executor_options(workers: Workers = 1, ray: Ray = None) -> None:
    """Where runs execute."""


def tracking_options(track: Track = None) -> None:
    """Who else is told."""


def output_options(
    other: Settings = None, out: Out = None, as_json: AsJson = False, quiet: Quiet = False
) -> None:
    """Any other key, and what becomes of the results."""


def shared(*blocks: Callable[..., None]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a verb the options of these blocks after its own; their values reach it as `**given`."""

    def wrap(verb: Callable[..., None]) -> Callable[..., None]:
        *own, _ = signature(verb, eval_str=True).parameters.values()
        more = [
            option
            for block in blocks
            for option in signature(block, eval_str=True).parameters.values()
        ]

        @wraps(verb)
        def command(**values: Any) -> None:
            verb(**values)

        vars(command)["__signature__"] = Signature([*own, *more])
        return command

    return wrap


def ask(study: str, data: str, given: dict[str, Any], **own: Any) -> None:
    """Call the study of this name in `headstart.api` and print what it found; to a person, where its report is too.

    Args:
        given: values of the shared options.
        own: values of the verb's own.
    """
    start(given.pop("quiet"))
    other, as_json, keys = (
        given.pop("other"),
        given.pop("as_json"),
        {**own, **given, "resize": given["resize"].value},
    )
    from headstart import api

    finding = getattr(api, study)(data, **keys, **settings(other, keys))
    show(finding, as_json, getattr(import_module("headstart.report"), f"{study}_table"))
    if not as_json:
        print(f"Report: {finding['report']}")


def show(result: Any, as_json: bool, draw: Callable[[Any], RenderableType]) -> None:
    """Print a result: as JSON, or as `draw` renders it. Of several processes under torchrun, the first one prints."""
    if os.environ.get("RANK", "0") != "0":
        return
    if as_json:
        json.dump(result, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
        print()
        return
    from rich.console import Console

    Console().print(draw(result))


def start(quiet: bool) -> None:
    """Every verb's first line: progress on or off."""
    progress.show_progress(not quiet)


def number(text: str | None) -> Any:
    """A number, or the text where it is none: "+10" stays as it is."""
    return text if text is None or text.startswith("+") else _value(text)


def settings(given: list[str] | None, taken: Iterable[str]) -> dict[str, Any]:
    """KEY=VALUE pairs; values are numbers, true, false, lists separated by commas, or words.

    Args:
        taken: keys that have an option of their own.
    """
    from headstart.errors import InputError

    found: dict[str, Any] = {}
    for pair in given or []:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise InputError(f"--set {pair}: wanted is KEY=VALUE.", "Example: --set momentum=0.9")
        key = key.strip().replace("-", "_")
        if key in taken:
            raise InputError(
                f"--set {pair}: {key} has an option of its own.", f"Use --{key.replace('_', '-')}."
            )
        found[key] = _value(text.strip())
    return found


def _value(text: str) -> Any:
    if "," in text:
        return [_value(part) for part in text.split(",")]
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


for _verb in VERBS:
    import_module(f"headstart.cli.{_verb}")
