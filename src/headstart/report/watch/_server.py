"""The server of the live page: the page, its data, and the requests of its buttons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

from headstart import formatting, store
from headstart.errors import HeadstartError, InputError
from headstart.report._local_server import LocalHandler, LocalServer
from headstart.report.figures._style import DARK, LIGHT, Theme
from headstart.report.watch._detail import describe_entry
from headstart.report.watch._entry import Entry
from headstart.report.watch._resume import Resumer
from headstart.report.watch._watcher import Watcher
from headstart.results import JsonObject

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A report is a file from a folder that others may have written. Its script reaches nothing here.
_REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)
_LARGEST_REPORT = 256 << 20
_CONTENT_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}


class WatchServer(LocalServer):
    """The server of the live page of one folder.

    Args:
        folder: The folder.
        port: The port; 0 for a free one.

    Raises:
        InputError: There is no such folder.
        ResourceError: The port is in use or forbidden.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.watcher = Watcher(folder)
        self._resumer = Resumer()
        super().__init__(_Handler, port)

    def server_close(self) -> None:
        """Close the server. Commands that it started continue."""
        super().server_close()
        self._resumer.close()

    def snapshot(self) -> JsonObject:
        """Return the entries as JSON, with the commands that this server started."""
        snapshot = self.watcher.snapshot()
        entries = [self._with_command(entry).as_json() for entry in snapshot.entries.values()]
        return {"folder": str(snapshot.folder.absolute()), "entries": [*entries]}

    def state(self) -> str:
        """Return a text that changes whenever `snapshot` does."""
        snapshot = self.watcher.snapshot()
        commands = [
            (entry.id, self._resumer.is_starting(entry.id), self._resumer.problem(entry.id))
            for entry in snapshot.entries.values()
            if entry.state == "unfinished"
        ]
        return f"{snapshot.version}-{hash(tuple(commands))}"

    def stop(self, identifier: str) -> None:
        """Ask the process of an entry to stop.

        Raises:
            InputError: There is no such entry, or it is not in use, or is part of a study.
            ResourceError: The process cannot be verified.
        """
        folder = self.watcher.path(identifier)
        entry = self.watcher.snapshot().entries.get(identifier)
        if entry is not None and entry.parent is not None:
            raise InputError(f"{identifier} is part of a study: stop {entry.parent}.")
        store.stop_holder(folder)

    def resume(self, identifier: str) -> None:
        """Start the command of an entry again.

        Raises:
            InputError: There is no such entry, or it is finished, in use, or records no command.
            ResourceError: The command cannot be started.
        """
        folder = self.watcher.path(identifier)
        entry = self.watcher.snapshot().entries.get(identifier)
        if entry is None or not entry.can_resume:
            raise InputError(f"{identifier} cannot be resumed by this page.")
        self._resumer.resume(identifier, folder)

    def report(self, identifier: str) -> bytes:
        """Return the report of an entry.

        Raises:
            InputError: There is none.
        """
        path = self.watcher.path(identifier) / "report.html"
        try:
            return store.read_file(path, _LARGEST_REPORT)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}.") from error

    def _with_command(self, entry: Entry) -> Entry:
        """Return an entry with the state of the command that was started to resume it."""
        if entry.state != "unfinished" or entry.parent is not None:
            return entry
        if self._resumer.is_starting(entry.id):
            return replace(entry, state="running", progress="starting", can_resume=False)
        problem = self._resumer.problem(entry.id)
        return replace(entry, problem=problem) if problem else entry


class _Handler(LocalHandler):
    """The answers of the server."""

    server: WatchServer
    policy = _POLICY

    def get(self, address: SplitResult, query: Mapping[str, list[str]]) -> None:
        identifier = query.get("id", [""])[0]
        match address.path:
            case "/":
                page = _read("watch.html").replace("TOKEN", self.server.token)
                self.send(200, page.encode(), "text/html; charset=utf-8")
            case "/watch.css" | "/watch.js" | "/chart.js":
                self._send_file(address.path[1:])
            case "/formatting.js":
                self.send(200, formatting.script().encode(), _CONTENT_TYPES["js"])
            case "/snapshot":
                self._send_snapshot(query.get("since", [""])[0])
            case "/entry":
                self._answer(lambda: describe_entry(self.server.watcher, identifier))
            case "/report":
                self._send_report(identifier)
            case _:
                self.send_json(404, {"error": "there is no such page."})

    def post(self, path: str, content: Mapping[str, Any]) -> None:
        identifier = content.get("id")
        if not isinstance(identifier, str):
            self.send_json(422, {"error": "expected the id of a run or a study."})
            return
        match path:
            case "/stop":
                self._answer(lambda: self.server.stop(identifier))
            case "/resume":
                self._answer(lambda: self.server.resume(identifier))
            case _:
                self.send_json(404, {"error": "there is no such address."})

    def _answer(self, action: Callable[[], JsonObject | None]) -> None:
        try:
            content = action()
        except HeadstartError as error:
            self.send_json(422 if isinstance(error, InputError) else 409, {"error": str(error)})
            return
        self.send_json(200, content or {"done": True})

    def _send_snapshot(self, since: str) -> None:
        state = self.server.state()
        if state == since:
            self.send_json(200, {"state": state})
        else:
            self.send_json(200, {"state": state, **self.server.snapshot()})

    def _send_report(self, identifier: str) -> None:
        try:
            content = self.server.report(identifier)
        except InputError as error:
            self.send_json(404, {"error": str(error)})
            return
        self.send(200, content, "text/html; charset=utf-8", _REPORT_POLICY)

    def _send_file(self, name: str) -> None:
        text = _read(name)
        if name.endswith(".css"):
            text = f"{_theme_css()}\n{text}"
        self.send(200, text.encode(), _CONTENT_TYPES[name.rpartition(".")[2]])


def _read(name: str) -> str:
    return (files("headstart.report.watch") / name).read_text(encoding="utf-8")


def _theme_css() -> str:
    """Return the colours of reports as variables of the style sheet."""
    dark = f"@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    return f":root{{{_variables(LIGHT)}}}\n{dark}"


def _variables(theme: Theme) -> str:
    names = ("ink", "soft", "line", "paper", "wash", "warn")
    colours = [f"--{name}:{getattr(theme, name)}" for name in names]
    colours += [f"--a{place}:{accent}" for place, accent in enumerate(theme.accents)]
    return ";".join(colours)
