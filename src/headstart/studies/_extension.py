"""A finished study that is extended by more seeds or more time.

From then on until it is sealed again, it is a study that is not finished. Its earlier finding and
classifier wait in its folder, and return if the larger study fails or is stopped. After a kill that
cannot be handled, the study stays unfinished until the same command has finished it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headstart import store
from headstart.results import JsonObject
from headstart.signals import deferred_signals

# The finding of the earlier study while it is extended, and its classifier if it has one.
EARLIER_FINDING = "finding.previous.json"
_CLASSIFIER, _EARLIER_CLASSIFIER = "classifier", "classifier.previous"
# What else is restored.
_KEPT = ("study.json", "budget.json", "looks.json", "manifest.json")


@contextmanager
def reopened(folder: Path, identity: JsonObject) -> Iterator[None]:
    """Open a finished study for more seeds, or for more time. Its plan and its runs are kept.

    If the block fails before it has written another `finding.json`, the study is again as it was.
    If it fails later, the larger study is finished.

    Args:
        folder: The study folder.
        identity: The full identity of the larger study.
    """
    store.require_intact(folder)
    kept = {name: store.read_json_or(folder / name, None) for name in _KEPT}
    try:
        _set_aside(folder)
        store.unseal(folder)
        budget = kept["budget.json"]
        if budget is not None:
            seeds = identity["seeds"]
            assert isinstance(seeds, list), "only studies over seeds have a budget"
            store.write_json(folder / "budget.json", {**budget, "seeds": len(seeds)})
        store.write_json(folder / "study.json", identity)
        yield
    except BaseException:
        with deferred_signals():
            if not (folder / "finding.json").exists():
                _restore(folder, kept)
            forget_earlier(folder)
        raise


def forget_earlier(folder: Path) -> None:
    """Remove what a study kept of the earlier one, after the larger one has been sealed."""
    store.remove_file(folder / EARLIER_FINDING)
    if (folder / _EARLIER_CLASSIFIER).exists():
        store.remove_folder(folder / _EARLIER_CLASSIFIER)


def _set_aside(folder: Path) -> None:
    forget_earlier(folder)  # of a process that was killed before it did so
    if (folder / _CLASSIFIER).exists():
        store.copy_folder(folder / _CLASSIFIER, folder / _EARLIER_CLASSIFIER)
    store.rename(folder / "finding.json", folder / EARLIER_FINDING)


def _restore(folder: Path, kept: dict[str, JsonObject | None]) -> None:
    for name, content in kept.items():
        if content is None:
            store.remove_file(folder / name)
        else:
            store.write_json(folder / name, content)
    if (folder / _EARLIER_CLASSIFIER).exists():
        store.replace_folder(folder / _EARLIER_CLASSIFIER, folder / _CLASSIFIER)
    store.forget_command(folder)
    store.rename(folder / EARLIER_FINDING, folder / "finding.json")
