"""Write the pages of `docs/commands/`: the options of each command, and one example that was run.

python docs/command_pages.py            write the options again, and keep the output of examples
python docs/command_pages.py --check    fail if a page differs from the command's own help
python docs/command_pages.py --run      run the examples too, and keep their pictures; a few minutes
python docs/command_pages.py --run fit  run only those named
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

import typer.main

from headstart.cli import app

DOCS = Path(__file__).resolve().parent  # examples run in another folder
FOLDER, IMAGES = DOCS / "commands", DOCS / "images"
EXAMPLES = DOCS / "command_examples.toml"
OUTPUT = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HIDDEN_OPTIONS = {"help"}
COMMANDS = vars(typer.main.get_command(app))["commands"]
# An option inside a description, with the command before it and the value after it.
OPTION = re.compile(
    rf"(?<![\w`-])(headstart )?(({'|'.join(COMMANDS)}) )?--[a-z][\w-]*( (auto|none|\d[\w.]*)\b)?"
)


def main() -> int:
    """Write or check the pages, and return the exit status."""
    examples = tomllib.loads(EXAMPLES.read_text(encoding="utf-8"))
    pages = {name: FOLDER / f"{name}.md" for name in COMMANDS}
    if "--run" in sys.argv:
        names = sys.argv[sys.argv.index("--run") + 1 :] or list(examples)
        for name, output in run_examples({name: examples[name] for name in names}):
            text = page(name, COMMANDS[name], examples[name], output)
            pages[name].write_text(text, encoding="utf-8")

    texts = {
        name: page(name, COMMANDS[name], examples[name], kept_output(path))
        for name, path in pages.items()
    }
    stale = [name for name, path in pages.items() if content(path) != texts[name]]
    if stale and "--check" in sys.argv:
        print(f"not up to date: {', '.join(stale)}. Run: python docs/command_pages.py")
        return 1
    for name in stale:
        pages[name].write_text(texts[name], encoding="utf-8")
    return 0


def content(path: Path) -> str:
    """Return the text of a page; empty if there is none."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


def page(name: str, command: Any, example: dict[str, Any], output: str) -> str:
    """Return the page of a command.

    Args:
        name: The command, such as train.
        command: The Click command, or the group of commands.
        example: The entry of `command_examples.toml`.
        output: What the example printed; may be empty.
    """
    summary, *details = help_paragraphs(command)
    parts = [f"# headstart {name}", summary, *details, "## Example"]
    if example.get("before"):
        parts.append(example["before"].strip())
    parts.append(f"```\n{example['command']}\n```")
    if output:
        parts.append(f"```text\n{output.rstrip()}\n```")
    if example.get("picture"):
        parts.append(f"![{example['picture_text']}](../images/{picture_name(name)})")
    if example.get("after"):
        parts.append(example["after"].strip())
    for title, one_command in with_subcommands(name, command):
        parts += options_part(title, one_command)
    parts.append(f"## See also\n\n{example['see'].strip()}")
    return "\n\n".join(parts) + "\n"


def help_paragraphs(command: Any) -> list[str]:
    """Return the paragraphs of a command's help, wrapped, without its example."""
    paragraphs = re.split(r"\n\s*\n", command.help.strip())
    texts = [" ".join(paragraph.split()) for paragraph in paragraphs]
    return [wrap(text) for text in texts if not text.startswith("Example:")]


def with_subcommands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield the command, or the commands of a group, each with its title."""
    subcommands = getattr(command, "commands", None)
    if not subcommands:
        yield "Arguments and options", command
        return
    for subcommand_name, subcommand in subcommands.items():
        yield f"headstart {name} {subcommand_name}", subcommand


def options_part(title: str, command: Any) -> Iterator[str]:
    """Yield the title and the tables of the options of a command, one per panel."""
    yield f"## {title}"
    panels: dict[str, list[str]] = {}
    for parameter in command.params:
        if parameter.name in HIDDEN_OPTIONS:
            continue
        panel = getattr(parameter, "rich_help_panel", None) or ""
        panels.setdefault(panel, []).append(row(parameter))
    for panel, rows in panels.items():
        if panel:
            yield f"### {panel}"
        yield "\n".join(["| option | meaning | default |", "|---|---|---|", *rows])


def row(parameter: Any) -> str:
    """Return the row of an option or argument."""
    names = [*parameter.opts, *parameter.secondary_opts]
    if parameter.param_type_name == "argument":
        names = [parameter.metavar or parameter.name.upper()]
    words = ", ".join(f"`{name}`" for name in names)
    default = parameter.default
    is_shown = isinstance(default, int | float | str) and not isinstance(default, bool)
    is_shown = is_shown and default != ""
    text = " ".join((getattr(parameter, "help", None) or "").split()).replace("|", "\\|")
    return f"| {words} | {options_as_code(text)} | {f'`{plain(default)}`' if is_shown else ''} |"


def options_as_code(text: str) -> str:
    """Return a description with its options as code, so that lines do not break inside them."""
    return OPTION.sub(r"`\g<0>`", text)


def plain(value: Any) -> str:
    """Return a default value as one types it."""
    return str(getattr(value, "value", value))


def wrap(text: str) -> str:
    """Return a paragraph in lines of at most 100 columns."""
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def picture_name(name: str) -> str:
    """Return the name of the picture of an example."""
    return f"command-{name}.png"


def kept_output(path: Path) -> str:
    """Return the output of the example in a page that exists."""
    kept = OUTPUT.search(content(path))
    return "" if kept is None else kept[1]


def run_examples(examples: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Run the examples in a new folder, in the order of the file, and yield their outputs."""
    os.environ.pop("HEADSTART_DATA", None)
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"COLUMNS": "80", "HOME": home, "XDG_CACHE_HOME": f"{home}/.cache"}
        work = Path(home, "work")
        work.mkdir()
        os.chdir(work)
        make_pictures()
        for name, example in examples.items():
            if example.get("is_run", True):
                yield name, output_of(example["command"]).replace(home, "~")
            if example.get("picture"):
                shutil.copyfile(example["picture"], IMAGES / picture_name(name))


def output_of(command: str) -> str:
    """Return what a command prints on stdout. Progress goes to stderr, as always."""
    _, *words = shlex.split(command.replace("\\\n", " "))
    print(f"$ {command}", file=sys.stderr)
    with redirect_stdout(io.StringIO()) as stdout, suppress(typer.Exit):
        app(words, standalone_mode=False)
    lines = [line.rstrip() for line in stdout.getvalue().splitlines()]
    return "\n".join(lines).strip("\n")


def make_pictures() -> None:
    """Write the files that examples read: seven.png, and test.csv with twenty digits."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    pixels = (load_digits().images * 255 / 16).astype(np.uint8)
    Image.fromarray(pixels[7]).save("seven.png")
    header = ",".join(f"pixel{column}" for column in range(64))
    rows = pixels[:20].reshape(20, 64)
    np.savetxt("test.csv", rows, fmt="%d", delimiter=",", header=header, comments="")


if __name__ == "__main__":
    sys.exit(main())
