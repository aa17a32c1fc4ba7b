"""The tutorials: their code runs in a small form, and they hold the output of a full one."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"
# Values for the cell of parameters, with which a tutorial takes seconds and needs no download.
SMALL: dict[str, dict[str, Any]] = {
    "digits": {"DATA": "digits", "TRAIN_IMAGES": 200, "EPOCHS": 1, "TRIALS": 2},
    "fashion-mnist": {
        "DATA": "digits",
        "MODEL": "cnn-fashion-small",
        "TRAIN_IMAGES": 100,
        "EPOCHS": 1,
    },
    "photographs": {"DATA": "digits", "IMAGES": 300, "TIME_LIMIT": None, "EPOCHS": 1},
}
DISPLAYS = ("_repr_html_", "_repr_png_")

each_tutorial = pytest.mark.parametrize("name", sorted(SMALL))


@dataclass(frozen=True)
class Cell:
    """A code cell of a notebook.

    Attributes:
        source: Its code.
        tags: Its tags; the cell of parameters has "parameters".
        count: The number that the kernel gave to its execution; None if it was not executed.
        outputs: What it showed, as in the notebook file.
    """

    source: str
    tags: tuple[str, ...]
    count: int | None
    outputs: tuple[dict[str, Any], ...]


def code_cells(name: str) -> list[Cell]:
    """Return the code cells of a tutorial."""
    notebook = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    return [
        Cell(
            "".join(cell["source"]),
            tuple(cell["metadata"].get("tags", ())),
            cell["execution_count"],
            tuple(cell["outputs"]),
        )
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def test_every_tutorial_is_tested() -> None:
    assert sorted(SMALL) == sorted(path.stem for path in FOLDER.glob("*.ipynb"))


@pytest.mark.slow
@each_tutorial
def test_the_cells_of_a_tutorial_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for cell in code_cells(name):
        shown = run_cell(cell.source, names)
        if "parameters" in cell.tags:
            assert names.keys() >= SMALL[name].keys()
            names |= SMALL[name]
        displays = [getattr(shown, method) for method in DISPLAYS if hasattr(shown, method)]
        assert all(display() for display in displays), cell.source


@each_tutorial
def test_a_tutorial_was_run_from_top_to_bottom(name: str) -> None:
    cells = code_cells(name)
    assert [cell.count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        assert bool(cell.outputs) == shows_something(cell.source), cell.source
        assert not [output for output in cell.outputs if output["output_type"] == "error"]


@each_tutorial
def test_a_tutorial_is_small_and_names_no_folder_of_its_machine(name: str) -> None:
    text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    assert len(text) < 2_000_000
    assert not [folder for folder in ("/tmp", "/home", "/work", "/root") if folder + "/" in text]


def run_cell(source: str, names: dict[str, Any]) -> object:
    """Run the code of a cell, and return the value of its last line, as a notebook shows it."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if last is None:
        return None
    assert isinstance(last, ast.Expr)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def shows_something(source: str) -> bool:
    """Return whether a cell ends with a value, or prints."""
    return isinstance(ast.parse(source).body[-1], ast.Expr)
