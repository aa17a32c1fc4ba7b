"""The snapshot of a folder: every run and study in it, read again only where files changed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from headstart import store
from headstart.errors import InputError
from headstart.report.watch._entry import Entry
from headstart.report.watch._read_entry import Reading, read_folder
from headstart.report.watch._resume import command_text
from headstart.report.watch._scan import FolderOnDisk, Stamps, find_folders
from headstart.report.watch._study_progress import describe_study
from headstart.results import JsonObject


@dataclass(frozen=True)
class Snapshot:
    """The entries of a folder at one moment.

    Attributes:
        folder: The watched folder.
        version: A number that changes whenever the entries do.
        entries: The entries by id. A study comes before its runs.
    """

    folder: Path
    version: int
    entries: Mapping[str, Entry]

    def as_json(self) -> JsonObject:
        """Return the snapshot as `headstart watch --json` prints it."""
        entries = [
            {**entry.as_json(), "seconds_left": entry.seconds_left()}
            for entry in self.entries.values()
        ]
        content: JsonObject = json.loads(json.dumps({"folder": str(self.folder), "runs": entries}))
        return content


class _Cached(NamedTuple):
    """A reading, and the files from which it was read."""

    stamps: Stamps
    reading: Reading


class Watcher:
    """Reads the runs and studies of a folder, again and again, with few file accesses.

    Nothing is written. A file is opened only if its time or size changed. Of unfinished entries,
    the lock is tested each time.

    Args:
        folder: The folder.

    Raises:
        InputError: There is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(
                f"{folder} is not a folder.",
                "Name a folder with runs. `headstart train` and `headstart compare` make them "
                "under runs/ or --out.",
            )
        self.folder = folder
        self._cache: dict[Path, _Cached] = {}
        self._lock = threading.Lock()
        self._last = Snapshot(folder, 0, {})

    def snapshot(self) -> Snapshot:
        """Return the entries now."""
        with self._lock:
            entries = self._entries()
            if entries != self._last.entries or self._last.version == 0:
                self._last = Snapshot(self.folder, self._last.version + 1, entries)
            return self._last

    def path(self, identifier: str) -> Path:
        """Return the folder of an entry.

        Raises:
            InputError: There is no such entry.
        """
        if identifier not in self._last.entries and identifier not in self.snapshot().entries:
            raise InputError(f"there is no run or study {identifier} here.")
        return self.folder / identifier

    def settings(self, identifiers: Iterable[str]) -> dict[str, Mapping[str, str]]:
        """Return the recipes of runs, flat and as text, by id. Unknown ids are left out."""
        with self._lock:
            settings = {}
            for identifier in identifiers:
                known = self._cache.get(self.folder / identifier)
                if known is not None:
                    settings[identifier] = known.reading.settings
            return settings

    def _entries(self) -> dict[str, Entry]:
        folders = list(find_folders(self.folder))
        readings = {folder.path: self._read(folder) for folder in folders}
        self._cache = {path: self._cache[path] for path in readings}

        runs_of: dict[Path, list[Entry]] = {}
        for folder in folders:
            reading = readings[folder.path]
            if reading.entry.state == "unfinished":
                reading = readings[folder.path] = _with_process(folder, reading)
            if folder.parent is not None and folder.kind == "run":
                runs_of.setdefault(folder.parent, []).append(reading.entry)

        entries: dict[str, Entry] = {}
        for folder in folders:
            reading = readings[folder.path]
            entry = reading.entry
            if folder.kind == "study":
                entry = describe_study(reading, runs_of.get(folder.path, []))
            entries[entry.id] = entry
        return entries

    def _read(self, folder: FolderOnDisk) -> Reading:
        known = self._cache.get(folder.path)
        if known is not None and known.stamps == folder.stamps:
            return known.reading
        reading = read_folder(folder, self.folder)
        self._cache[folder.path] = _Cached(folder.stamps, reading)
        return reading


def _with_process(folder: FolderOnDisk, reading: Reading) -> Reading:
    """Return the reading of an unfinished entry with its process, if it has one.

    A run of a study is stopped and resumed with its study.
    """
    path, entry = folder.path, reading.entry
    is_alone = folder.parent is None
    holder = store.lock_holder(path)
    if holder is None:
        if is_alone:
            can_resume = reading.command is not None
            entry = replace(entry, can_resume=can_resume, command=command_text(reading.command))
        return replace(reading, entry=entry)

    entry = replace(entry, state="running")
    if is_alone:
        can_stop = store.may_stop(path, holder)
        command = "" if can_stop else _command_to_stop(holder)
        entry = replace(entry, can_stop=can_stop, command=command)
    return replace(reading, entry=entry, started=_seconds_since_1970(holder.since))


def _command_to_stop(holder: store.LockHolder) -> str:
    return f"kill -TERM {holder.pid}" + ("" if holder.is_local else f"  # on {holder.host}")


def _seconds_since_1970(time: str) -> float | None:
    try:
        return datetime.fromisoformat(time).timestamp()
    except ValueError:
        return None
