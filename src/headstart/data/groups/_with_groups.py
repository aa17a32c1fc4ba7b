"""`group_by="inferred"`: a dataset with the groups that were inferred for it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from headstart import progress, store
from headstart.data._fingerprints import content_key
from headstart.data._types import Dataset
from headstart.data.groups._file_facts import FileFacts, read_file_facts
from headstart.data.groups._infer import InferredGroups, infer_groups

INFERRED = "inferred"  # the value of `group_by`
# Raise this when other groups would be inferred.
_FORMAT = 1


def with_inferred_groups(dataset: Dataset, *, use_cache: bool = True) -> Dataset:
    """Return a dataset with inferred groups, and print what was found.

    Where the data assign images to parts, a group ends at the border of a part.

    The groups are kept in the cache, by the contents of the images and the headers of their files.

    Args:
        dataset: The dataset. Groups that it has are replaced.
        use_cache: Whether groups may come from the cache.

    Raises:
        ResourceError: The cache cannot be written.
    """
    facts = read_file_facts(dataset)
    path = store.cache_folder() / "groups" / f"{_cache_key(dataset, facts)}.json"
    inferred = _read(path.name, len(dataset)) if use_cache else None
    if inferred is None:
        inferred = infer_groups(dataset, facts=facts)
        content = {
            "groups": inferred.groups.tolist(),
            "sources": inferred.sources,
            "evidence": inferred.evidence,
        }
        store.write_json(path, content)

    progress.say(f"{dataset.name}: {inferred.sentence}")
    if not inferred.count:
        return replace(dataset, groups=None)

    pairs = np.stack([inferred.groups, dataset.parts.astype(np.int64)])
    _, groups = np.unique(pairs, axis=1, return_inverse=True)
    groups = groups.reshape(-1).astype(np.int64)
    divided = len(np.unique(groups)) - len(np.unique(inferred.groups))
    if divided:
        progress.say(
            f"{dataset.name}: the parts that come with the data divide groups, "
            f"{divided:,} times in all; headstart audit lists the images"
        )
    return replace(dataset, groups=groups)


def _cache_key(dataset: Dataset, facts: FileFacts | None) -> str:
    headers = b"" if facts is None else facts.taken.tobytes()
    cameras = "" if facts is None else json.dumps(facts.camera)
    names = json.dumps(dataset.image_names)
    return content_key(f"groups {_FORMAT}", dataset.fingerprint, names, headers, cameras)


def _read(name: str, count: int) -> InferredGroups | None:
    """Return the groups in the cache; None if there are none, or not for so many images."""
    entry = store.read_json_or(store.cache_folder() / "groups" / name, {})
    try:
        groups = np.array(entry["groups"], np.int64)
        inferred = InferredGroups(groups, tuple(entry["sources"]), tuple(entry["evidence"]))
    except (KeyError, TypeError, ValueError):
        return None
    return inferred if groups.shape == (count,) else None
