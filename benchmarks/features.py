"""Compare feature extraction with a plain float32 loop around timm: images per second and accuracy.

        python benchmarks/features.py [--images 2048] [--repeats 5] [--side 128] [--data cifar10]
                                  [--model NAME] [--threads N]

Both loops use the same decoded images, the same bicubic filter and all cores. They alternate, so
that a busy machine slows both. The cosine similarity compares the features with those of float32.
The probe is scikit-learn's logistic regression on 70% of the features, evaluated on the rest.
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
from headstart.features import _extract
from headstart.models import BackboneOptions, load_backbone


def plain_loop(net: torch.nn.Module, images: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Extract features as a simple script does: batches of 64, float32, channels first."""
    features = []
    with torch.inference_mode():
        for start in range(0, len(images), 64):
            x = torch.from_numpy(images[start : start + 64]).permute(0, 3, 1, 2).float() / 255
            x = functional.interpolate(x, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
            features.append(net((x - 0.5) / 0.5).numpy())
    return np.concatenate(features)


def headstart_features(
    backbone: Any, dataset: Dataset, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Extract features as Headstart does."""
    parts = list(_extract.extract_features(backbone, dataset, rows, "auto"))
    return np.concatenate(parts).astype(np.float32)


def probe(features: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the accuracy of a logistic regression on 30% of the features."""
    train = np.random.default_rng(0).permutation(len(labels)) < 0.7 * len(labels)
    scaler = StandardScaler().fit(features[train])
    head = LogisticRegression(C=0.003, max_iter=300).fit(
        scaler.transform(features[train]), labels[train]
    )
    return float(head.score(scaler.transform(features[~train]), labels[~train]))


def summarise(values: list[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "minimum": min(values), "maximum": max(values)}


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
    args = parser.parse_args()
    prepare_process()
    torch.set_num_threads(args.threads or torch.get_num_threads())
    dataset = load(args.data)
    training_rows = np.flatnonzero(dataset.parts == 0)
    rows = training_rows[: args.images] if len(training_rows) else np.arange(args.images)
    images = np.array(dataset.images[rows])
    backbone = load_backbone(args.model, BackboneOptions(), args.side, 0)
    net = timm.create_model(
        "tf_" + args.model.replace("-", "_"), pretrained=False, num_classes=0
    ).eval()
    net.load_state_dict(backbone.net.state_dict())
    backbone.fold()
    plain_loop(net, images[:64], args.side)
    headstart_features(backbone, dataset, rows[:256])
    speeds, cpu_speeds = [], []
    for _ in range(args.repeats):
        started, began = time.perf_counter(), time.process_time()
        exact = plain_loop(net, images[: len(images) // 4], args.side)
        middle, halfway = time.perf_counter(), time.process_time()
        fast = headstart_features(backbone, dataset, rows)
        speeds.append((len(exact) / (middle - started), len(rows) / (time.perf_counter() - middle)))
        cpu_speeds.append(
            (len(exact) / (halfway - began), len(rows) / (time.process_time() - halfway))
        )
        plain_speed, our_speed = speeds[-1]
        print(
            f"plain {plain_speed:.0f}, Headstart {our_speed:.0f} images/s: "
            f"{our_speed / plain_speed:.2f} times",
            flush=True,
        )
    exact = plain_loop(net, images, args.side)
    cosine = (exact * fast).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(fast, axis=1)
    labels = dataset.labels[rows]
    results = {
        "ratio": summarise([ours / plain for plain, ours in speeds]),
        "ratio of CPU seconds": summarise([ours / plain for plain, ours in cpu_speeds]),
        "cosine": {
            "mean": float(cosine.mean()),
            "1%": float(np.quantile(cosine, 0.01)),
            "minimum": float(cosine.min()),
        },
        "probe": {"float32": probe(exact, labels), "headstart": probe(fast, labels)},
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
