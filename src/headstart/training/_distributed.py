"""One run on several processes (torchrun): each takes its share of every batch; the first one writes.

Without torchrun every function here is the identity for one process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from headstart import progress, store
from headstart.classifier import best_device

T = TypeVar("T")


def _is_shared() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def count() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if _is_shared() else 1


def is_first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return not _is_shared() or distributed.get_rank() == 0


@contextmanager
def joined() -> Iterator[None]:
    """Join the other processes that torchrun started, if it did: gloo between processors, nccl between GPUs."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or _is_shared():
        yield
        return
    if best_device().type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if best_device().type == "cuda" else "gloo")
    if not is_first():
        progress.show_progress(False)
    try:
        yield
    finally:
        distributed.destroy_process_group()


@contextmanager
def first_goes_first() -> Iterator[None]:
    """The first process runs the block alone, then the others: what it leaves in a cache is computed once."""
    if not is_first():
        distributed.barrier()
    yield
    if is_first() and _is_shared():
        distributed.barrier()


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """The first process holds the run folder while the block runs."""
    with store.claim(folder) if is_first() else nullcontext():
        yield


def any_signal(signum: int | None) -> int:
    """The signal that any of the processes was given; 0 for none."""
    if not _is_shared():
        return signum or 0
    found = torch.tensor(signum or 0, device=best_device())
    distributed.all_reduce(found, distributed.ReduceOp.MAX)
    return int(found)


def own_part(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """This process's part of the rows; all parts together, in order of processes, are `rows`."""
    return np.array_split(rows, count())[distributed.get_rank()] if _is_shared() else rows


def own_slice(images: int) -> slice:
    """Where `own_part` of a batch lies in it."""
    rows = own_part(np.arange(images))
    return slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0)


def gathered(part: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    """Every process's part `(n, K)` of results for `rows` rows, in the order of `own_part`."""
    if not _is_shared():
        return part
    longest = -(-rows // count())
    padded = torch.zeros(longest, part.shape[1], device=best_device())
    padded[: len(part)] = torch.from_numpy(part).to(best_device())
    parts = [torch.empty_like(padded) for _ in range(count())]
    distributed.all_gather(parts, padded)
    sizes = [len(own) for own in np.array_split(np.arange(rows), count())]
    return np.concatenate(
        [found[:size].cpu().numpy() for found, size in zip(parts, sizes, strict=True)]
    )


def total(value: Tensor) -> Tensor:
    """The sum over all processes."""
    if _is_shared():
        value = value.clone()
        distributed.all_reduce(value)
    return value


def share_of(weight: Tensor) -> Tensor | float:
    """By what to multiply a mean of total weight `weight` so that the average over processes is the mean over all images."""
    return weight * count() / total(weight) if _is_shared() else 1.0


def agreed(value: T) -> T:
    """The first process's value, in every process."""
    if not _is_shared():
        return value
    box: list[Any] = [value]
    distributed.broadcast_object_list(
        box, device=best_device() if best_device().type == "cuda" else None
    )
    found: T = box[0]
    return found


class _Sum(torch.autograd.Function):
    """The sum over all processes, and the sum of its gradients on the way back."""

    @staticmethod
    def forward(_: Any, value: Tensor) -> Tensor:
        return total(value)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return total(gradient)


class _BatchNorm(nn.BatchNorm2d):
    """Batch norm over the images of all processes; torch's own `SyncBatchNorm` is for GPUs only.

    Attributes:
        behind: what a batch norm of timm does to its output: dropout and activation.
    """

    behind: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.behind(self._normalised(x))
        return found

    def _normalised(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        values = x.float()
        size = total(values.new_tensor(values.numel() // values.shape[1]))
        sums = (
            _Sum.apply(torch.stack([values.sum((0, 2, 3)), (values * values).sum((0, 2, 3))]))
            / size
        )
        mean, variance = sums[0], sums[1] - sums[0] * sums[0]
        with torch.no_grad():
            assert (
                self.running_mean is not None
                and self.running_var is not None
                and self.num_batches_tracked is not None
            )
            momentum = 0.1 if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * size / (size - 1), momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - mean * scale
        found: Tensor = (values * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)).to(x.dtype)
        return found


def shared(net: nn.Module) -> nn.Module:
    """The network as all processes train it together: gradients are averaged, batch norm sees the whole batch.

    The weights stay those of `net`, under their own names; without torchrun this is `net` itself.
    """
    if not _is_shared():
        return net
    for module in net.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                synced = _BatchNorm(child.num_features, child.eps, child.momentum)
                synced.load_state_dict(child.state_dict())
                synced.behind = nn.Sequential(*child.children())
                for ours, theirs in zip(synced.parameters(), child.parameters(), strict=True):
                    ours.requires_grad_(theirs.requires_grad)
                setattr(module, name, synced.to(best_device()))
    return DistributedDataParallel(net)
