"""Groups that nobody wrote down, inferred from files and pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.data._types import Dataset
from headstart.data.groups._file_facts import FileFacts, read_file_facts
from headstart.data.groups._file_names import propose_from_names, running_numbers
from headstart.data.groups._group_test import (
    FloatArray,
    GroupTest,
    make_colour_vectors,
    measure_groups,
)
from headstart.data.groups._near_duplicates import NearDuplicates, find_near_duplicates
from headstart.data.groups._sequences import cut_at_cycles, cut_at_gaps
from headstart.formatting import counted

# Seconds between neighbours of a burst, the longest first. The first that passes the test counts.
BURST_SECONDS = (60.0, 20.0, 5.0, 1.0)
_LARGEST_BURST_SHARE = 0.34
_LEAST_TIMED_SHARE = 0.5

Groups = NDArray[np.int64]


@dataclass(frozen=True)
class InferredGroups:
    """Images that are not independent: one person, plant, film or burst.

    Attributes:
        groups: Int64 array of shape (N,), numbered from 0 in the order of their first images. An
            image without relatives is a group of its own.
        sources: The kinds of evidence that contributed: "file names", "EXIF", "near duplicates".
        evidence: One phrase per source, with what was found and how it was tested.
    """

    groups: Groups
    sources: tuple[str, ...]
    evidence: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of groups of at least two images."""
        return int((np.bincount(self.groups) > 1).sum())

    @property
    def grouped_images(self) -> int:
        """Number of images that share their group with another."""
        sizes = np.bincount(self.groups)
        return int(sizes[sizes > 1].sum())

    @property
    def sentence(self) -> str:
        """Return what was found, in one sentence."""
        if not self.count:
            return "no groups were inferred: each image stands for itself"
        size = self.grouped_images / self.count
        sentence = (
            f"{counted(self.count, 'group')} of about {size:.0f} images inferred "
            f"from {' and '.join(self.sources)} ({'; '.join(self.evidence)})"
        )
        single = len(self.groups) - self.grouped_images
        if not single:
            return sentence
        # A test counts them as groups, so its number of groups is larger by so many.
        verb = "is a group of its" if single == 1 else "are groups of their"
        return f"{sentence}; {counted(single, 'other image')} {verb} own"


@dataclass(frozen=True)
class _Evidence:
    """Groups from one source, which passed the test."""

    groups: Groups
    source: str
    phrase: str


def infer_groups(
    dataset: Dataset, pairs: NearDuplicates | None = None, facts: FileFacts | None = None
) -> InferredGroups:
    """Infer which images belong together.

    File names propose groups by what they share, or by running numbers along which the classes
    repeat. Else bursts of one camera do. Each proposal is tested: images of a group must look more
    alike than others of the same classes. Near duplicates are added to what passes.

    Args:
        dataset: The dataset.
        pairs: Its near duplicates, if they are known already.
        facts: Headers of its files, if they are known already.

    Returns:
        The group of each image, and the evidence for the groups in words.
    """
    if facts is None:
        facts = read_file_facts(dataset)
    if pairs is None:
        pairs = find_near_duplicates(dataset.images, dataset.hashes)

    vectors = make_colour_vectors(dataset.images)
    proposed = _evidence_of_names(dataset, facts, vectors)
    if proposed is None:
        proposed = _evidence_of_bursts(dataset, facts, vectors)
    sources: list[str] = []
    evidence: list[str] = []
    first, second = pairs.first, pairs.second
    if proposed is not None:
        sources.append(proposed.source)
        evidence.append(proposed.phrase)
        chain = np.argsort(proposed.groups, kind="stable")
        is_linked = proposed.groups[chain][1:] == proposed.groups[chain][:-1]
        first = np.concatenate([first, chain[:-1][is_linked]])
        second = np.concatenate([second, chain[1:][is_linked]])
    if len(pairs):
        sources.append("near duplicates")
        evidence.append(f"{len(pairs):,} pair{'s' * (len(pairs) > 1)} of near duplicates")
    groups = connected_groups(len(dataset), first, second)
    return InferredGroups(groups, tuple(sources), tuple(evidence))


def connected_groups(count: int, first: Groups, second: Groups) -> Groups:
    """Number the connected components of `count` images, in the order of their first images.

    Args:
        count: Number of images.
        first: Int64 array of shape (P,): one image of each pair.
        second: Int64 array of shape (P,): the other image of each pair.

    Returns:
        Int64 array of shape (count,), the group of each image.
    """
    # Imported here: it takes 0.2 s, and this subpackage is imported to predict.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    _, start, inverse = np.unique(component, return_index=True, return_inverse=True)
    rank = np.empty(len(start), np.int64)
    rank[np.argsort(start)] = np.arange(len(start))
    result: Groups = rank[inverse]
    return result


def _evidence_of_names(
    dataset: Dataset, facts: FileFacts | None, vectors: FloatArray
) -> _Evidence | None:
    """Return the coarsest groups of file names that pass the test, or None."""
    for proposal in propose_from_names(dataset.image_names, dataset.labels):
        result = measure_groups(vectors, dataset.labels, proposal.groups)
        if result.holds:
            phrase = f"names that share their beginning, such as {proposal.example}"
            return _Evidence(proposal.groups, "file names", phrase + _tested(result))

    groups = _groups_of_cycles(dataset, facts)
    if groups is None:
        return None
    result = measure_groups(vectors, dataset.labels, groups)
    if not result.holds:
        return None
    phrase = "running numbers along which the classes repeat"
    return _Evidence(groups, "file names", phrase + _tested(result))


def _groups_of_cycles(dataset: Dataset, facts: FileFacts | None) -> Groups | None:
    """Cut each sequence of running numbers at its cycles of classes."""
    groups = np.full(len(dataset), -1, np.int64)
    next_group = 0
    for sequence in running_numbers(dataset.image_names):
        gaps = sequence.gaps.astype(np.float64)
        seconds = gaps[:0] if facts is None else np.abs(np.diff(facts.taken[sequence.rows]))
        is_known = np.isfinite(seconds)
        if is_known.any():
            gaps = np.where(is_known, seconds, np.median(seconds[is_known]))
        cycles = cut_at_cycles(dataset.labels[sequence.rows], gaps)
        if cycles is not None:
            groups[sequence.rows] = cycles + next_group
            next_group += int(cycles.max()) + 1
    if not next_group:
        return None
    alone = np.flatnonzero(groups < 0)
    groups[alone] = next_group + np.arange(len(alone))
    return groups


def _evidence_of_bursts(
    dataset: Dataset, facts: FileFacts | None, vectors: FloatArray
) -> _Evidence | None:
    """Return the groups of the longest bursts that pass the test, or None."""
    if facts is None or np.isfinite(facts.taken).mean() < _LEAST_TIMED_SHARE:
        return None
    _, camera = np.unique(np.array(facts.camera), return_inverse=True)
    for largest_gap in BURST_SECONDS:
        groups = cut_at_gaps(facts.taken, camera, largest_gap)
        sizes = np.bincount(groups)
        if sizes.max() < 2 or sizes.max() > _LARGEST_BURST_SHARE * len(groups):
            continue
        result = measure_groups(vectors, dataset.labels, groups)
        if result.holds:
            phrase = f"photographs of one camera within {largest_gap:.0f} s of the one before"
            return _Evidence(groups, "EXIF", phrase + _tested(result))
    return None


def _tested(result: GroupTest) -> str:
    closer = 100 * (1 - result.ratio)
    return f", {closer:.0f}% closer in colour than others of their classes"
