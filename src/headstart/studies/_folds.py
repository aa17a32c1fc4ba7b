"""Cross-validation in a study: the fold of each run, and the results over all folds together.

A run of a study has a number. Without folds it is the seed. With folds, the runs of a recipe are
numbered repeat by repeat, and each repeat has its own seed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data import Folds, SplitDataset, fold_images, most_folds
from headstart.errors import InputError, RunFailed
from headstart.evaluation import (
    BaselineResult,
    count_groups,
    fold_accuracy_interval,
    majority_class,
    nearest_neighbour,
)
from headstart.results import (
    Budget,
    Contender,
    ContenderScores,
    CrossValidation,
    PartMetrics,
    RunMetrics,
)
from headstart.training import read_correct

BoolArray = NDArray[np.bool_]

# `--folds auto` cross-validates fewer images than this whose test part would be smaller than that,
# with so many folds. Of 1,000 images, the usual test part has 150.
AUTO_IMAGES, AUTO_TEST_IMAGES = 1000, 200
AUTO_FOLDS = 5

# What a run of a fold leaves for use. A hundred runs with a backbone would fill gigabytes. Its
# `gallery.npz` stays, because the page shows the images behind the errors of all folds.
FOLD_WEIGHTS = ("model.safetensors", "classifier.json")


class FoldRun(NamedTuple):
    """One run of a cross-validation.

    Attributes:
        data: The dataset with the split of its fold.
        seed: Its seed, that of the repeat.
        suffix: The end of the name of its folder, such as "fold3-seed0".
    """

    data: SplitDataset
    seed: int
    suffix: str

    @property
    def name(self) -> str:
        """Its name in messages, such as "fold 3, seed 0"."""
        words = self.suffix.split("-")
        return ", ".join(re.sub(r"(\d+)", r" \1", word) for word in words)


@dataclass(frozen=True)
class StudyFolds:
    """The folds of a study.

    Attributes:
        folds: The folds.
        seeds: The seed of each repeat.
        has_classifiers: True if the runs of one fold are the classifiers to use.
    """

    folds: Folds
    seeds: tuple[int, ...]
    has_classifiers: bool = True

    @property
    def fold_of(self) -> NDArray[np.int64]:
        """The fold of each image in each repeat, int64 of shape (R, N)."""
        return self.folds.fold_of

    @property
    def groups(self) -> NDArray[np.int64] | None:
        """The group of each image that is tested, int64 of shape (N,); None if none are known."""
        groups = self.folds.dataset.groups
        return None if groups is None else groups[self.folds.images]

    @property
    def first_data(self) -> SplitDataset:
        """The dataset with the split of the first fold, for plans and features."""
        return self.folds.data(0, 0)

    def run_numbers(self, seeds: Sequence[int]) -> tuple[int, ...]:
        """Return the numbers of the runs of the repeats with these seeds."""
        runs: list[int] = []
        for seed in seeds:
            first = self.seeds.index(seed) * self.folds.count
            runs += range(first, first + self.folds.count)
        return tuple(runs)

    def run(self, number: int) -> FoldRun:
        """Return the data, the seed and the name of a run."""
        repeat, fold = divmod(number, self.folds.count)
        seed = self.seeds[repeat]
        return FoldRun(self.folds.data(repeat, fold), seed, f"fold{fold + 1}-seed{seed}")

    def complete_repeats(self, runs: Iterable[int]) -> tuple[int, ...]:
        """Return the repeats of which every fold has a finished run, ascending from 0."""
        repeats = np.bincount([number // self.folds.count for number in runs], minlength=1)
        return tuple(np.flatnonzero(repeats == self.folds.count).tolist())

    def read_correct(self, runs: Mapping[int, Path], repeats: Sequence[int]) -> BoolArray:
        """Read which images were classified correctly by the models that had not seen them.

        Args:
            runs: Folders of finished runs, by the number of the run.
            repeats: Complete repeats.

        Returns:
            Boolean array of shape (R, N).
        """
        correct = np.zeros((len(repeats), len(self.folds.images)), bool)
        for row, repeat in enumerate(repeats):
            for fold in range(self.folds.count):
                run = runs[repeat * self.folds.count + fold]
                correct[row, self.fold_of[repeat] == fold] = read_correct(run, "test")
        return correct

    def scores(
        self, metrics: Mapping[int, RunMetrics], correct: BoolArray, repeats: Sequence[int]
    ) -> ContenderScores:
        """Return the scores of a contender on all images, with one accuracy per repeat.

        Args:
            metrics: Metrics of its runs, by the number of the run.
            correct: Boolean array of shape (R, N) from `read_correct`.
            repeats: The repeats of its rows.
        """
        by_repeat = [
            [_test_metrics(metrics[number]) for number in self._numbers_of(repeat)]
            for repeat in repeats
        ]
        return ContenderScores(
            accuracy=float(correct.mean()),
            interval=fold_accuracy_interval(correct, self.fold_of[list(repeats)]),
            n=correct.shape[1],
            loss=float(np.mean(self.losses(metrics, repeats))),
            macro_f1=float(np.mean([_macro_f1(parts) for parts in by_repeat])),
            per_seed=tuple(correct.mean(axis=1).tolist()),
        )

    def losses(
        self, metrics: Mapping[int, RunMetrics], repeats: Sequence[int]
    ) -> tuple[float, ...]:
        """Return the mean cross-entropy per image of each repeat, in nats."""
        losses: list[float] = []
        for repeat in repeats:
            parts = [_test_metrics(metrics[number]) for number in self._numbers_of(repeat)]
            images = [part.n for part in parts]
            losses.append(float(np.average([part.loss for part in parts], weights=images)))
        return tuple(losses)

    def representative_run(self, correct: Sequence[BoolArray], repeat: int) -> int:
        """Return the number of the run that stands for all, the same for all contenders.

        It is the run on the fold whose accuracy, as a mean over contenders, is the median.

        Args:
            correct: Boolean arrays of shape (R, N), one per contender.
            repeat: The repeat of their first rows.
        """
        folds = range(self.folds.count)
        mean = np.mean([rows[0] for rows in correct], axis=0)
        accuracies = [float(mean[self.fold_of[repeat] == fold].mean()) for fold in folds]
        fold = int(np.argsort(accuracies, kind="stable")[len(accuracies) // 2])
        return repeat * self.folds.count + fold

    def finding_fields(
        self, common: Mapping[str, object], budget: Budget, seeds: tuple[int, ...]
    ) -> dict[str, object]:
        """Return the fields of a finding that folds change.

        Args:
            common: The fields that all studies share, for the first fold.
            budget: Time and runs of the study.
            seeds: The seeds of the repeats that count.
        """
        dataset = common["dataset"]
        labels = self.folds.dataset.labels[self.folds.images]
        counts = np.bincount(labels, minlength=len(self.folds.dataset.class_names))
        assert isinstance(dataset, dict)
        test = {"images": len(labels), "per_class": counts.tolist()}
        parts = {**dataset["parts"], "test": test}
        return {
            "dataset": {**dataset, "parts": parts},
            "evaluated_groups": count_groups(self.groups),
            "budget": budget.model_copy(update={"seeds": seeds, "folds": self.folds.count}),
            "cross_validation": CrossValidation(
                folds=self.folds.count,
                repeats=len(seeds),
                images=len(labels),
                set_apart=self.folds.kept_test,
            ),
        }

    def notes(self, representative: int) -> list[str]:
        """Return sentences about the classifier to use and about images that are not used.

        Args:
            representative: The number of the run that stands for all.
        """
        repeat, fold = divmod(representative, self.folds.count)
        runs = f"those of fold {fold + 1} and seed {self.seeds[repeat]}"
        median = "on which the accuracy is the median over folds"
        notes = [
            f"The classifiers to use are {runs}, {median}. Examples and curves are of these runs, "
            "and the weights of the others are removed."
        ]
        if not self.has_classifiers:
            notes = [
                f"Recipes, examples and curves are {runs}, {median}. The weights of all folds are "
                "removed."
            ]
        groups = self.groups
        if groups is not None and count_groups(groups) is not None:
            notes.append(
                f"Each of the {_groups_in_words(groups)} is in one fold. Tests and intervals of "
                "contenders respect the groups, because their units are folds."
            )
        if self.folds.kept_test:
            notes.append(
                f"The {self.folds.kept_test:,} test images that came with the data are not used: "
                "the other images are cross-validated."
            )
        return notes

    def baselines(self, limit: float) -> list[BaselineResult]:
        """Return the baselines on all images, each image with the training images of its fold.

        Args:
            limit: Maximum number of multiply-adds of the nearest neighbour.
        """
        dataset = self.folds.dataset
        by_fold: list[tuple[BaselineResult, BaselineResult]] = []
        for split in self.folds.splits[0]:
            by_fold.append(
                (
                    majority_class(dataset.labels, split.train, split.test, dataset.class_names),
                    nearest_neighbour(
                        dataset.images,
                        dataset.labels,
                        split.train,
                        split.test,
                        limit=limit / self.folds.count,
                    ),
                )
            )
        majority, nearest = zip(*by_fold, strict=True)
        return [self._join_baseline(majority), self._join_baseline(nearest)]

    def _join_baseline(self, results: Sequence[BaselineResult]) -> BaselineResult:
        correct = np.zeros(len(self.folds.images), bool)
        for fold, result in enumerate(results):
            correct[self.fold_of[0] == fold] = result.correct
        first = results[0]
        notes = {result.note for result in results}
        note = first.note if len(notes) == 1 else f"{first.note} (the first fold)"
        return BaselineResult(first.name, correct, note, first.train_used, first.train_total)

    def _numbers_of(self, repeat: int) -> range:
        return range(repeat * self.folds.count, (repeat + 1) * self.folds.count)


def fold_count(data: SplitDataset, requested: int | str | None) -> tuple[int | None, str]:
    """Decide the number of folds of a study.

    `auto` cross-validates, with five folds, if all of this holds: there are fewer than 1,000
    images; the test part would have fewer than 200; no test images came with the data; and every
    class has five images that are neither copies nor of one group.

    Args:
        data: The dataset and its split.
        requested: A number of folds; "auto"; None or "none" for one split.

    Returns:
        The number of folds, None for one split; and a sentence for the terminal, which may be
        empty.

    Raises:
        InputError: The number is invalid.
    """
    if requested is None or requested == "none":
        return None, ""
    images, set_apart = fold_images(data)
    # Images that a split has drawn for the test were announced. They are no longer the test images.
    tested = _tested(len(images), 0 if set_apart else len(data.split.test))
    if requested != "auto":
        folds = check_folds(requested)
        kept = f" The {set_apart:,} test images that came with the data are not used."
        return folds, f"{tested} with {folds} folds.{kept if set_apart else ''}"

    is_large = len(images) >= AUTO_IMAGES or len(data.split.test) >= AUTO_TEST_IMAGES
    if set_apart or is_large or not len(data.split.test):
        return None, ""
    if most_folds(data) < AUTO_FOLDS:
        return None, (
            f"the images are not cross-validated: a class has fewer than {AUTO_FOLDS} images that "
            "are neither copies nor of one group"
        )
    return AUTO_FOLDS, f"{tested} with {AUTO_FOLDS} folds. To use one test part: --folds none"


def _tested(images: int, test_part: int) -> str:
    """Return how many images are tested.

    Args:
        images: Number of images that are divided into folds.
        test_part: Number of those that the split announced as test images.
    """
    if not test_part:
        return f"all {images:,} images are tested, by cross-validation"
    return (
        f"instead of {test_part:,} test images, all {images:,} images are tested, by "
        "cross-validation"
    )


def check_folds(requested: int | str) -> int:
    """Return a number of folds.

    Raises:
        InputError: It is not an integer of at least 2.
    """
    text = str(requested)
    if not (text.isascii() and text.isdigit() and int(text) >= 2):
        raise InputError(
            f"invalid --folds: expected auto, none or an integer from 2, got '{requested}'.",
            "For example: --folds 5",
        )
    return int(text)


def require_no_folds(folds: int | None, run: Path) -> None:
    """Raise an error if a finished run is entered into a cross-validation.

    Raises:
        InputError: There are folds.
    """
    if folds is None:
        return
    raise InputError(
        f"--folds {folds} cannot be combined with {run}: a finished run was trained on one split.",
        f"Enter its recipe, {run / 'recipe.json'}, or pass --folds none.",
    )


def keep_representative_weights(contenders: Iterable[Contender], folder: Path) -> None:
    """Remove the weights of finished runs but the representative ones.

    Scores and predictions stay.

    Args:
        contenders: The contenders and controls of a study.
        folder: The study folder.
    """
    kept = {contender.representative_run for contender in contenders}
    # Runs of an incomplete repeat, and those of a search in a fold, belong to no contender.
    # Unfinished runs may still be resumed.
    patterns = ("runs/*-fold*-seed*/metrics.json", "runs/fold*-trial-*/metrics.json")
    for metrics in sorted(chain.from_iterable(map(folder.glob, patterns))):
        run = metrics.parent
        if os.path.relpath(run, folder) in kept:
            continue
        store.remove_sealed(run, FOLD_WEIGHTS)
        for name in ("checkpoint", "state"):
            if (run / name).exists():
                store.remove_folder(run / name)


def _groups_in_words(groups: NDArray[np.int64]) -> str:
    """Return the number of groups, and how many of them are images without relatives."""
    _, sizes = np.unique(groups, return_counts=True)
    single = int((sizes == 1).sum())
    beside = f" ({single:,} of a single image)" if single else ""
    return f"{len(sizes):,} groups of images{beside}"


def _test_metrics(metrics: RunMetrics) -> PartMetrics:
    if metrics.test is None:
        raise RunFailed("a run of a cross-validation has no scores on its test images.")
    return metrics.test


def _macro_f1(parts: Sequence[PartMetrics]) -> float:
    """Return the macro F1 of the predictions of all folds together."""
    confusion = np.sum([np.asarray(part.confusion) for part in parts], axis=0)
    totals = confusion.sum(axis=0) + confusion.sum(axis=1)
    occurs = totals > 0
    f1 = 2 * np.diag(confusion)[occurs] / totals[occurs]
    return float(f1.mean())
