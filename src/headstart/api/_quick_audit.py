"""The quick part of the audit, before every training: what takes seconds, and is worth a line."""

from __future__ import annotations

import hashlib
import json
import shlex
from contextlib import suppress

import numpy as np

from headstart import progress, store
from headstart.data import Dataset, SplitDataset, content_key
from headstart.errors import ResourceError
from headstart.formatting import counted, shorten

# Raise this when the sentences would be others. Old ones are then not reused.
_VERSION = "1"
_CERTAIN_REASONS = ("blank", "near-constant")
_NAMES_SHOWN = 3


def quick_audit(data: SplitDataset) -> tuple[str, ...]:
    """Return a sentence for each kind of problem that a quick look at the data finds.

    Exact copies and pictures with two labels are not among them: `split_warnings` has those. The
    sentences are kept in the cache, so the next command on the same data does not look again. A
    check that fails ends no training: a line says so instead.

    Args:
        data: The dataset and its split.
    """
    path = store.cache_folder() / "quick-audits" / f"{_key(data)}.json"
    known = store.read_json_or(path, None)
    if isinstance(known, list):
        return tuple(str(sentence) for sentence in known)

    try:
        sentences = _look(data)
    except Exception as error:
        progress.warn(f"WARNING: the quick audit failed: {type(error).__name__}: {error}.")
        return ()
    with suppress(ResourceError):  # A cache that cannot be written ends no training.
        store.write_json(path, sentences)
    return tuple(sentences)


def _key(data: SplitDataset) -> str:
    names = hashlib.sha256(json.dumps(data.dataset.image_names).encode("utf-8", "surrogatepass"))
    source = data.dataset.source
    fingerprints = (data.dataset.fingerprint, data.split.fingerprint)
    return content_key("quick audit", _VERSION, source, *fingerprints, names.hexdigest())


def _look(data: SplitDataset) -> list[str]:
    sentences = [_odd_images(data.dataset), *_related_images(data)]
    present = [sentence for sentence in sentences if sentence]
    if present:
        source = data.dataset.source or "DATA"
        present.append(f"See them with: headstart audit {shlex.quote(source)}")
    return present


def _odd_images(dataset: Dataset) -> str:
    """Return a sentence about images of one colour, which belong to no class."""
    from headstart.audit import find_odd_images

    odd = find_odd_images(dataset)
    certain = [
        index
        for index, reason in zip(odd.indices.tolist(), odd.reason, strict=True)
        if reason in _CERTAIN_REASONS
    ]
    if not certain:
        return ""
    names = [shorten(dataset.image_names[index], 40) for index in certain[:_NAMES_SHOWN]]
    more = ", …" if len(certain) > _NAMES_SHOWN else ""
    images = counted(len(certain), "nearly uniform image")
    return f"{images}: {', '.join(names)}{more}."


def _related_images(data: SplitDataset) -> list[str]:
    """Return sentences about near copies in several parts."""
    from headstart.audit import copies_of_training

    copies = copies_of_training(data)
    if copies is None:
        return []
    sentences = []
    for part, rows in (("test", data.split.test), ("validation", data.split.validation)):
        count = int(np.isin(rows, copies).sum())
        if count:
            images = counted(count, f"{part} image")
            have = "has a near copy" if count == 1 else "have near copies"
            sentences.append(f"{images} of {len(rows):,} {have} among the training images.")
    return sentences
