"""Download of timm weights from the hub or its cache."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from headstart import progress
from headstart.errors import InputError, ResourceError
from headstart.models._packaged import installed_backbones, timm_name

_DEFAULT_FILE = "model.safetensors"
_TIMEOUT_SECONDS = 5.0  # for a first answer
_COMMIT = re.compile("[0-9a-f]{40}")


@cache
def fetch_from_hub(model: str, revision: str | None) -> tuple[Path, str]:
    """Fetch the weights of a timm model from the hub's cache or from the hub.

    Args:
        model: Name of the backbone.
        revision: Commit of the hub's repository. None: the newest.

    Returns:
        Path of the file and the commit that it belongs to.

    Raises:
        InputError: The model has no published weights.
        ResourceError: The hub does not answer and its cache does not have the file.
    """
    import timm

    config = timm.get_pretrained_cfg(timm_name(model))
    if config is None or not config.hf_hub_id:
        raise InputError(
            f"{model} has no published weights.",
            "Pass your own with --weights FILE, or use --set pretrained=false.",
        )
    try:
        progress.say(f"{model}: weights from the hub, {config.hf_hub_id}")
        path = _download(config.hf_hub_id, config.hf_hub_filename or _DEFAULT_FILE, revision)
    except Exception as error:  # the client's own, its transport's and the system's
        installed = ", ".join(installed_backbones()) or "none installed"
        raise ResourceError(
            f"cannot fetch the weights of {model} from the hub ({config.hf_hub_id}): "
            f"{_first_line(error)}",
            f"Use a backbone that needs no network ({installed}), pass --weights FILE.safetensors, "
            "or use --set pretrained=false for random weights.",
        ) from error
    # The client stores a file in a folder that is named for its commit: snapshots/COMMIT/FILE.
    return path, path.parent.name


def _download(repository: str, file: str, revision: str | None) -> Path:
    """Return the file in the hub's cache. Fetch it first if it is missing or may have changed.

    Without a network, this falls back to the cache or fails quickly.
    """
    from huggingface_hub import (
        get_hf_file_metadata,
        hf_hub_download,
        hf_hub_url,
        try_to_load_from_cache,
    )

    in_cache = try_to_load_from_cache(repository, file, revision=revision)
    cached = Path(in_cache) if isinstance(in_cache, str) else None
    if cached is not None and _COMMIT.fullmatch(revision or ""):  # a commit never changes
        return cached

    # Without this request, the download would retry for a minute before it fails.
    url = hf_hub_url(repository, file, revision=revision)
    try:
        get_hf_file_metadata(url, timeout=_TIMEOUT_SECONDS)
    except Exception as error:  # the client's own, its transport's and the system's
        if cached is None:
            raise
        progress.say(
            f"the hub does not answer ({_first_line(error)}): using the cached {repository}"
        )
        return cached
    return Path(hf_hub_download(repository, file, revision=revision))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
