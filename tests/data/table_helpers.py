"""Small tables and images that the tests of tables share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from headstart import progress
from headstart.data import Dataset, load
from headstart.errors import InputError


def write_images(folder: Path, names: Iterable[str]) -> None:
    """Write an image of 4x4 pixels, different from all others, for each path."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)


def write_table(path: Path, *lines: str) -> Path:
    """Write a table in UTF-8 with one line for each text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("\n".join(lines) + "\n").encode())
    return path


def error_of(source: Any, **options: Any) -> str:
    """Return the text of the InputError that `load` raises."""
    with pytest.raises(InputError) as caught:
        load(source, **options)
    return str(caught.value)


def labels_of(data: Dataset) -> dict[str, str]:
    """Return the class name of each image by its name."""
    return {
        name: data.class_names[label]
        for name, label in zip(data.image_names, data.labels.tolist(), strict=True)
    }


def load_and_listen(
    capsys: pytest.CaptureFixture[str], source: Any, **options: Any
) -> tuple[Dataset, str]:
    """Return a dataset and the lines that were printed on stderr while it was loaded."""
    progress.show_progress(True)
    capsys.readouterr()
    try:
        data = load(source, **options)
    finally:
        progress.show_progress(False)
    return data, capsys.readouterr().err
