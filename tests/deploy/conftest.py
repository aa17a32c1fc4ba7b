"""What the tests of deployed models share: a small run, its server, and a digit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from serving import png_of, serving

import headstart


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dense net trained on the packaged digits."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        headstart.train("digits", model="mlp", epochs=8, out=folder)
    return folder


@pytest.fixture(scope="module")
def server(run: Path) -> Iterator[str]:
    """The address of a server."""
    with serving(run) as (_, printed):
        yield printed["url"]


@pytest.fixture(scope="module")
def digit(run: Path) -> tuple[bytes, str]:
    """A digit as PNG, and its predicted class."""
    with np.load(run / "gallery.npz") as gallery:
        image = gallery["images"][0][..., 0]
    return png_of(image), headstart.predict(run, png_of(image))["predictions"][0]["label"]
