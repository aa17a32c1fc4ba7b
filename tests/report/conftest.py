"""A study of trained models, which the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest

import headstart


@pytest.fixture(scope="session")
def trained_comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of two models of 100 digits, with two seeds. Its report has two contenders."""
    folder = tmp_path_factory.mktemp("trained") / "study"
    headstart.compare(
        "digits",
        models="mlp,mlp:fast",
        seeds=2,
        time_limit=None,
        epochs=1,
        train_images=100,
        folds="none",
        out=folder,
    )
    return folder
