"""Fixtures that all tests share. Every test has an empty cache of its own."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import progress
from headstart.data import TEST, TRAIN, Dataset, Split, fetch_named, load, make_split
from headstart.errors import ResourceError

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # test runs are small, and several processes run them side by side
pytest_plugins = ["postgres"]
# One cluster at a time: `auto` finds any cluster of this machine.
_USE_RAY = ("test_ray", "test_contract", "test_one_precision")
# Coverage is not measured while these and the slow tests run. Its tracer makes them take 40% more
# time, and other tests execute the same lines.
_NOT_MEASURED = ("test_every_page", "test_end_to_end", "test_docs", "test_golden")
# These take longest. They start first, so that none of them runs alone at the end.
_LONGEST = (
    *_USE_RAY, "test_local", "test_end_to_end", "test_every_page", "test_tune", "test_cli",
    "test_compare", "test_export", "test_docs", "test_serve", "test_serve_limits", "test_golden",
    "test_verify",
)  # fmt: skip
_USERS_CACHE = os.environ.get("XDG_CACHE_HOME")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start the longest tests first, and measure the coverage of the fast ones."""
    measures_coverage = config.pluginmanager.hasplugin("_cov")
    for item in items:
        is_slow = item.get_closest_marker("slow") is not None
        if measures_coverage and (is_slow or item.path.stem in _NOT_MEASURED):
            item.add_marker("no_cover")
    items.sort(key=lambda item: item.path.stem not in _LONGEST)


def pytest_collection_finish() -> None:
    """Spare the garbage collector the modules and tests, which stay until the end."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Run the tests of one file in one process, and all tests that use Ray in one.

    Markers of groups would do the same, but pytest-xdist 3.8 ignores them with pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class OneProcessPerFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            path = Path(nodeid.split("::")[0])
            return "ray" if path.stem in _USE_RAY else str(path)

    return OneProcessPerFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Let `os.fsync` only check its argument in the process of the tests.

    A small run calls it fifty times, and nothing but a power loss would show a difference. Tests of
    syncing replace it themselves, and the processes that tests start wait for the disk.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return new folders. `mktemp` would look through thousands of names for each."""
    root = tmp_path_factory.mktemp("caches")
    return (root / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def own_cache(caches: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache folder for this test."""
    folder = next(caches)
    folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture
def decoded_digits(own_cache: Path, digits_cache: Path) -> None:
    """Put the digits into the cache of this test.

    Decoding them imports scikit-learn, which takes a second in every process that a test starts.
    """
    shutil.copytree(digits_cache, own_cache, dirs_exist_ok=True)


@pytest.fixture
def same_precision(own_cache: Path) -> None:
    """Let processes that a test starts compute in the precision of the test's process."""
    from precision import keep_precision

    keep_precision()


@pytest.fixture(autouse=True)
def silence() -> object:
    """Turn progress off before each test, as in a library."""
    progress.show_progress(False)
    return None


@pytest.fixture
def page_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the figure files of reports, which take most of the time."""
    from headstart.report.pages import _render

    monkeypatch.setattr(_render, "_save_figures", lambda *_: None)


@pytest.fixture(scope="session")
def digits_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache folder that holds the decoded digits and nothing else."""
    folder = tmp_path_factory.mktemp("digits")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        load("digits")
    return folder


@pytest.fixture(scope="session")
def digits(digits_cache: Path) -> Dataset:
    """Return the 1,797 digits of 8x8 pixels, decoded once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(digits_cache))
        return load("digits")


@pytest.fixture(scope="session")
def digits_split(digits: Dataset) -> Split:
    """Return the default split: 70% train, 15% validation, 15% test."""
    return make_split(digits)


@pytest.fixture(scope="session")
def small(digits: Dataset) -> Split:
    """Return a split with 300 training images, for quick runs."""
    return make_split(digits, train_images=300)


@pytest.fixture
def subset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, int, int], Path]:
    """Return a function that writes the first images of a named dataset to an .npz file.

    The images come from the user's own cache or sources. Without either, the test is skipped.
    """

    def make(name: str, train_images: int, test_images: int) -> Path:
        with monkeypatch.context() as patch:
            if _USERS_CACHE is None:
                patch.delenv("XDG_CACHE_HOME")
            else:
                patch.setenv("XDG_CACHE_HOME", _USERS_CACHE)
            try:
                dataset = fetch_named(name)
            except ResourceError as error:
                pytest.skip(f"{name} cannot be had here: {error}")
        train = np.flatnonzero(dataset.parts == TRAIN)[:train_images]
        test = np.flatnonzero(dataset.parts == TEST)[:test_images]
        path = tmp_path / f"{name}-{train_images}.npz"
        np.savez(
            path,
            x_train=dataset.images[train],
            y_train=dataset.labels[train],
            x_test=dataset.images[test],
            y_test=dataset.labels[test],
        )
        return path

    return make


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def headstart(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    decoded_digits: None,
) -> Command:
    """Return a function that runs the command line in this process, in an empty folder.

    `headstart("train", "digits")` returns the exit status, stdout and stderr.
    """
    from headstart.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("headstart.cli.signals.end_on_signals", lambda _: nullcontext())

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["headstart", *map(str, words)])
        capsys.readouterr()
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        written = capsys.readouterr()
        return status, written.out, written.err

    return run


@pytest.fixture(scope="module")
def data(
    digits: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Dataset, Split]]:
    """Return the digits with 400 training images, for the tests of one file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield digits, make_split(digits, train_images=400)


@pytest.fixture(scope="session")
def trained_comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of two models of 100 digits, with two seeds. Its report has two contenders."""
    from headstart import compare

    folder = tmp_path_factory.mktemp("trained") / "study"
    compare(
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
