"""Compare feature extraction with timm, torch.compile, ONNX Runtime and OpenVINO.

    python benchmarks/features.py run [--networks efficientnet-lite0@128,resnet18@224]
    python benchmarks/features.py table

All contenders extract features of the same decoded images of CIFAR-10, on all cores. They take
turns, so that a busy machine slows all of them alike. `run` adds one row per network to
`results/features.json`. A network that is there is not measured again.

The others resize as timm's users do: float32, antialiased, batches of 64. OpenVINO gets one stream
per core, which is its setting for throughput. torch.compile freezes the weights, and its
compilation is not timed. EfficientNet-Lite has its ImageNet weights, and other networks have random
ones.

A contender whose package is not installed is left out. `pip install --group benchmarks` installs
all. torch.compile needs a C++ compiler as well.

The cosine similarity compares our features with those of float32. The probe is scikit-learn's
logistic regression on 70% of the features, evaluated on the rest.
"""

from __future__ import annotations

import io
import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from result_files import Page, Row, facts
from torch import Tensor, nn
from torch.nn import functional

from headstart.classifier import prepare_process
from headstart.data import TRAIN, Dataset, load
from headstart.features import _extract
from headstart.models import Backbone, BackboneOptions, load_backbone
from headstart.models._options import TimmOptions

NETWORKS = (
    "efficientnet-lite0@128,resnet18@224,mobilenetv3_large_100@224,convnext_tiny@224,"
    "vit_tiny_patch16_224@224,efficientnet_b0@224"
)
PACKAGES = ("torch", "timm", "onnxruntime", "openvino")
SPEED_DATA, COSINE_DATA = "cifar10", ("cifar10", "fashion-mnist")
OURS, RESIZING = "Headstart", "resizing of the others"
BATCH = 64
# Least speed relative to the best of the others.
TARGET, OTHER_TARGET, COSINE_TARGET = 2.0, 1.0, 0.999

Pixels = NDArray[np.uint8]
Features = NDArray[np.float32]
Extract = Callable[[Pixels], Features]


@dataclass(frozen=True)
class Network:
    """A network at an image size, with the same weights for all contenders.

    Attributes:
        name: Name in timm, or of a packaged backbone.
        px: Height and width of its input in pixels.
        backbone: As Headstart uses it, folded.
        net: As timm makes it.
        mean: Mean per channel that images are standardised with, of shape (3, 1, 1).
        std: Standard deviation per channel.
    """

    name: str
    px: int
    backbone: Backbone
    net: nn.Module
    mean: Tensor
    std: Tensor

    def preprocess(self, images: Pixels) -> Tensor:
        """Resize and standardise as a simple script does: float32, channels first."""
        x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        x = x.expand(-1, 3, -1, -1)
        if x.shape[2:] != (self.px, self.px):
            size, mode = (self.px, self.px), self.backbone.interpolation
            x = functional.interpolate(x, size, mode=mode, antialias=True).clamp(0, 1)
        return (x - self.mean) / self.std


def open_network(name: str, px: int, images: Pixels) -> Network:
    """Make a network; images set the statistics of its batch norms if its weights are random."""
    is_packaged = name.startswith("efficientnet-lite")
    if is_packaged:
        backbone = load_backbone(name, BackboneOptions(), px, 0)
        timm_name = "tf_" + name.replace("-", "_")
    else:
        backbone = load_backbone(f"timm/{name}", TimmOptions(pretrained=False), px, 0)
        backbone.calibrate_batch_norm([torch.from_numpy(images).permute(0, 3, 1, 2)])
        timm_name = name
    net = timm.create_model(timm_name, pretrained=False, num_classes=0).eval()
    net.load_state_dict(backbone.net.state_dict())
    mean, std = backbone.mean[0] / 255, backbone.std[0] / 255
    return Network(name, px, backbone.fold(), net.requires_grad_(False), mean, std)


def in_batches(network: Network, run: Callable[[Tensor], Any]) -> Extract:
    """Return the loop of a simple script around a function from images to features."""

    def extract(images: Pixels) -> Features:
        features = []
        with torch.inference_mode():
            for start in range(0, len(images), BATCH):
                x = network.preprocess(images[start : start + BATCH])
                features.append(np.array(run(x), np.float32).reshape(len(x), -1))
        return np.concatenate(features)

    return extract


def use_timm(network: Network) -> Extract:
    return in_batches(network, lambda x: network.net(x).numpy())


def use_compiled(network: Network, dtype: torch.dtype) -> Extract:
    """Return torch.compile's features. Freezing packs the weights; it needs blocks without grad."""
    run = torch.compile(network.net, options={"freezing": True})

    def compute(x: Tensor) -> Any:
        is_rounded = dtype == torch.bfloat16
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=is_rounded):
            return run(x.clone()).float().numpy()

    return in_batches(network, compute)


def to_onnx(network: Network) -> bytes:
    buffer = io.BytesIO()
    x = torch.zeros(BATCH, 3, network.px, network.px)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own deprecated calls
        torch.onnx.export(network.net, (x,), buffer, input_names=["x"], dynamo=True, verbose=False)
    return buffer.getvalue()


def use_onnxruntime(network: Network, model: bytes) -> Extract:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return in_batches(network, lambda x: session.run(None, {"x": x.numpy()})[0])


def use_openvino(network: Network, model: bytes, precision: str) -> Extract:
    """Return OpenVINO's features, with one stream per core."""
    import openvino

    core = openvino.Core()
    threads = torch.get_num_threads()
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,
    }
    compiled = core.compile_model(core.read_model(io.BytesIO(model)), "CPU", settings)

    def extract(images: Pixels) -> Features:
        features: list[Any] = [None] * -(-len(images) // BATCH)
        queue = openvino.AsyncInferQueue(compiled, threads)

        def keep(request: Any, number: int) -> None:
            features[number] = request.get_output_tensor().data.reshape(BATCH, -1).copy()

        queue.set_callback(keep)
        for number in range(len(features)):
            x = network.preprocess(images[number * BATCH : (number + 1) * BATCH])
            queue.start_async({0: x.numpy()}, number)
        queue.wait_all()
        return np.concatenate(features)

    return extract


def make_contenders(network: Network, dataset: Dataset) -> tuple[dict[str, Extract], Row]:
    """Return the contenders, and the reason of each that is left out."""
    contenders: dict[str, Extract] = {
        RESIZING: in_batches(network, lambda x: x[:, :, 0, 0].numpy()),
        "timm": use_timm(network),
    }
    left_out: Row = {}
    model = b""

    def onnx_model() -> bytes:
        nonlocal model
        model = model or to_onnx(network)
        return model

    makers: dict[str, Callable[[], Extract]] = {
        "torch.compile": lambda: use_compiled(network, torch.float32),
        "torch.compile, bfloat16": lambda: use_compiled(network, torch.bfloat16),
        "ONNX Runtime": lambda: use_onnxruntime(network, onnx_model()),
        "OpenVINO": lambda: use_openvino(network, onnx_model(), "f32"),
        "OpenVINO, bfloat16": lambda: use_openvino(network, onnx_model(), "bf16"),
    }
    for name, make in makers.items():
        try:
            contender = make()
            contender(dataset.images[:BATCH])  # compiles
        except ImportError as error:
            left_out[name] = f"{error.name} is not installed"
        except Exception as error:  # the exceptions of the others have no common class
            left_out[name] = (str(error).splitlines() or [type(error).__name__])[0][:200]
        else:
            contenders[name] = contender
    contenders[OURS] = use_headstart(network, dataset)
    return contenders, left_out


def use_headstart(network: Network, dataset: Dataset) -> Extract:
    """Return our features of the first images of a dataset."""

    def extract(images: Pixels) -> Features:
        rows = np.arange(len(images))
        parts = list(_extract.extract_features(network.backbone, dataset.images, rows, "auto"))
        return np.concatenate(parts).astype(np.float32)

    return extract


def measure(name: str, px: int, count: int, repeats: int) -> Row:
    """Measure one network: seconds per image by the clock and of the processor, and accuracy.

    The lowest of the repeats counts for the processor, and the median for the clock.
    """
    datasets = {data: first_images(data, count) for data in COSINE_DATA}
    dataset = datasets[SPEED_DATA]
    load_before = os.getloadavg()[0]
    network = open_network(name, px, dataset.images[:BATCH])
    contenders, left_out = make_contenders(network, dataset)
    times: dict[str, list[tuple[float, float]]] = {contender: [] for contender in contenders}
    for extract in contenders.values():
        extract(dataset.images[: 2 * BATCH])  # warm-up
    features: dict[str, Features] = {}
    for _ in range(repeats):
        for contender, extract in contenders.items():
            started, began = time.perf_counter(), time.process_time()
            features[contender] = extract(dataset.images)
            wall, cpu = time.perf_counter() - started, time.process_time() - began
            times[contender].append((wall / count, cpu / count))

    speeds = {}
    for contender, pairs in times.items():
        walls, cpus = zip(*pairs, strict=True)
        speeds[contender] = {"seconds": statistics.median(walls), "cpu_seconds": min(cpus)}
        if contender != RESIZING:
            cosine = cosines(features["timm"], features[contender])
            speeds[contender]["cosine"] = float(cosine.mean())
    return {
        "network": name,
        "px": px,
        "n": count,
        "repeats": repeats,
        "threads": torch.get_num_threads(),
        "speeds": speeds,
        "left_out": left_out,
        **accuracy_of(network, datasets),
        **facts(*PACKAGES, load=load_before),
    }


def cosines(first: Features, second: Features) -> Features:
    """Return the cosine similarity of each pair of rows."""
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    similarities: Features = (first * second).sum(1) / norms
    return similarities


def first_images(data: str, count: int) -> Dataset:
    """Return the first training images of a dataset, or its first images if it has no parts."""
    dataset = load(data)
    rows = np.flatnonzero(dataset.parts == TRAIN)
    rows = rows[:count] if len(rows) else np.arange(count)
    return load((np.array(dataset.images[rows]), dataset.labels[rows], dataset.class_names))


def accuracy_of(network: Network, datasets: dict[str, Dataset]) -> Row:
    """Return cosine similarities with float32, and the probe of a network with trained weights."""
    summaries, probes = {}, {}
    for data, dataset in datasets.items():
        exact = use_timm(network)(dataset.images)
        fast = use_headstart(network, dataset)(dataset.images)
        cosine = cosines(exact, fast)
        summaries[data] = {
            "mean": float(cosine.mean()),
            "1%": float(np.quantile(cosine, 0.01)),
            "minimum": float(cosine.min()),
        }
        if network.name.startswith("efficientnet-lite"):
            probes[data] = [probe(features, dataset.labels) for features in (exact, fast)]
    return {"cosine": summaries, "probe": probes}


def probe(features: Features, labels: NDArray[np.int64]) -> float:
    """Return the accuracy of a logistic regression on 30% of the features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    train = np.random.default_rng(0).permutation(len(labels)) < 0.7 * len(labels)
    scaler = StandardScaler().fit(features[train])
    head = LogisticRegression(C=0.003, max_iter=300).fit(
        scaler.transform(features[train]), labels[train]
    )
    return float(head.score(scaler.transform(features[~train]), labels[~train]))


def table_of(rows: list[Row]) -> list[str]:
    """Return images per second, our speed relative to the best of the others, and cosines."""
    names = list(dict.fromkeys(name for row in rows for name in row["speeds"] if name != RESIZING))
    names.sort(key=lambda name: name == OURS)
    columns = ["network, pixels", "n", *names, "times the best other", "goal", "cosine, mean (1%)"]
    lines = [f"| {' | '.join(columns)} |\n", "|---" * len(columns) + "|\n"]
    notes, missed = [], []
    for row in rows:
        title = f"{row['network']}, {row['px']}"
        speeds = {name: 1 / times["seconds"] for name, times in row["speeds"].items()}
        others = [speed for name, speed in speeds.items() if name not in (OURS, RESIZING)]
        ratio, goal = speeds[OURS] / max(others), OTHER_TARGET
        if row["network"] == "efficientnet-lite0":
            goal = TARGET
        shown = [f"{speeds[name]:,.0f}" if name in speeds else "" for name in names]
        cosines = [
            f"{data} {value['mean']:.4f} ({value['1%']:.3f})"
            for data, value in row["cosine"].items()
        ]
        cells = [title, str(row["n"]), *shown, f"{ratio:.2f}", f"{goal:g}", ", ".join(cosines)]
        lines.append(f"| {' | '.join(cells)} |\n")

        low = [data for data, value in row["cosine"].items() if value["mean"] < COSINE_TARGET]
        missed += [f"speed of {title}"] if ratio < goal else []
        missed += [f"cosine of {title} on {data}" for data in low]
        for data, (exact, fast) in row["probe"].items():
            notes.append(
                f"- {title}, probe on {data}: {fast:.2%}, with float32 features {exact:.2%}.\n"
            )
        for name, reason in row["left_out"].items():
            notes.append(f"- {title}, without {name}: {reason}.\n")
        rounded = [name for name in names if name.endswith("bfloat16") and name in row["speeds"]]
        if rounded:
            others_cosines = ", ".join(
                f"{name} {row['speeds'][name]['cosine']:.4f}" for name in rounded
            )
            notes.append(f"- {title}, mean cosine on {SPEED_DATA}: {others_cosines}.\n")
        times = ", ".join(
            f"{name} {1000 * row['speeds'][name]['cpu_seconds']:.2f}"
            for name in (*names, RESIZING)
            if name in row["speeds"]
        )
        notes.append(f"- {title}, processor ms per image: {times}.\n")
    return [*lines, "\n", *notes, f"\n**Goals missed**: {', '.join(missed) or 'none'}.\n"]


PAGE = Page("features", "features.md", ("network", "px", "n", "threads"), table_of)


def main() -> None:
    parser = PAGE.parser(__doc__)
    parser.add_argument("--networks", default=NETWORKS, help="names of timm, with sizes in pixels")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args()
    results = PAGE.use(given.results)
    if given.action == "run":
        prepare_process()
        torch.set_num_threads(given.threads or torch.get_num_threads())
        count = -(-given.images // BATCH) * BATCH  # the others accept full batches only
        for network in given.networks.split(","):
            name, px = network.split("@")
            cell = {"network": name, "px": int(px), "n": count, "threads": torch.get_num_threads()}
            if results.find(**cell) is None:
                results.add(measure(name, int(px), count, given.repeats))
                print(f"{name} at {px} px is measured", flush=True)
    PAGE.write()


if __name__ == "__main__":
    main()
