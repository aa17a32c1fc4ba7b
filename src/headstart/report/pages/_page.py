"""The values that all pages share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import ValidationError

from headstart import store
from headstart.errors import InputError
from headstart.formatting import ABSENT, enumeration, flat_settings
from headstart.report._study import Entry, RunFolder
from headstart.report.pages._figure_values import FigureTable
from headstart.report.pages._next_step import AFTER_RUN, next_command
from headstart.results import (
    Budget,
    DatasetSummary,
    EvaluationPart,
    EvaluationReuse,
    Finding,
    JsonObject,
    RunMetrics,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DrawFigure = Callable[[], "Figure"]
_MACHINE_WORDS = {
    "python": "Python",
    "headstart": "Headstart",
    "platform": "System",
    "cpu": "Processor",
    "threads": "Threads",
    "device": "Device",
}


@dataclass(frozen=True)
class Provenance:
    """The origin of the results on a page.

    Attributes:
        study: Command that made them, such as compare; train for a single run.
        headstart: Version of Headstart, or an empty text.
        created: Time in ISO 8601, or an empty text.
        command: Command line that reproduces them, or an empty text.
        dataset: Dataset and split.
        budget: Time and seeds.
        test_reads: Number of runs that were evaluated on the test images.
        environment: Versions and machine, flat and as text.
        reuse: Use of the test images by this and earlier studies.
        next_command: What a reader would type next, or an empty text.
    """

    study: str
    headstart: str
    created: str
    command: str
    dataset: DatasetSummary
    budget: Budget
    test_reads: int
    environment: Mapping[str, str]
    reuse: EvaluationReuse | None = None
    next_command: str = ""

    @classmethod
    def of_finding(cls, finding: Finding, entries: Iterable[Entry[object]]) -> Provenance:
        """Return the provenance of a study. The first run that recorded its machine counts."""
        environment: dict[str, str] = {}
        for entry in entries:
            for run in entry.runs:
                environment = environment or _read_environment(run.path)
        return cls(
            finding.study,
            finding.headstart,
            finding.created,
            finding.command,
            finding.dataset,
            finding.budget,
            finding.test_reads,
            environment,
            finding.reuse,
            next_command(finding),
        )

    @classmethod
    def of_run(cls, folder: Path, metrics: RunMetrics) -> Provenance:
        """Return the provenance of a single run.

        Raises:
            InputError: `data.json` is missing or damaged.
        """
        environment = _read_environment(folder)
        budget = Budget(time_limit=None, seeds=(metrics.seed,), seconds_spent=metrics.seconds.total)
        return cls(
            "train",
            environment.get("headstart", ""),
            "",
            metrics.command,
            _read_dataset(folder / "data.json"),
            budget,
            0,
            environment,
            next_command=AFTER_RUN,
        )

    @property
    def machine(self) -> dict[str, str]:
        """Versions and machine with the words of a page; keys of one fact are joined."""
        facts = dict(self.environment)
        facts.pop("executable", None)  # the name of the program, such as python, tells nothing
        reason = facts.pop("bfloat16_because", "")
        if reason and "bfloat16" in facts:
            facts["bfloat16"] += f": {reason}"
        return {_MACHINE_WORDS.get(key, key.replace("_", " ")): text for key, text in facts.items()}


@dataclass(frozen=True)
class SettingRow:
    """One hyper-parameter in the recipes of all entries, as text."""

    key: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """True if the entries have different values."""
        return len(set(self.values)) > 1


@dataclass(frozen=True)
class RecipeTable:
    """The recipes of some entries side by side.

    Attributes:
        entries: The entries.
        rows: Their settings.
        augmentation: One sentence per decision about horizontal flips, with its reason.
    """

    entries: tuple[Entry[object], ...]
    rows: tuple[SettingRow, ...]
    augmentation: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """The values that the frame of a page needs. Each page adds its own.

    Attributes:
        headline: The title.
        lead: The sentence below the title; may be empty.
        part: Part of the split that evaluates the study.
        images: Number of images that the scores rest on.
        provenance: Origin of the results.
        recipes: Recipes of the entries.
        figures: Functions that draw the files of `figures/`, by file name without suffix.
        tables: The values of figures that are not lines, by file name.
        winner: Entry whose accent the title has, if any.
        pooled: Dataset indices of the images behind the confusion matrices, by run folder.
    """

    template: ClassVar[str]

    headline: str
    lead: str
    part: EvaluationPart
    images: int
    provenance: Provenance
    recipes: RecipeTable
    figures: Mapping[str, DrawFigure]
    tables: Mapping[str, FigureTable] = field(default_factory=dict)
    winner: Entry[object] | None = None
    pooled: Mapping[Path, frozenset[int]] = field(default_factory=dict)

    @property
    def dataset(self) -> DatasetSummary:
        """The dataset and split."""
        return self.provenance.dataset

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.provenance.dataset.class_names


def recipe_table(recipes: Sequence[tuple[Entry[object], JsonObject]]) -> RecipeTable:
    """Return the settings of entries side by side, in the order of the first recipe."""
    columns = [flat_settings(recipe) for _, recipe in recipes]
    keys: dict[str, None] = {}
    for column in columns:
        keys |= dict.fromkeys(column)

    rows = [SettingRow(key, tuple(column.get(key, ABSENT) for column in columns)) for key in keys]
    entries = tuple(entry for entry, _ in recipes)
    return RecipeTable(entries, tuple(rows), _augmentation_sentences(recipes))


def _augmentation_sentences(
    recipes: Sequence[tuple[Entry[object], JsonObject]],
) -> tuple[str, ...]:
    """Return the decisions about horizontal flips: one sentence if all entries share it."""
    sentences: dict[str, list[str]] = {}
    for entry, recipe in recipes:
        run = entry.representative
        metrics = None if run is None else run.metrics
        if metrics is not None and metrics.augmentation is not None:
            check = metrics.augmentation
            use = "are" if check.is_used else "are not"
            sentence = f"Training images {use} flipped horizontally: {check.reason}."
        elif "flip" in recipe:
            use = "are" if recipe["flip"] else "are not"
            sentence = f"Training images {use} flipped horizontally, as set in the recipe."
        else:
            continue
        sentences.setdefault(sentence, []).append(entry.name)
    if len(sentences) <= 1:
        return tuple(sentences)
    return tuple(f"{enumeration(names)}: {sentence}" for sentence, names in sentences.items())


def representative_recipes(
    entries: Iterable[Entry[object]],
) -> list[tuple[Entry[object], JsonObject]]:
    """Return the recipes of the representative runs, for entries that have one."""
    recipes: list[tuple[Entry[object], JsonObject]] = []
    for entry in entries:
        run = entry.representative
        if run is not None and run.metrics is not None:
            recipes.append((entry, run.metrics.recipe))
    return recipes


def representative_seed(run: RunFolder | None) -> int | None:
    """Return the seed of a run, if its metrics exist."""
    return None if run is None or run.metrics is None else run.metrics.seed


def _read_environment(folder: Path) -> dict[str, str]:
    path = folder / "environment.json"
    return flat_settings(store.read_json(path)) if path.is_file() else {}


def _read_dataset(path: Path) -> DatasetSummary:
    content = store.read_json(path)
    try:
        return DatasetSummary.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path}: invalid {field}: {first['msg']}.",
            "The run folder may be damaged. Train the run again.",
        ) from error
