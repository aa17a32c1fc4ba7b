"""Files and folders that are never data: hidden, of the system, or written by programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from headstart import progress
from headstart.formatting import counted, first_names

# They are compared without case. Names that begin with a dot are hidden as well.
_SYSTEM_NAMES = frozenset(
    {"__macosx", "icon\r", "network trash folder", "temporary items"}  # of macOS
    | {"thumbs.db", "thumbs.db:encryptable", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"}
    | {"$recycle.bin", "recycler", "recycled", "system volume information", "found.000"}
    | {"lost+found", "__pycache__", "node_modules", "site-packages", "cvs"}
    | {
        "@eadir",
        "@tmp",
        "@recycle",
        "@recently-snapshot",
        "@snapshot",
        "@__thumb",
        "@__qini",
    }
    | {"@sharebin", "#recycle", "#snapshot", "_gsdata_"}  # of network storage
)
# Folders of these names without images of their own are outputs of experiment trackers.
_TOOL_NAMES = frozenset(
    {"mlruns", "mlartifacts", "wandb", "lightning_logs", "ray_results", "autogluonmodels"}
)
# A folder that holds all names of one row was written by another program.
_TOOL_MARKERS = (
    frozenset({"pyvenv.cfg"}),
    frozenset({"args.yaml", "weights"}),  # Ultralytics
    frozenset({"oracle.json"}),  # KerasTuner
    frozenset({"saved_model.pb"}),
    frozenset({"MLmodel"}),
    frozenset({"hparams.yaml", "metrics.csv"}),  # Lightning
)
_TENSORBOARD = "events.out.tfevents"
_NAMED = 4


def is_clutter(name: str) -> bool:
    """Return whether a file or folder of this name is hidden or belongs to the system."""
    return name.startswith((".", "~$")) or name.casefold() in _SYSTEM_NAMES


def is_tool_output(name: str, contents: Collection[str], has_images: bool) -> bool:
    """Return whether another program wrote a folder for itself.

    Args:
        name: Name of the folder.
        contents: Names of the files and folders in it.
        has_images: Whether images lie directly in it.
    """
    names = set(contents)
    if name.casefold() in _TOOL_NAMES and not has_images:
        return True
    if any(entry.startswith(_TENSORBOARD) for entry in names):
        return True
    return any(marker <= names for marker in _TOOL_MARKERS)


@dataclass
class LeftOut:
    """Files and folders that a walk through a folder left out.

    Attributes:
        hidden_files: Number of hidden and system files by name.
        hidden_folders: The same for folders.
        own: Runs, studies and cache entries of Headstart.
        tools: Folders of other programs.
        loops: Links to a folder that contains them.
        special: Pipes, sockets and devices.
        broken_links: Links to nothing that are named like images.
        other_broken_links: Links to nothing with other names, perhaps of folders.
        unreadable: Folders that may not be read, with the reason.
    """

    hidden_files: Counter[str] = field(default_factory=Counter)
    hidden_folders: Counter[str] = field(default_factory=Counter)
    own: list[str] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    special: list[str] = field(default_factory=list)
    broken_links: list[str] = field(default_factory=list)
    other_broken_links: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def say(self, source: str) -> None:
        """Print a line about each kind that was left out.

        Args:
            source: The folder that was walked through.
        """
        hidden = self.hidden_files + self.hidden_folders
        if hidden:
            totals = {"file": self.hidden_files.total(), "folder": self.hidden_folders.total()}
            counts = [counted(total, noun) for noun, total in totals.items() if total]
            names = some_names([name for name, _ in hidden.most_common()])
            progress.say(
                f"{source}: left out {' and '.join(counts)}, hidden or of the system: {names}"
            )
        for noun, kind, paths in (
            ("folder", "that Headstart wrote", self.own),
            ("folder", "that another program wrote", self.tools),
            ("link", "to a folder that contains it", self.loops),
            ("file", "of a special kind, such as a pipe", self.special),
            ("link", "to nothing", self.other_broken_links),
        ):
            if paths:
                progress.say(
                    f"{source}: left out {counted(len(paths), noun)} {kind}: {some_names(paths)}"
                )


def some_names(names: Collection[str]) -> str:
    """Return the first names, and how many more there are."""
    shown = [name if name == name.strip() and name.isprintable() else repr(name) for name in names]
    return first_names(shown, _NAMED)
