"""Nested cross-validation of a search: one search per fold, and one more for the classifier.

The images that select a recipe must not test it. In each fold, a search sees the other images only.
Its chosen recipe and the defaults are then tested on the fold. The accuracy over all folds is that
of the procedure, because each search may choose another recipe.

References:
    Varma and Simon (2006), Bias in error estimation when using cross-validation for model
    selection. Cawley and Talbot (2010), On over-fitting in model selection and subsequent selection
    bias in performance evaluation.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headstart import progress, store
from headstart.data import SplitDataset, make_folds, split_without_test
from headstart.errors import InputError
from headstart.execution import Executor
from headstart.results import JsonObject, TunedFold, Tuning, read_metrics
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies._comparison_results import EntryResults, compare_entries
from headstart.studies._folds import StudyFolds, keep_representative_weights
from headstart.studies._study import StudyContext
from headstart.studies.tune._config import TuningConfig
from headstart.studies.tune._final_runs import kept_recipe, retrain, retrained_scores
from headstart.studies.tune._finding import tuning_finding
from headstart.studies.tune._nested_part import NestedPart
from headstart.studies.tune._nested_sentences import (
    chosen_values,
    kept_sentence,
    nested_sentences,
    procedure_sentence,
)
from headstart.studies.tune._storage import open_storage
from headstart.studies.tune._successive_halving import Search, prepared_defaults
from headstart.studies.tune._time_plan import least_limit
from headstart.training import expected_seconds, read_correct, read_run

_PLAN, _RECORD = "searches.json", "search.json"


@dataclass(frozen=True)
class _SearchedFold:
    """A finished fold.

    Attributes:
        result: What the finding says about it.
        runs: Its finished final runs, by the name of the contender. That of "tuned" is the run of
            the defaults if the search kept them.
        failures: Why the run of a contender failed, by its name.
        tested: Number of runs that were tested on the fold, also one that is not kept.
    """

    result: TunedFold
    runs: dict[str, Path]
    failures: dict[str, str]
    tested: int

    def as_json(self, folder: Path) -> JsonObject:
        """Return the content of its record, with paths relative to the study folder."""
        runs = {name: run.relative_to(folder).as_posix() for name, run in self.runs.items()}
        return {
            "result": self.result.as_json(),
            "runs": {**runs},
            "failures": {**self.failures},
            "tested": self.tested,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], folder: Path) -> _SearchedFold:
        """Return a fold from its record."""
        runs = {name: folder / run for name, run in content["runs"].items()}
        result = TunedFold.model_validate(content["result"])
        return cls(result, runs, content["failures"], content["tested"])


@dataclass(frozen=True)
class _Share:
    """The part of the time limit that each search has.

    Attributes:
        of_study: The time limit of the study in seconds, or None.
        time_limit: Seconds of the search of a fold; None without a limit.
        full_seconds: Seconds of a full run outside a fold; None without a limit.
        elapsed: Seconds before the first search.
        folds: Number of folds.
        size: The training images of the search on all images, relative to those of a fold. Its
            runs, and its part, are so many times as long.
    """

    of_study: float | None
    time_limit: float | None
    full_seconds: float | None
    elapsed: float
    folds: int
    size: float

    def full_seconds_of(self, fold: int | None) -> float | None:
        """Return the seconds of a full run outside a fold, or on all images."""
        if self.full_seconds is None:
            return None
        return self.full_seconds * (self.size if fold is None else 1.0)

    def next_limit(self, searched: Sequence[_SearchedFold]) -> float | None:
        """Return the seconds of the next search; None without a limit.

        If a search took longer than its part, the next ones have less, but enough for a search.
        """
        if self.of_study is None or self.time_limit is None or self.full_seconds is None:
            return None
        spent = self.elapsed + sum(fold.result.seconds for fold in searched)
        left = (self.of_study - spent) / (self.folds - len(searched) + self.size)
        seconds = max(least_limit(self.full_seconds), min(self.time_limit, left))
        return seconds * (self.size if len(searched) == self.folds else 1.0)


def outer_folds(config: TuningConfig, data: SplitDataset) -> StudyFolds:
    """Return the folds that are tested. Outside a fold, images are for training or validation.

    Raises:
        InputError: A class has too few images for so many folds.
    """
    assert config.folds is not None
    return StudyFolds(make_folds(data, config.folds, 1), (config.seed + 1,), has_classifiers=False)


def nested_tuning(config: TuningConfig, context: StudyContext, name: str) -> Tuning:
    """Search outside each fold and test on it, then search on all images for the classifier.

    A finished fold is read from its record when the study is resumed.

    Args:
        config: The configuration, with folds. Its time limit is divided between the searches.
        context: The study, with the data that the folds divide.
        name: Name of the study in the storage of its trials.

    Raises:
        InputError: The time limit is too short for so many searches.
        RunFailed: A search failed: three of its trials in a row for the same reason.
    """
    folds = outer_folds(config, context.data)
    everything = split_without_test(context.data)
    share = _share(config, folds, context, everything)
    context = context.with_data(everything)
    count = folds.folds.count
    with context.open_executor() as executor:
        searched: list[_SearchedFold] = []
        for fold in range(count):
            progress.say(f"fold {fold + 1} of {count}: a search on the images outside it")
            part = NestedPart(folds, fold, share.full_seconds_of(fold))
            own = replace(config, time_limit=share.next_limit(searched))
            searched.append(_search_fold(own, part, context, executor, name))

        progress.say("one more search on all images, for the classifier")
        part = NestedPart(folds, None, share.full_seconds_of(None))
        with open_storage(None, name, context.folder) as storage:
            started = time.perf_counter()
            own = replace(config, time_limit=share.next_limit(searched))
            search = Search(own, everything, context.folder, storage, executor, started, part)
            search.run()
            finals = retrain(search, everything)
            groups = everything.groups_of("validation")
            on_validation = compare_entries(finals, [], "validation", context.folder, groups)
            classifier = tuning_finding(search, finals, on_validation, context)

    entries = _entries(searched, config.seed + 1)
    results = compare_entries(entries, [], "test", context.folder, folds=folds)
    keep_representative_weights([], context.folder)
    return _with_folds(classifier, searched, results, folds, context, share)


def _share(
    config: TuningConfig, folds: StudyFolds, context: StudyContext, everything: SplitDataset
) -> _Share:
    """Divide the time limit between the searches, once: a resumed study keeps its division.

    Raises:
        InputError: It is too short for so many searches.
    """
    limit, count, data = config.time_limit, folds.folds.count, folds.first_data
    size = len(everything.split.train) / len(data.split.train)
    if limit is None:
        return _Share(None, None, None, 0.0, count, size)
    path, question = context.folder / _PLAN, {"time_limit": limit, "folds": count}
    recorded = store.read_json_or(path, {})
    if {key: recorded.get(key) for key in question} == question:
        seconds, elapsed = recorded["full_seconds"], recorded["elapsed"]
        return _Share(limit, recorded["share"], seconds, elapsed, count, size)

    seconds = expected_seconds(prepared_defaults(config, data), data)
    elapsed = context.seconds_spent()
    share = (limit - elapsed) / (count + size)
    if share < least_limit(seconds):
        needed = math.ceil(elapsed + (count + size) * least_limit(seconds))
        raise InputError(
            f"--time-limit {limit:g}s is too short for {count + 1} searches, one per fold and one "
            f"for the classifier: they need about {needed} s.",
            f"Pass --time-limit {needed}s or more, fewer --folds, or --folds none.",
        )
    content = {**question, "share": share, "full_seconds": seconds, "elapsed": elapsed}
    store.write_json(path, content)
    return _Share(limit, share, seconds, elapsed, count, size)


def _search_fold(
    config: TuningConfig, part: NestedPart, context: StudyContext, executor: Executor, name: str
) -> _SearchedFold:
    """Search on the images outside a fold, and test the chosen recipe and the defaults on it."""
    assert part.fold is not None
    number = f"fold{part.fold + 1}"
    folder = store.ensure_folder(context.folder / number)
    if recorded := store.read_json_or(folder / _RECORD, {}):
        return _SearchedFold.from_json(recorded, context.folder)

    data, started = part.folds.run(part.fold).data, time.perf_counter()
    with open_storage(None, f"{name}-{number}", folder) as storage:
        search = Search(config, data, context.folder, storage, executor, started, part)
        search.run()
        fold = _test_fold(search, part.fold, len(data.split.test), retrain(search, context.data))
    store.write_json(folder / _RECORD, fold.as_json(context.folder))
    return fold


def _test_fold(
    search: Search, fold: int, images: int, entries: Sequence[ComparisonEntry]
) -> _SearchedFold:
    """Choose between the best recipe and the defaults on validation images, and read the tests."""
    best = search.best()
    scores = retrained_scores(entries)
    kept = kept_recipe(entries, scores)
    runs = {entry.name: entry.runs[fold] for entry in entries if entry.runs}
    failures = {entry.name: entry.failures[fold] for entry in entries if entry.failures}
    chosen = runs[kept]
    validation = read_metrics(chosen).validation
    assert validation is not None, "a search needs validation images"

    notes = []
    if "tuned" in failures:
        notes.append("the final run of the best recipe of the search failed")
    if not search.plan["searches"]:
        notes.append("the time was too short for a search")
    defaults = search.defaults.flat()
    of_defaults = {key: defaults.get(key) for key in best.values}
    tested = {name: float(read_correct(run, "test").mean()) for name, run in runs.items()}
    result = TunedFold(
        fold=fold + 1,
        images=images,
        trials=len(search.trials.all()),
        chosen=of_defaults if kept == "defaults" else best.values,
        defaults=of_defaults,
        is_default=kept == "defaults",
        validation=validation.accuracy,
        test=tested[kept],
        test_of_defaults=tested.get("defaults"),
        seconds=round(search.clock(), 1),
        notes=tuple(notes),
    )
    # That the best recipe failed is known before the fold is tested: the procedure then keeps the
    # defaults, and does not fail.
    failures.pop("tuned", None)
    return _SearchedFold(result, {**runs, "tuned": chosen}, failures, len(runs))


def _entries(searched: Sequence[_SearchedFold], seed: int) -> list[ComparisonEntry]:
    """Return the procedure and the defaults as entries, with one run per fold.

    If every search kept the defaults, the two are the same. The recipe of an entry is that of its
    first run. The runs of the procedure may have several.

    Args:
        searched: The folds.
        seed: The seed of the runs.
    """
    is_tuned = any(not fold.result.is_default for fold in searched)
    entries = []
    for name in ("tuned", "defaults") if is_tuned else ("defaults",):
        failures = {
            fold: f"fold {fold + 1}, seed {seed} failed: {result.failures[name]}"
            for fold, result in enumerate(searched)
            if name in result.failures
        }
        runs = {
            fold: result.runs[name] for fold, result in enumerate(searched) if name in result.runs
        }
        # The procedure has a run in every fold. The defaults may have failed in all of them.
        first_run = next(iter(runs.values()), searched[0].runs["tuned"])
        recipe = read_run(first_run).recipe
        entries.append(
            ComparisonEntry(name, "contender", recipe, (seed,), runs=runs, failures=failures)
        )
    return entries


def _with_folds(
    classifier: Tuning,
    searched: Sequence[_SearchedFold],
    results: EntryResults,
    folds: StudyFolds,
    context: StudyContext,
    share: _Share,
) -> Tuning:
    """Return the finding of the search on all images, with the test scores of the folds.

    Args:
        classifier: The finding of that search.
        searched: The folds.
        results: The comparison of the procedure with the defaults over all folds.
        folds: The folds.
        context: The study.
        share: The division of the time limit.
    """
    by_fold = tuple(fold.result for fold in searched)
    budget = context.budget(share.of_study, folds.seeds)
    reads = max(results.test_reads, *(fold.tested for fold in searched))
    seconds = share.elapsed + sum(fold.seconds for fold in by_fold) + classifier.seconds.total
    budget = budget.model_copy(update={"seconds_spent": round(seconds, 1)})
    common = context.with_data(folds.first_data).common_fields("test", reads, budget)
    common |= folds.finding_fields(common, budget, folds.seeds)

    contenders = results.contenders
    values = chosen_values(by_fold)
    sentence = procedure_sentence(results.verdict.sentence)
    if all(fold.is_default for fold in by_fold):
        sentence = kept_sentence(by_fold)
    return Tuning.model_validate(
        {
            **dict(classifier),
            **common,
            "contenders": contenders,
            "failed": (*results.failed, *classifier.failed),
            "verdict": results.verdict.model_copy(update={"sentence": sentence}),
            "test": contenders[0].test,
            "folds": by_fold,
            "chosen_values": values,
            "seconds": classifier.seconds.model_copy(update={"total": round(seconds, 1)}),
            "sentences": nested_sentences(classifier, by_fold, values, contenders[0]),
        }
    )
