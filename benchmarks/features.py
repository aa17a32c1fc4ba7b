"""Feature extraction against timm's plain float32 loop: images a second, cosine, and what the difference does to a probe.

    python benchmarks/features.py [--images 2048] [--repeats 5] [--side 128] [--data cifar10] [--model NAME] [--threads N]

Both loops see the same decoded images, resize them with the same bicubic filter and use all cores; they alternate, so that a busy
machine slows both. The probe is scikit-learn's logistic regression on 70% of the features, judged on the rest.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from headstart.classifier import prepare_process
from headstart.data import Dataset, load
from headstart.features import _feature_cache
from headstart.models import BackboneOptions, load_backbone


def plain_loop(net: torch.nn.Module, images: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """What a first script does: batches of 64, resize, standardise, forward; float32, channels first."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(images), 64):
            x = torch.from_numpy(images[start : start + 64]).permute(0, 3, 1, 2).float() / 255
            x = functional.interpolate(x, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
            found.append(net((x - 0.5) / 0.5).numpy())
    return np.concatenate(found)


def ours(backbone: Any, dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.concatenate(list(_feature_cache._extract(backbone, dataset, rows, "auto"))).astype(
        np.float32
    )


def probe(features: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    train = np.random.default_rng(0).permutation(len(labels)) < 0.7 * len(labels)
    scaler = StandardScaler().fit(features[train])
    head = LogisticRegression(C=0.003, max_iter=300).fit(
        scaler.transform(features[train]), labels[train]
    )
    return float(head.score(scaler.transform(features[~train]), labels[~train]))


def spread(values: list[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "least": min(values), "most": max(values)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--data", default="cifar10")
    parser.add_argument(
        "--model",
        default="efficientnet-lite0",
        choices=("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"),
    )
    parser.add_argument("--threads", type=int, default=0)
    asked = parser.parse_args()
    prepare_process()
    torch.set_num_threads(asked.threads or torch.get_num_threads())
    dataset = load(asked.data)
    rows = (
        np.flatnonzero(dataset.parts == 0)[: asked.images]
        if (dataset.parts == 0).any()
        else np.arange(asked.images)
    )
    images = np.array(dataset.images[rows])
    backbone = load_backbone(asked.model, BackboneOptions(), asked.side, 0)
    net = timm.create_model(
        "tf_" + asked.model.replace("-", "_"), pretrained=False, num_classes=0
    ).eval()
    net.load_state_dict(backbone.net.state_dict())
    backbone.fold()
    plain_loop(net, images[:64], asked.side)
    ours(backbone, dataset, rows[:256])
    speeds, computed = [], []
    for _ in range(asked.repeats):
        started, began = time.perf_counter(), time.process_time()
        exact = plain_loop(net, images[: len(images) // 4], asked.side)
        middle, halfway = time.perf_counter(), time.process_time()
        fast = ours(backbone, dataset, rows)
        speeds.append((len(exact) / (middle - started), len(rows) / (time.perf_counter() - middle)))
        computed.append(
            (len(exact) / (halfway - began), len(rows) / (time.process_time() - halfway))
        )
        print(
            f"plain {speeds[-1][0]:.0f}, ours {speeds[-1][1]:.0f} images/s: {speeds[-1][1] / speeds[-1][0]:.2f} times",
            flush=True,
        )
    exact = plain_loop(net, images, asked.side)
    cosine = (exact * fast).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(fast, axis=1)
    labels = dataset.labels[rows]
    found = {
        "ratio": spread([b / a for a, b in speeds]),
        "ratio of processor seconds": spread([b / a for a, b in computed]),
        "cosine": {
            "mean": float(cosine.mean()),
            "1%": float(np.quantile(cosine, 0.01)),
            "least": float(cosine.min()),
        },
        "probe": {"float32": probe(exact, labels), "ours": probe(fast, labels)},
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
