"""The options that several verbs share, and the decorator that adds them to a verb."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any

import typer

from headstart.models.recipes import train_flags


class WhenSlow(StrEnum):
    """Ways to carry out a study on a machine that slows down."""

    shorten = "shorten"
    lengthen = "lengthen"


class Resize(StrEnum):
    """Ways to make images square."""

    pad = "pad"
    crop = "crop"
    squish = "squish"


_DATA, _OUTPUT, _TRAINING, _EXECUTOR = "Data", "Output", "Training", "Where runs execute"

_DATA_HELP = (
    "A named dataset (fashion-mnist, mnist, cifar10, digits), a folder of class folders, "
    "a pixel CSV or a CSV of path,label. An IDX folder, an .npz or Parquet file, a saved "
    "Hugging Face dataset, or a zip or tar archive work as well."
)
DataArgument = Annotated[str, typer.Argument(metavar="DATA", help=_DATA_HELP)]
FoldsOption = Annotated[
    str,
    typer.Option(
        "--folds",
        metavar="K|auto|none",
        help="Cross-validate with K folds: every image is tested once per repeat, and --seeds is "
        "the number of repeats. Without folds (none), there is one test part. With auto, 5 folds "
        "are used for most data of fewer than 1,000 images, but not with a test part, --test or "
        "--train-images.",
    ),
]
OptionalData = Annotated[str | None, typer.Argument(metavar="DATA", help=_DATA_HELP)]
ImageSize = Annotated[
    int | None,
    typer.Option(
        "--image-size",
        help="Size in pixels to which all images are resized.",
        rich_help_panel=_DATA,
    ),
]
ResizeOption = Annotated[
    Resize | None,
    typer.Option(
        "--resize",
        help="How to make images square: pad (the default, except in fit), crop or squish.",
        rich_help_panel=_DATA,
    ),
]
PixelMax = Annotated[
    float | None,
    typer.Option(
        "--pixel-max",
        help="Value of full brightness in a CSV, .npz or 16-bit images.",
        rich_help_panel=_DATA,
    ),
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        "--group-by",
        help="CSV column of groups, or 'inferred'; the split never divides a group.",
        rich_help_panel=_DATA,
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(
        "--label-column", metavar="NAME", help="CSV column of labels.", rich_help_panel=_DATA
    ),
]
PathColumn = Annotated[
    str | None,
    typer.Option(
        "--path-column", metavar="NAME", help="CSV column of image paths.", rich_help_panel=_DATA
    ),
]
SkipBad = Annotated[
    bool | None,
    typer.Option(
        "--skip-bad",
        help="Skip image files that cannot be decoded, and count them.",
        rich_help_panel=_DATA,
    ),
]
Plan = Annotated[
    str | None,
    typer.Option(
        "--plan",
        metavar="FILE",
        help="CSV from headstart audit --fix: images to drop or relabel.",
        rich_help_panel=_DATA,
    ),
]
Cache = Annotated[
    bool | None,
    typer.Option(
        "--cache/--no-cache",
        help="Whether to use decoded images from the cache. Default: --cache.",
        rich_help_panel=_DATA,
    ),
]
Validation = Annotated[
    float | None,
    typer.Option(
        "--validation",
        help="Fraction of validation images; 0 for none. Default: 0.15.",
        rich_help_panel=_DATA,
    ),
]
Test = Annotated[
    float | None,
    typer.Option(
        "--test",
        help="Fraction of test images; 0 for none. Default: the dataset's own test set, or 0.15.",
        rich_help_panel=_DATA,
    ),
]
EvaluateOn = Annotated[
    str | None,
    typer.Option(
        "--evaluate-on",
        metavar="PART",
        help="validation uses the dataset's own validation images, such as val/, as the test set. "
        "Default: test.",
        rich_help_panel=_DATA,
    ),
]
TrainImages = Annotated[
    int | None,
    typer.Option(
        "--train-images",
        help="Number of training images to use, stratified by class.",
        rich_help_panel=_DATA,
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
        help="Any key of the recipe or the network, such as momentum=0.9; repeatable.",
        rich_help_panel=_TRAINING,
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        help="mlp, cnn, cnn-fashion, cnn-fashion-small, cnn-scenes, efficientnet-lite0|1|2, "
        "inception-mixed7 or timm/NAME.",
    ),
]
Preset = Annotated[
    str,
    typer.Option(
        "--preset",
        help="How long to train: fast (seconds), balanced (a minute or two), or best (much "
        "longer).",
    ),
]
Seeds = Annotated[int, typer.Option("--seeds", help="Runs per recipe, with seeds 0, 1 and so on.")]
TimeLimit = Annotated[
    str | None,
    typer.Option(
        "--time-limit",
        metavar="TIME",
        help="Time for the whole study, such as 90s, 15m or 1h; a short one reduces what is tried.",
    ),
]
WhenSlowOption = Annotated[
    WhenSlow,
    typer.Option(
        "--when-slow",
        help="If the machine slows down: shorten keeps the time limit with fewer steps or seeds, "
        "lengthen keeps the plan and takes longer. All seeds of a recipe take the same steps.",
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        help="Worker processes on this machine, which share its cores.",
        rich_help_panel=_EXECUTOR,
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Address of a Ray cluster, or auto for one that is running.",
        rich_help_panel=_EXECUTOR,
    ),
]
Track = Annotated[
    str | None,
    typer.Option(
        "--track",
        help="Log each epoch to tensorboard, mlflow or wandb.",
        rich_help_panel=_OUTPUT,
    ),
]
Out = Annotated[
    str | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FOLDER",
        help="Folder for the results. Default: one under runs/.",
        rich_help_panel=_OUTPUT,
    ),
]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Folder of a finished run or study.")
]
SkipBadImages = Annotated[
    bool,
    typer.Option(
        "--skip-bad",
        help="Predict the other images if some cannot be decoded; those are counted and named.",
    ),
]
SafeCells = Annotated[
    bool,
    typer.Option(
        "--safe-cells",
        help="Put an apostrophe before CSV cells that a spreadsheet would evaluate as formulas.",
        rich_help_panel=_OUTPUT,
    ),
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON object on stdout; progress goes to stderr.",
        rich_help_panel=_OUTPUT,
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Do not print progress.", rich_help_panel=_OUTPUT)
]

Block = Callable[..., None] | Sequence[Parameter]


def recipe_options(*keys: str) -> list[Parameter]:
    """Return the command-line options of recipe keys, as the fields of the recipe describe them."""
    flags = train_flags()
    options = []
    for key in keys:
        flag = flags[key]
        option = typer.Option(None, flag.spelling, help=flag.help, rich_help_panel=flag.panel)
        kind = flag.type | None
        options.append(Parameter(key, Parameter.KEYWORD_ONLY, default=option, annotation=kind))
    return options


training_options: list[Parameter] = recipe_options("epochs", "batch", "metric")


def data_options(
    validation: Validation = None,
    test: Test = None,
    train_images: TrainImages = None,
    split_seed: SplitSeed = 0,
    image_size: ImageSize = None,
    resize: ResizeOption = None,
    pixel_max: PixelMax = None,
    group_by: GroupBy = None,
    label_column: LabelColumn = None,
    path_column: PathColumn = None,
    skip_bad: SkipBad = None,
    plan: Plan = None,
    cache: Cache = None,
    evaluate_on: EvaluateOn = None,
) -> None:
    """Declare how DATA is read and split."""


def executor_options(workers: Workers = 1, ray: Ray = None) -> None:
    """Declare where runs execute."""


def tracking_options(track: Track = None) -> None:
    """Declare the experiment tracker."""


def output_options(
    other: Settings = None, out: Out = None, as_json: AsJson = False, quiet: Quiet = False
) -> None:
    """Declare further recipe keys, and where results are written and printed."""


def with_options(*blocks: Block) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options of these blocks to a verb, after its own; it receives them as `**given`."""
    options: list[Parameter] = []
    for block in blocks:
        if callable(block):
            options += signature(block, eval_str=True).parameters.values()
        else:
            options += block

    def add_options(verb: Callable[..., None]) -> Callable[..., None]:
        *own, _ = signature(verb, eval_str=True).parameters.values()

        @wraps(verb)
        def command(**values: Any) -> None:
            verb(**values)

        in_order = [
            option.replace(kind=Parameter.POSITIONAL_OR_KEYWORD) for option in (*own, *options)
        ]
        vars(command)["__signature__"] = Signature(in_order)
        return command

    return add_options
