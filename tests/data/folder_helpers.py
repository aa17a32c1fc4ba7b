"""Folders of small images that the tests of folders share."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import Image

from headstart.data import load
from headstart.errors import InputError


def fill(root: Path, names: Iterable[str]) -> Path:
    """Write images of different colours under these names, in a shuffled order."""
    shuffled = sorted(names)
    random.Random(5).shuffle(shuffled)
    for number, name in enumerate(shuffled):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number * 7 % 256, 90, 200)).save(path)
    return root


def write(root: Path, *names: str) -> Path:
    """Write small files that are not images under these names."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    return root


def fails(source: Path, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        load(source, **options)  # type: ignore[arg-type]  # options differ from test to test
    return str(caught.value)
