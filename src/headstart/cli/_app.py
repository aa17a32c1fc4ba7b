"""The application, its verbs, and the options that several verbs share."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import wraps
from importlib import import_module
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from headstart import __version__, progress
from headstart.cli._next_command import print_next
from headstart.cli._verbs import Verbs
from headstart.formatting import printable, printable_json
from headstart.models.recipes import key_options, train_flags

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderableType
    from rich.segment import Segment

    from headstart.api import StudyResult


app: typer.Typer = typer.Typer(
    name="headstart",
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="How well does a plain CNN do on my images, and what is a pretrained head start worth?",
    epilog="New here? Type: headstart fit digits --time-limit 2m. With photos of your own, one "
    "folder per class: headstart fit photos/. An example of each command: headstart COMMAND "
    "--help",
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"headstart {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None: ...


_START, _STUDY, _USE, _KEEP = (
    "Start here",
    "Train and compare",
    "Use a model",
    "Data, reports and repair",
)
# The verbs of each part of the help, in the order in which a user meets them.
PANELS = {
    _START: ("fit", "predict", "audit", "compare"),
    _STUDY: ("train", "tune", "lr", "labels", "effects", "backbones"),
    _USE: ("explain", "submit", "export", "serve"),
    _KEEP: ("data", "watch", "runs", "report", "verify", "doctor"),
}
VERBS = (
    "audit",
    "fit",
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
    "watch",
    "runs",
    "report",
    "verify",
    "doctor",
)


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
        "the number of repeats. none uses one test part. auto uses 5 folds for fewer than 1,000 "
        "images, unless they come with a test part, or --test or --train-images is given.",
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
    Resize,
    typer.Option(
        "--resize", help="How images of other shapes become square.", rich_help_panel=_DATA
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
        help="Leave out image files that cannot be decoded, and count them.",
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
        help="Whether decoded images may come from the cache. Default: --cache.",
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
Seeds = Annotated[int, typer.Option("--seeds", help="Runs per recipe, with seeds 0, 1, ....")]
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
SafeCells = Annotated[
    bool,
    typer.Option(
        "--safe-cells",
        help="Put an apostrophe before texts in CSV files that a spreadsheet would evaluate.",
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
    bool, typer.Option("--quiet", "-q", help="Print no progress.", rich_help_panel=_OUTPUT)
]


# Arguments of every function of the api that are not among the keys of `with_settings`.
_ARGUMENTS = ("data", "out")
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
    resize: ResizeOption = Resize.pad,
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


def shared(*blocks: Block) -> Callable[[Callable[..., None]], Callable[..., None]]:
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


def run_study(
    study: Callable[..., StudyResult[Any]],
    data: str,
    given: dict[str, Any],
    **own: Any,
) -> StudyResult[Any]:
    """Call a study function of the API, print its finding and return it.

    Args:
        study: The function, such as `headstart.api.compare`.
        data: The DATA argument.
        given: Values of the shared options.
        own: Values of the command's own options.
    """
    output = take_output(given)
    start(output.quiet)
    keys = with_settings({**own, **given}, output.settings)
    result = study(data, out=output.out, **keys)
    show(result, output.as_json, lambda printed: printed.table())
    if not output.as_json:
        from headstart.report import next_words

        print_next(*next_words(result.finding, data), is_silent=output.quiet)
        print(printable(f"Report: {result.finding.report}"))
        if "gate" in result:
            gate = result["gate"]
            print(printable(f"Gate: {gate['sentence']}\nSummary: {gate['summary']}"))
    return result


class Output(NamedTuple):
    """Values of `output_options`."""

    settings: list[str] | None
    out: str | None
    as_json: bool
    quiet: bool


def take_output(given: dict[str, Any]) -> Output:
    """Remove the values of `output_options` from the shared ones and return them.

    Of the values that remain, the way to resize becomes text.
    """
    output = Output(given.pop("other"), given.pop("out"), given.pop("as_json"), given.pop("quiet"))
    given["resize"] = given["resize"].value
    return output


def show(result: Any, as_json: bool, draw: Callable[[Any], RenderableType]) -> None:
    """Print a result as JSON, or as `draw` renders it.

    Of several processes under torchrun, only the first prints.
    """
    if os.environ.get("RANK", "0") != "0":
        return
    if as_json:
        is_ascii = not (sys.stdout.encoding or "").lower().startswith("utf")
        text = json.dumps(result, indent=2, ensure_ascii=is_ascii, allow_nan=False)
        print(printable_json(text))
        return
    from rich.console import Console

    class SafeConsole(Console):
        """Escapes control codes in the names that a table shows. Rich passes most of them on."""

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterator[Segment]:
            for segment in super().render(renderable, options):
                is_text = segment.control is None
                yield segment._replace(text=printable(segment.text)) if is_text else segment

    SafeConsole().print(draw(result))


def start(quiet: bool) -> None:
    """Switch progress on or off, which is the first step of every verb."""
    progress.show_progress(not quiet)


def with_settings(keys: Mapping[str, Any], pairs: list[str] | None) -> dict[str, Any]:
    """Return keys and values together with those of `--set KEY=VALUE`.

    Args:
        keys: values of the verb's options; None where an option is not given.
        pairs: texts KEY=VALUE. Values are numbers, true, false, lists separated by commas, or
            words.

    Raises:
        InputError: A text has no "=", its key is given twice, or only an option can give it.
    """
    from headstart.errors import InputError

    values = dict(keys)
    seen: set[str] = set()
    recipe_keys: Collection[str] = key_options()
    for pair in pairs or []:
        key, equals, text = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise InputError(
                f"invalid --set: expected KEY=VALUE, got {pair}.", "Example: --set momentum=0.9"
            )
        flag = f"--{key.replace('_', '-')}"
        is_argument = key in keys or key in _ARGUMENTS
        if is_argument and key not in recipe_keys:
            raise InputError(
                f"{key} is not a key of recipes, so --set cannot give it.",
                "Give DATA as an argument." if key == "data" else f"Use {flag}.",
            )
        if key in seen or keys.get(key) is not None:
            raise InputError(f"{key} has a value already.", f"Give it once, with {flag} or --set.")
        seen.add(key)
        values[key] = number_or_text(text.strip())
    return values


def number_or_text(text: str | None) -> Any:
    """Return the value of a text: a number, true, false, none, a list, or the text itself.

    A text that begins with "+", such as "+10" epochs, stays text.
    """
    if text is None or text.startswith("+"):
        return text
    if "," in text:
        return [number_or_text(part) for part in text.split(",")]
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _arrange_verbs() -> None:
    """Import the verbs, and assign each one to its part of the help."""
    for verb in VERBS:
        import_module(f"headstart.cli.{verb}")

    panels: dict[str, str] = {}
    for panel, verbs in PANELS.items():
        panels |= dict.fromkeys(verbs, panel)
    entries: list[Any] = [*app.registered_commands, *app.registered_groups]
    for entry in entries:
        entry.rich_help_panel = panels[_name(entry)]
    order = list(panels)
    app.registered_commands.sort(key=lambda entry: order.index(_name(entry)))


def _name(entry: Any) -> str:
    """Return the name of a registered verb or group of verbs."""
    return str(entry.name or entry.callback.__name__)


_arrange_verbs()
