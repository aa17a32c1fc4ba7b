"""Writing an ensemble to a folder, and reading any classifier back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headstart import __version__, store
from headstart.classifier._classifier import Classifier
from headstart.classifier._ensemble import EnergyScale, Ensemble
from headstart.classifier._file_format import (
    ENSEMBLE_FORMAT,
    MOST_MEMBERS,
    EnsembleFile,
    InferenceMetadata,
    MemberFile,
)
from headstart.classifier._save_load import (
    DESCRIPTION,
    WEIGHTS,
    load_network,
    read_description,
)
from headstart.errors import InputError


def open_ensemble(members: Sequence[Path], weights: Sequence[float]) -> Ensemble:
    """Open finished runs as one ensemble, which is not calibrated yet.

    Args:
        members: Folders of finished runs of one dataset. Each has one network.
        weights: The weight of each, 0 or more. They are divided by their sum. Members of weight 0
            are left out, and the others are ordered by weight.

    Returns:
        The ensemble, in evaluation mode.

    Raises:
        InputError: The members have other classes or images, or the weights are invalid.
    """
    chosen = choose_members(members, weights)
    classifiers = [load_network(folder) for folder, _ in chosen]
    return Ensemble(classifiers, [weight for _, weight in chosen]).eval()


def save_ensemble(
    folder: Path,
    members: Sequence[Path],
    weights: Sequence[float],
    *,
    energy_scales: Sequence[EnergyScale] | None = None,
    metadata: InferenceMetadata | None = None,
) -> None:
    """Write an ensemble as a classifier folder, which needs no other folder.

    `load_classifier` opens it. The members' files are copied to `members/`. `classifier.json` comes
    last. `training.build_ensemble` also calibrates and evaluates the ensemble, and should be used
    where data are at hand.

    Args:
        folder: The folder to write.
        members: Folders of finished runs of one dataset. Each has one network.
        weights: The weight of each, as for `open_ensemble`.
        energy_scales: The scale of the energy scores of each member whose weight is above 0, from
            the largest weight to the smallest. None leaves the scores as they are.
        metadata: Calibration, OOD threshold and training summary. None for the members'
            preprocessing alone.

    Raises:
        InputError: The members have other classes or images, or the weights are invalid.
        ResourceError: The disk is full.
    """
    chosen = choose_members(members, weights)
    ensemble = open_ensemble(members, weights)
    scales = energy_scales or ensemble.energy_scales
    entries: list[MemberFile] = []
    for place, ((member, weight), scale) in enumerate(zip(chosen, scales, strict=True), start=1):
        own = f"members/{place:02}"
        store.ensure_folder(folder / own)
        store.unseal(folder / own)
        for name in (WEIGHTS, DESCRIPTION):
            store.write_bytes(folder / own / name, store.read_verified(member / name))
        store.seal(folder / own)
        entries.append(
            MemberFile(folder=own, weight=weight, energy_mean=scale.mean, energy_std=scale.std)
        )

    metadata = metadata or ensemble.metadata
    description = EnsembleFile(
        preprocessing=metadata.preprocessing,
        calibration=metadata.calibration,
        familiarity=metadata.ood_threshold,
        set_scores=metadata.set_scores,
        training=metadata.training,
        format=ENSEMBLE_FORMAT,
        headstart=__version__,
        image_shape=ensemble.image_shape,
        class_names=ensemble.class_names,
        members=tuple(entries),
    )
    store.write_json(folder / DESCRIPTION, description.model_dump(mode="json"))


def load_classifier(folder: Path) -> Classifier | Ensemble:
    """Load the classifier of a finished run: one network or an ensemble.

    Args:
        folder: A run folder, or another folder that holds `classifier.json` and weights.

    Returns:
        The classifier, in evaluation mode on the best device.

    Raises:
        InputError: The folder holds no finished run, or its files are damaged or written by a newer
            version.
    """
    if not is_ensemble(folder):
        return load_network(folder)
    description = read_description(folder / DESCRIPTION, EnsembleFile)
    ensemble = Ensemble(
        [load_network(folder / member.folder) for member in description.members],
        [member.weight for member in description.members],
        [EnergyScale(member.energy_mean, member.energy_std) for member in description.members],
    )
    for name in ("class_names", "image_shape"):
        if getattr(ensemble, name) != getattr(description, name):
            raise InputError(
                f"cannot load {folder / DESCRIPTION}: its members have another {name}.",
                "The files may be damaged. Build the ensemble again in another folder.",
            )
    ensemble.metadata = description.metadata
    return ensemble.eval()


def is_ensemble(folder: Path) -> bool:
    """Return whether a classifier folder says that it holds an ensemble."""
    content = store.read_json_or(folder / DESCRIPTION, {})
    return isinstance(content, dict) and content.get("format") == ENSEMBLE_FORMAT


def classifier_files(folder: Path) -> list[Path]:
    """Return the files that `load_classifier` reads, as paths inside the folder."""
    files = [Path(DESCRIPTION)]
    if not is_ensemble(folder):
        return [*files, Path(WEIGHTS)]
    description = read_description(folder / DESCRIPTION, EnsembleFile)
    for member in description.members:
        files += [Path(member.folder) / DESCRIPTION, Path(member.folder) / WEIGHTS]
    return files


def member_manifests(folder: Path) -> list[str]:
    """Return the paths of the members' manifests inside an ensemble; none for one network."""
    places = [path.parent for path in classifier_files(folder) if path.name == WEIGHTS]
    return [f"{place.as_posix()}/manifest.json" for place in places if place.name]


def choose_members(members: Sequence[Path], weights: Sequence[float]) -> list[tuple[Path, float]]:
    """Return the members of positive weight and their weights, from the largest on.

    Args:
        members: Folders of finished runs.
        weights: The weight of each, 0 or more.

    Raises:
        InputError: A weight is negative, all are 0, or there is not one per member.
    """
    if len(members) != len(weights) or not all(0 <= weight < float("inf") for weight in weights):
        raise InputError(
            f"invalid weights: expected {len(members)} numbers of 0 or more, got {list(weights)}.",
            "Give one weight per member.",
        )
    total = sum(weights)
    pairs = zip(members, weights, strict=True)
    used = [(member, weight / total) for member, weight in pairs if weight > 0]
    if not 1 <= len(used) <= MOST_MEMBERS:
        raise InputError(
            f"invalid weights: expected 1 to {MOST_MEMBERS} above 0, got {len(used)}.",
            "Select fewer members, such as with `evaluation.select_ensemble`.",
        )
    return sorted(used, key=lambda pair: -pair[1])
