"""Several classifiers as one: the weighted mean of their calibrated probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headstart.classifier._base_classifier import BaseClassifier
from headstart.classifier._classifier import Classifier
from headstart.classifier._file_format import InferenceMetadata
from headstart.classifier._input_transforms import StandardisedBackbone
from headstart.classifier._logits import sum_tensors
from headstart.classifier._precision import use_bfloat16
from headstart.errors import InputError
from headstart.evaluation import MIN_PROBABILITY, apply_temperature
from headstart.models import Backbone


@dataclass(frozen=True)
class EnergyScale:
    """Mean and standard deviation of a member's energy scores for the validation images."""

    mean: float = 0.0
    std: float = 1.0


class Ensemble(BaseClassifier):
    """Classifiers of the same classes and images, and the weight of each.

    Its probabilities are the weighted mean of the members' calibrated probabilities. Its energy
    score is the weighted mean of theirs, each standardised on the validation images: the scales of
    two networks differ. A temperature of its own calibrates the mean.

    Members on the same frozen backbone, at the same image size, share one pass over it and its
    memory.

    Attributes:
        members: The classifiers.
        weights: The weight of each. They sum to 1.
        energy_scales: The scale of each member's energy scores.
        passes: The numbers of the members that share a pass over a backbone, or one number alone.
    """

    def __init__(
        self,
        members: Sequence[Classifier],
        weights: Sequence[float],
        energy_scales: Sequence[EnergyScale] | None = None,
    ) -> None:
        require_same_images(members)
        super().__init__(members[0].class_names, members[0].image_shape)
        self.members, self.weights = nn.ModuleList(members), tuple(weights)
        self.energy_scales = tuple(energy_scales or [EnergyScale()] * len(members))
        self.passes = _share_backbones(members)
        self.metadata = InferenceMetadata(preprocessing=members[0].preprocessing)

    @property
    def model_name(self) -> str:
        """Always ensemble."""
        return "ensemble"

    @property
    def costs(self) -> NDArray[np.float64] | None:
        """The costs of the member with the largest weight."""
        return self.classifiers[self.weights.index(max(self.weights))].costs

    @property
    def mirror(self) -> bool:
        """False: members whose recipes say so see mirror images in `forward` as well."""
        return False

    @property
    def classifiers(self) -> list[Classifier]:
        """The members, with their type."""
        return [member for member in self.members if isinstance(member, Classifier)]

    @property
    def _largest_input_px(self) -> int:
        return max(member.input_px or 0 for member in self.classifiers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logarithms of the probabilities of images `(N, C, H, W)`.

        Their softmax equals `probabilities`.
        """
        return self.outputs(x)[0].clamp_min(MIN_PROBABILITY).log()

    def outputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities `(N, K)`, and energy scores `(N,)`."""
        return self.combine(self.member_outputs(x))

    def member_outputs(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return calibrated probabilities `(N, K)` and energy scores `(N,)` of each member.

        Args:
            x: Images `(N, C, H, W)`, floats from 0 to 255.
        """
        classifiers = self.classifiers
        outputs: dict[int, tuple[Tensor, Tensor]] = {}
        for places in self.passes:
            first = classifiers[places[0]]
            has_mirror = any(classifiers[place].mirror for place in places)
            views = [x, x.flip(3)] if has_mirror else [x]
            with first.autocast():
                inputs = [first.shared_inputs(view) for view in views]
                for place in places:
                    outputs[place] = calibrated_outputs(classifiers[place], inputs)
        return [outputs[place] for place in range(len(classifiers))]

    def predict_members(
        self, images: NDArray[np.uint8], rows: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return calibrated probabilities `(N, M, K)` and energy scores `(N, M)` of the M members.

        Args:
            images: uint8 `(N, H, W, C)` of `image_shape`.
            rows: Indices of the images to predict; None for all.
        """

        def stacked_outputs(x: Tensor) -> tuple[Tensor, Tensor]:
            probabilities, energy_scores = zip(*self.member_outputs(x), strict=True)
            return torch.stack(probabilities, 1), torch.stack(energy_scores, 1)

        return self.predict_in_batches(stacked_outputs, images, rows)

    def combine(self, outputs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Return probabilities `(N, K)` and energy scores `(N,)` from `member_outputs`."""
        probabilities, energy_scores = [], []
        for (of_member, energy), weight, scale in zip(
            outputs, self.weights, self.energy_scales, strict=True
        ):
            probabilities.append(weight * of_member)
            energy_scores.append(weight * (energy - scale.mean) / scale.std)
        return sum_tensors(probabilities), sum_tensors(energy_scores)


def calibrated_outputs(member: Classifier, views: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return calibrated probabilities and energy scores of a member of an ensemble.

    Args:
        member: The member.
        views: `shared_inputs` of the images, and of their mirror images if any member of the same
            pass needs them.
    """
    used = views if member.mirror else views[:1]
    probabilities, energy_scores = member.outputs_of(used)
    return apply_temperature(probabilities, member.metadata.temperature), energy_scores


def require_same_images(members: Sequence[Classifier]) -> None:
    """Raise InputError unless classifiers have the same classes and accept the same images."""
    if not members:
        raise InputError("invalid members: expected at least one, got none.", "Name finished runs.")
    first = members[0]
    for member in members[1:]:
        if member.class_names != first.class_names:
            raise InputError(
                "invalid members: expected the same classes, got "
                f"{', '.join(first.class_names[:3])}... and "
                f"{', '.join(member.class_names[:3])}...",
                "Combine runs of one dataset.",
            )
        if (member.image_shape, member.preprocessing) != (first.image_shape, first.preprocessing):
            raise InputError(
                "invalid members: expected images of the same shape and preprocessing, got "
                f"{first.image_shape} and {member.image_shape}.",
                "Train all members with the same --image-size and --resize.",
            )


def _share_backbones(members: Sequence[Classifier]) -> tuple[tuple[int, ...], ...]:
    """Let members with equal frozen backbones share one; return the members of each pass."""
    passes: list[list[int]] = []
    for place, member in enumerate(members):
        for places in passes:
            if _share_backbone(members[places[0]], member):
                places.append(place)
                break
        else:
            passes.append([place])
    return tuple(map(tuple, passes))


def _share_backbone(first: Classifier, second: Classifier) -> bool:
    """Give a classifier the frozen backbone of another if theirs are equal; return whether."""
    if not isinstance(first.front, StandardisedBackbone):
        return False
    if not isinstance(second.front, StandardisedBackbone):
        return False
    if use_bfloat16(first.recipe.precision) != use_bfloat16(second.recipe.precision):
        return False
    if not _are_equal(first.front.backbone, second.front.backbone):
        return False
    second.front.backbone = first.front.backbone
    return True


def _are_equal(first: Backbone, second: Backbone) -> bool:
    for name in ("input_px", "cut", "pool", "interpolation"):
        if getattr(first, name) != getattr(second, name):
            return False
    weights, others = first.state_dict(), second.state_dict()
    if weights.keys() != others.keys():
        return False
    return all(torch.equal(weights[name], others[name]) for name in weights)
