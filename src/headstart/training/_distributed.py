"""One run on several processes (torchrun): each trains on its shard of every batch.

The main process writes files and prints. Without torchrun, every function here is the identity.
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


def _is_distributed() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def world_size() -> int:
    """Return the number of processes that train together."""
    return distributed.get_world_size() if _is_distributed() else 1


def is_main_process() -> bool:
    """Return whether this process is the one that writes and prints."""
    return not _is_distributed() or distributed.get_rank() == 0


@contextmanager
def process_group() -> Iterator[None]:
    """Join the other processes that torchrun started, if any, for the block.

    CPUs communicate through gloo, GPUs through nccl.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or _is_distributed():
        yield
        return

    is_on_gpu = best_device().type == "cuda"
    if is_on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if is_on_gpu else "gloo")
    if not is_main_process():
        progress.show_progress(False)

    try:
        yield
    finally:
        distributed.destroy_process_group()


@contextmanager
def main_process_first() -> Iterator[None]:
    """Run the block in the main process, then in the others: they find its results in the cache."""
    if not is_main_process():
        distributed.barrier()
    yield
    if is_main_process() and _is_distributed():
        distributed.barrier()


@contextmanager
def claim_folder(folder: Path) -> Iterator[None]:
    """Lock the run folder for the block, in the main process."""
    with store.claim(folder) if is_main_process() else nullcontext():
        yield


def any_signal(signum: int | None) -> int:
    """Return the signal that any of the processes received, or 0."""
    if not _is_distributed():
        return signum or 0
    largest = torch.tensor(signum or 0, device=best_device())
    distributed.all_reduce(largest, distributed.ReduceOp.MAX)
    return int(largest)


def shard(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return this process's shard of the rows; all shards in order of processes are `rows`."""
    if not _is_distributed():
        return rows
    return np.array_split(rows, world_size())[distributed.get_rank()]


def shard_slice(batch_size: int) -> slice:
    """Return the place of this process's shard in a batch."""
    rows = shard(np.arange(batch_size))
    return slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0)


def all_gather(part: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    """Concatenate the results of all processes.

    Args:
        part: Float32 array of shape (n, K): the results of this process's shard.
        rows: Number N of rows of all shards together.

    Returns:
        Float32 array of shape (N, K), in the order of `shard`.
    """
    if not _is_distributed():
        return part

    sizes = [len(indices) for indices in np.array_split(np.arange(rows), world_size())]
    padded = torch.zeros(max(sizes), part.shape[1], device=best_device())
    padded[: len(part)] = torch.from_numpy(part).to(best_device())
    gathered = [torch.empty_like(padded) for _ in sizes]
    distributed.all_gather(gathered, padded)
    parts = [tensor[:size].cpu().numpy() for tensor, size in zip(gathered, sizes, strict=True)]
    return np.concatenate(parts)


def all_reduce_sum(value: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes."""
    if _is_distributed():
        value = value.clone()
        distributed.all_reduce(value)
    return value


def mean_scale(weight: Tensor) -> Tensor | float:
    """Return the factor that makes the average of per-process means the mean over the whole batch.

    Args:
        weight: Sum of the weights of the images in this process's mean.
    """
    if not _is_distributed():
        return 1.0
    return weight * world_size() / all_reduce_sum(weight)


def broadcast(value: T) -> T:
    """Return the main process's value in every process."""
    if not _is_distributed():
        return value
    values: list[Any] = [value]
    device = best_device() if best_device().type == "cuda" else None
    distributed.broadcast_object_list(values, device=device)
    result: T = values[0]
    return result


class _AllReduceSum(torch.autograd.Function):
    """The sum over all processes; backward, the sum of its gradients."""

    @staticmethod
    def forward(_: Any, value: Tensor) -> Tensor:
        return all_reduce_sum(value)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return all_reduce_sum(gradient)


class _SyncBatchNorm(nn.BatchNorm2d):
    """Batch norm over the images of all processes. torch's own `SyncBatchNorm` needs GPUs.

    Attributes:
        after: What timm's batch norm applies to its output: dropout and activation.
    """

    after: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.after(self._normalise(x))
        return output

    def _normalise(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)

        values = x.float()
        size = all_reduce_sum(values.new_tensor(values.numel() // values.shape[1]))
        local_sums = torch.stack([values.sum((0, 2, 3)), (values * values).sum((0, 2, 3))])
        sums = _AllReduceSum.apply(local_sums) / size
        mean, variance = sums[0], sums[1] - sums[0] * sums[0]

        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            momentum = 0.1 if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * size / (size - 1), momentum)
            self.num_batches_tracked += 1

        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - mean * scale
        output: Tensor = (values * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)).to(x.dtype)
        return output


def wrap_model(net: nn.Module) -> nn.Module:
    """Wrap a network so that all processes train it together.

    Gradients are averaged, and batch norm normalises over the whole batch. The weights stay those
    of `net`, under their own names. Without torchrun, this returns `net` itself.
    """
    if not _is_distributed():
        return net

    for module in net.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, _synchronise(child).to(best_device()))
    return DistributedDataParallel(net)


def _synchronise(batch_norm: nn.BatchNorm2d) -> _SyncBatchNorm:
    """Return a batch norm over all processes with the same weights."""
    synced = _SyncBatchNorm(batch_norm.num_features, batch_norm.eps, batch_norm.momentum)
    synced.load_state_dict(batch_norm.state_dict())
    synced.after = nn.Sequential(*batch_norm.children())
    pairs = zip(synced.parameters(), batch_norm.parameters(), strict=True)
    for weight, original in pairs:
        weight.requires_grad_(original.requires_grad)
    return synced
