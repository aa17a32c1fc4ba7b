"""The application, its verbs, and what all of them do: merge options, print a result."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from headstart import __version__, progress
from headstart.cli._next_command import print_next
from headstart.cli._verbs import Verbs
from headstart.formatting import printable, printable_json
from headstart.models.recipes import key_options

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
    help="How well does a plain CNN do on my images, and what is a pretrained network worth?",
    epilog="New here? Type: headstart fit digits --time-limit 2m. With photos of your own, one "
    "folder per class: headstart fit photos/. An example of each command: headstart COMMAND "
    "--help",
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"headstart {__version__}")
        raise typer.Exit


@app.callback()
def _version_option(
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
VERBS = tuple(chain.from_iterable(PANELS.values()))


# Arguments of every function of the api that are not among the keys of `with_settings`.
_ARGUMENTS = ("data", "out")


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
    output = pop_output_options(given)
    set_quiet(output.quiet)
    keys = with_settings({**own, **given}, output.settings)
    result = study(data, out=output.out, **keys)
    print_result(result, output.as_json, lambda printed: printed.table())
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


def pop_output_options(given: dict[str, Any]) -> Output:
    """Remove the values of `output_options` from the shared ones and return them.

    Of the values that remain, the way to resize becomes text.
    """
    output = Output(given.pop("other"), given.pop("out"), given.pop("as_json"), given.pop("quiet"))
    given["resize"] = given["resize"] and given["resize"].value
    return output


def print_result(result: Any, as_json: bool, draw: Callable[[Any], RenderableType]) -> None:
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


def set_quiet(quiet: bool) -> None:
    """Switch progress on or off, which is the first step of every verb."""
    progress.show_progress(not quiet)


def with_settings(keys: Mapping[str, Any], pairs: list[str] | None) -> dict[str, Any]:
    """Return keys and values together with those of `--set KEY=VALUE`.

    Args:
        keys: Values of the verb's options; None where an option is not given.
        pairs: Texts KEY=VALUE. Values are numbers, true, false, lists separated by commas, or
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
                "Pass DATA as an argument." if key == "data" else f"Use {flag}.",
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
