"""Writing a classifier of one network to a run folder, and reading it back."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from pydantic import ValidationError

from headstart import __version__, store
from headstart.classifier._classifier import Classifier
from headstart.classifier._device import best_device, prepare_process
from headstart.classifier._file_format import (
    ENSEMBLE_FORMAT,
    FORMAT,
    ClassifierFile,
    EnsembleFile,
    InferenceMetadata,
)
from headstart.classifier._input_transforms import (
    BackboneInput,
    InputTransform,
    Standardise,
    StandardisedBackbone,
)
from headstart.classifier._logits import outputs_for
from headstart.errors import InputError
from headstart.models import (
    BackboneOptions,
    BackboneWithHead,
    build_head,
    build_network,
    input_reduction,
    load_backbone,
)
from headstart.models.recipes import Recipe

WEIGHTS, DESCRIPTION = "model.safetensors", "classifier.json"
_HEADER_BYTES = 16 << 20  # of a file of weights, beside the weights
_Schema = TypeVar("_Schema", ClassifierFile, EnsembleFile)


def describe_classifier(classifier: Classifier) -> ClassifierFile:
    """Return the content of `classifier.json`."""
    metadata = classifier.metadata
    return ClassifierFile(
        preprocessing=metadata.preprocessing,
        calibration=metadata.calibration,
        familiarity=metadata.ood_threshold,
        set_scores=metadata.set_scores,
        training=metadata.training,
        format=FORMAT,
        headstart=__version__,
        model=classifier.recipe.model,
        recipe=classifier.recipe.model_copy(update={"time_limit": None}),
        image_shape=classifier.image_shape,
        class_names=classifier.class_names,
        mirror=classifier.mirror,
        input_px=classifier.input_px,
    )


def save_classifier(classifier: Classifier, folder: Path) -> None:
    """Write `model.safetensors` with the weights, and `classifier.json` with everything else.

    Args:
        classifier: The classifier.
        folder: An existing folder.
    """
    from safetensors.torch import save

    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in classifier.state_dict().items()
    }
    store.write_bytes(folder / WEIGHTS, save(weights))
    store.write_bytes(folder / DESCRIPTION, _description_bytes(classifier))


def replace_metadata(folder: Path, metadata: InferenceMetadata) -> None:
    """Replace what the classifier of a finished run has besides its network.

    Args:
        folder: The run folder, whose seal stays true.
        metadata: Such as a calibration on images that are not among the training images.
    """
    classifier = load_network(folder)
    classifier.metadata = metadata
    store.replace_sealed(folder / DESCRIPTION, _description_bytes(classifier))


def _description_bytes(classifier: Classifier) -> bytes:
    description = describe_classifier(classifier)
    return store.json_bytes(description.model_dump(mode="json", exclude=_absent_keys(description)))


def _absent_keys(description: ClassifierFile) -> dict[str, bool | set[str]]:
    """Return what a file of an earlier version did not have, and still has not, written again."""
    absent: dict[str, bool | set[str]] = {}
    if description.set_scores is None:
        absent["set_scores"] = True
    limits = description.familiarity
    if limits is not None and limits.image_distribution is None:
        absent["familiarity"] = {"energy_median", "image_distribution"}
    return absent


def load_network(folder: Path) -> Classifier:
    """Load a classifier of one network, such as that of a finished run.

    Args:
        folder: The folder, which holds `classifier.json` and `model.safetensors`.

    Returns:
        The classifier, in evaluation mode on the best device.

    Raises:
        InputError: As for `load_classifier`, or the folder holds an ensemble.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    content = store.read_json(folder / DESCRIPTION)
    if isinstance(content, dict) and content.get("format") == ENSEMBLE_FORMAT:
        raise InputError(
            f"{folder} holds an ensemble: expected a classifier of one network.",
            f"Name one of its members, such as {folder / 'members' / '01'}.",
        )
    description = read_description(folder / DESCRIPTION, ClassifierFile)
    path = folder / WEIGHTS
    try:
        prepare_process()
        # The meta device allocates no memory until the weights are known to match the network.
        with torch.device("meta"):
            classifier = _rebuild(description)
        expected = sum(tensor.nbytes for tensor in classifier.state_dict().values())
        with store.verified_content(path, 2 * expected + _HEADER_BYTES) as weights_file:
            weights = load(weights_file)
            classifier.load_state_dict(weights, assign=True)

        has_unsaved_tables = any(buffer.is_meta for buffer in classifier.buffers())
        if has_unsaved_tables:  # some backbones compute tables that are not in their state
            classifier = _rebuild(description)
            classifier.load_state_dict(weights, assign=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(
            f"cannot load {path}: {str(error).splitlines()[0]}",
            "The file may be damaged. Train again into another folder with --out.",
        ) from error
    return classifier.to(best_device()).to(memory_format=torch.channels_last).eval()


def build_untrained(
    recipe: Recipe,
    class_names: tuple[str, ...],
    image_shape: tuple[int, int, int],
    input_px: int | None,
) -> Classifier:
    """Build the network of a recipe without loading any weights, including backbone weights.

    Args:
        recipe: A recipe.
        class_names: K names.
        image_shape: (height, width, channels).
        input_px: The image size to which a backbone resizes; None for the other networks.
    """
    options, outputs = recipe.net, outputs_for(len(class_names))
    front: InputTransform
    if isinstance(options, BackboneOptions):
        assert input_px is not None, "a backbone needs an image size"
        backbone = load_backbone(recipe.model, options, input_px, 0, empty=True)
        net = build_head(backbone.num_features, outputs, options)
        if not options.learns_end_to_end:
            front = StandardisedBackbone(backbone.fold())
        else:
            net = BackboneWithHead(backbone, net, trains_batch_norm=not options.pretrained)
            front = BackboneInput(net)
    else:
        front = Standardise(image_shape[2], input_reduction(recipe.model, image_shape))
        net = build_network(recipe.model, options, image_shape, outputs, 0)
    return Classifier(front, net, recipe, class_names, image_shape)


def read_description(path: Path, schema: type[_Schema]) -> _Schema:
    """Read a `classifier.json`.

    Args:
        path: The file.
        schema: `ClassifierFile` or `EnsembleFile`.

    Raises:
        InputError: There is no such file, or its content does not follow the schema.
    """
    content = store.read_json(path)
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the content"
        value = str(first["input"])[:80]
        reason = first["msg"].removeprefix("Value error, ")
        raise InputError(
            f"cannot load {path}: {key} is {value!r}: {reason}.",
            "The file may be damaged, or written by a newer version of Headstart. "
            "Train again into another folder with --out.",
        ) from error


def _rebuild(description: ClassifierFile) -> Classifier:
    """Build the network that `classifier.json` describes, without its weights."""
    classifier = build_untrained(
        description.recipe,
        description.class_names,
        description.image_shape,
        description.input_px,
    )
    classifier.mirror = description.mirror
    classifier.metadata = description.metadata
    return classifier
