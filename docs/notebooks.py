"""Execute the notebooks of `docs/tutorials/`, and keep what their cells show.

python docs/notebooks.py [NAME...]    execute all of them, or those named, such as digits

`make notebooks` installs what this needs. Datasets come from where `headstart data get` finds them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent / "tutorials"
CELL_SECONDS = 3600  # a cell that takes longer has gone wrong
CELL_KEYS = {"tags"}  # of the metadata that are kept


def main() -> None:
    """Execute notebooks in a new folder each, and write them again with their output."""
    for name in sys.argv[1:] or sorted(path.stem for path in FOLDER.glob("*.ipynb")):
        path = FOLDER / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            resources = {"metadata": {"path": folder}}
            NotebookClient(notebook, timeout=CELL_SECONDS, resources=resources).execute()
            clean(notebook, folder)
        nbformat.write(notebook, path)
        print(f"{path.name}: {time.monotonic() - start:.0f} s")


def clean(notebook: nbformat.NotebookNode, folder: str) -> None:
    """Remove times of execution, progress, and the path of the temporary folder."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        kept = {key: value for key, value in cell.metadata.items() if key in CELL_KEYS}
        cell.metadata = nbformat.from_dict(kept)
        if cell.cell_type != "code":
            continue
        cell.outputs = [output for output in cell.outputs if not is_progress(output)]
        for output in cell.outputs:
            clean_output(output, folder)


def clean_output(output: nbformat.NotebookNode, folder: str) -> None:
    """Remove the path of the temporary folder, and the text of what is shown as HTML."""
    data = output.get("data", {})
    if "text/html" in data:
        data.pop("text/plain", None)  # of a study it has hundreds of lines
    for mime in [mime for mime in data if mime.startswith("text/")]:
        data[mime] = data[mime].replace(f"{folder}/", "")


def is_progress(output: nbformat.NotebookNode) -> bool:
    """Return whether an output is progress, which a reader need not see."""
    return bool(output.get("name") == "stderr" or output.output_type == "display_data")


if __name__ == "__main__":
    main()
