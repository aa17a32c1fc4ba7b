"""Checks of the documentation: examples run, links and commands work, and prose is easy to read."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import typer
from PIL import Image
from sklearn.datasets import load_sample_images

import headstart
from headstart import cli

ROOT = Path(__file__).parents[1]
PACKAGE = Path(headstart.__file__).parent
PYTHON_PAGE = ROOT / "docs" / "python.md"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.ipynb")),
]
CODE_BLOCK = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
COMMAND = r"^(?:cat .*\| |torchrun .*--no-python )?(headstart [a-z].*)$"
MOST_COLUMNS = 100
MOST_WORDS = 30

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def test_the_examples_in_python_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = PYTHON_PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6

    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PYTHON_PAGE), "exec"), names)

    assert {"wrong", "finding", "search", "logits"} <= set(names)
    assert tuple(names["logits"].shape) == (4, 10)  # type: ignore[attr-defined]
    assert (tmp_path / "runs" / "mine" / "model.safetensors").exists()


@pytest.mark.parametrize("resize", ["pad", "crop", "squish"])
def test_the_onnx_example_resizes_as_predict_does(
    tmp_path: Path, resize: Literal["pad", "crop", "squish"]
) -> None:
    """A wide photograph, upright only after its EXIF, gets the probabilities of `predict`."""
    photographs = load_sample_images().images
    parts = [
        Image.fromarray(photographs[label]).crop((left, 0, left + 300, 427)).resize((24, 24))
        for label in (0, 1)
        for left in range(0, 340, 17)
    ]
    images = np.stack([np.asarray(part) for part in parts])
    data = headstart.load((images, np.repeat(["china", "flower"], 20)), resize=resize)
    run = headstart.train(data, model="mlp", epochs=5, out=tmp_path / "run")
    model = headstart.export(run.folder, data=data, out=tmp_path / "model.onnx")["onnx"]
    assert model is not None
    pictures = [tmp_path / "china.png", tmp_path / "china.jpg"]
    photograph = Image.fromarray(photographs[0]).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    for picture in pictures:
        photograph.save(picture, exif=exif)
    predictions = headstart.predict(model, [str(picture) for picture in pictures])["predictions"]

    text = (ROOT / "docs" / "use.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(# with_onnx_alone\.py\n.*?)```", text, re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(example, encoding="utf-8")
    # predict decodes a large JPEG at a reduced scale.
    for picture, prediction, tolerance in zip(pictures, predictions, (0.0006, 0.01), strict=True):
        words = [sys.executable, str(script), model, str(picture)]
        output = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        answers = dict(re.findall(r"^(china|flower) (.*)%$", output, re.MULTILINE))
        shares = {name: float(share) / 100 for name, share in answers.items()}
        assert shares == pytest.approx(prediction["probabilities"], abs=tolerance)


@each_page
def test_relative_links_lead_to_files_and_headings(page: Path) -> None:
    text = page_text(page)
    for path, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", text):
        if path.startswith(("http://", "https://")):
            continue
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name} links to {path}"
        if anchor:
            assert anchor in headings(target), f"{page.name} links to {path}#{anchor}"


@each_page
def test_commands_have_verbs_and_options_that_exist(page: Path) -> None:
    for command in commands(page_text(page)):
        verb, *words = command.split()[1:]
        assert verb in VERBS, command
        unknown = [word for word in words if is_option(word) and word not in VERBS[verb]]
        assert not unknown, f"{command}: {unknown}"


@each_page
def test_prose_is_wrapped(page: Path) -> None:
    prose = CODE_BLOCK.sub("", page_text(page))
    too_long = [
        line
        for line in prose.splitlines()
        if len(line) > MOST_COLUMNS and not line.startswith(("|", "!")) and " " in line
    ]
    assert not too_long


@each_page
def test_sentences_are_short(page: Path) -> None:
    text = page_text(page)
    too_long = [sentence for sentence in sentences(text) if len(sentence.split()) > MOST_WORDS]
    assert not too_long


def test_every_path_in_the_architecture_exists() -> None:
    paths = {word for word in code_words(ARCHITECTURE) if is_path(word)}
    assert len(paths) > 80
    missing = [path for path in paths if not (PACKAGE / path).exists() | (ROOT / path).exists()]
    assert not missing


def test_every_test_in_the_architecture_exists() -> None:
    names = {word for word in code_words(ARCHITECTURE) if word.startswith("test_")}
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    assert names
    assert not [name for name in names if f"def {name}(" not in "\n".join(sources)]


def test_the_architecture_lists_the_subpackages_from_the_highest_to_the_lowest() -> None:
    """Subpackages in the same layer of pyproject.toml may have any order."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    subpackages = [layer for layer in layers if (PACKAGE / layer).is_dir()]
    text = ARCHITECTURE.read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE) == subpackages

    modules = {name for layer in layers for name in layer.split(" | ")} - set(subpackages)
    assert modules == set(re.findall(r"`(\w+)\.py`", " ".join(module_rows(text))))


def page_text(page: Path) -> str:
    """Return the Markdown of a page, or the text cells of a notebook."""
    text = page.read_text(encoding="utf-8")
    if page.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] != "code")


def module_rows(text: str) -> list[str]:
    """Return the first cells of the rows of the table of subpackages that name modules."""
    return re.findall(r"^\| (`\w+\.py`[^|]*) \|", text, re.MULTILINE)


def code_words(page: Path) -> list[str]:
    """Return the texts of a page in backquotes that are one word."""
    prose = CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))
    return re.findall(r"`([^`\s]+)`", prose)


def is_path(word: str) -> bool:
    """Return whether a word is a path of the repository, and not a file that a run writes."""
    return "/" in word or word.endswith((".py", ".pyi", ".j2", ".toml"))


def headings(page: Path) -> set[str]:
    """Return the anchors that a Markdown page gives its headings."""
    prose = CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def commands(text: str) -> Iterator[str]:
    """Yield the `headstart` commands of a page, in code blocks and in the text."""
    text = text.replace("\\\n", " ")
    for block in CODE_BLOCK.findall(text):
        for command in re.findall(COMMAND, block, re.MULTILINE):
            yield re.sub(r" +#.*", "", command)
    yield from re.findall(r"`(headstart [a-z][^`]*)`", CODE_BLOCK.sub("", text))


def is_option(word: str) -> bool:
    """Return whether a word of a command is an option, and not a number or standard input."""
    return re.fullmatch(r"-[a-z]|--[a-z].*", word) is not None


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a page, without code. Each table cell is a text of its own."""
    prose = CODE_BLOCK.sub("", text)
    prose = re.sub(r"`[^`]*`", "CODE", prose)
    prose = re.sub(r"\]\([^)]*\)", "]", prose)
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )|\n(?=#)|^#.*$|\|", prose):
        yield from re.split(r"(?<=[.!?:;])\s+(?=[A-Z*\[(])", " ".join(block.split()))


def options_of_verbs() -> dict[str, set[str]]:
    """Return the options that each verb of the command line accepts."""
    for module in pkgutil.iter_modules(cli.__path__):
        importlib.import_module(f"headstart.cli.{module.name}")
    options: dict[str, set[str]] = {}
    for verb, command in typer.main.get_command(cli.app).commands.items():  # type: ignore[attr-defined]
        options[verb] = {"--help"}
        for parameter in command.params:
            options[verb].update(parameter.opts, parameter.secondary_opts)
    return options


VERBS = options_of_verbs()
