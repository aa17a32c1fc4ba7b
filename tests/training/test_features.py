"""Features of a frozen backbone: computed once, found again by content, complete or resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from headstart import store
from headstart.classifier import load_network
from headstart.data import Dataset, SplitDataset, load, make_split
from headstart.errors import RunFailed
from headstart.features import _extract, _feature_cache
from headstart.features._feature_cache import Features, compute_features
from headstart.models.recipes import make_recipe
from headstart.results import read_metrics
from headstart.training import TrainingJob, train

FROZEN = make_recipe("efficientnet-lite0", {"input_px": 32})
# Two processes that test bfloat16 on a busy machine may decide differently.
FLOAT32 = make_recipe("efficientnet-lite0", {"input_px": 32, "precision": "float32"})


@pytest.fixture
def scenes() -> Dataset:
    """60 coloured images of 20x24 pixels in three classes, told apart by colour."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = rng.integers(0, 120, (60, 20, 24, 3), dtype=np.uint8)
    images[np.arange(60), :, :, labels] += 120
    return load((images, labels))


def test_the_published_inception_runs_with_random_weights_and_is_loaded_again(
    scenes: Dataset, tmp_path: Path
) -> None:
    values = {"pretrained": False, "input_px": 96, "head": "16,d0.2,16", "epochs": 2.0}
    run = train(
        TrainingJob(
            make_recipe("inception-mixed7", values),
            SplitDataset(scenes, make_split(scenes)),
            0,
            tmp_path / "run",
        )
    )
    assert run.trainable_parameters == 768 * 4 * 4 * 16 + 16 + 16 * 16 + 16 + 16 * 3 + 3
    classifier = load_network(tmp_path / "run")
    found = classifier.probabilities(scenes.images[:4])
    assert found.shape == (4, 3) and np.allclose(found.sum(1), 1, atol=1e-5)
    assert classifier.net.state_dict().keys() == {
        f"{place}.{part}" for place in (1, 4, 6) for part in ("weight", "bias")
    }


def test_a_backbone_with_tables_that_no_file_holds_is_loaded_whole(
    scenes: Dataset, tmp_path: Path
) -> None:
    values = {"pretrained": False, "epochs": 1.0, "precision": "float32"}
    split = make_split(scenes)
    train(
        TrainingJob(
            make_recipe("timm/test_coatnet", values),
            SplitDataset(scenes, split),
            0,
            tmp_path / "run",
        )
    )
    classifier = load_network(tmp_path / "run")
    assert set(dict(classifier.named_buffers())) - set(classifier.state_dict())
    accuracy = (
        classifier.probabilities(scenes.images, split.test).argmax(1) == scenes.labels[split.test]
    ).mean()
    metrics = read_metrics(tmp_path / "run").test
    assert metrics is not None and accuracy == metrics.accuracy


def test_batches_are_as_large_as_the_images_that_a_backbone_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (150, 8, 8), dtype=np.uint8)
    dataset = load((images, np.arange(150) % 2))
    values = {"pretrained": False, "input_px": 160, "epochs": 1.0}
    train(
        TrainingJob(
            make_recipe("timm/test_resnet", values),
            SplitDataset(dataset, make_split(dataset)),
            0,
            tmp_path / "run",
        )
    )
    classifier, seen = load_network(tmp_path / "run"), list[int]()
    backbone = classifier.front.get_submodule("backbone")
    backbone.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    classifier.probabilities(dataset.images)
    assert sum(seen) == 150 and max(seen) == 2**20 // 160**2


def test_a_run_says_at_which_size_the_backbone_saw_images_and_why(
    digits: Dataset, tmp_path: Path
) -> None:
    recipe = make_recipe("timm/test_resnet", {"pretrained": False, "epochs": 1.0})
    train(
        TrainingJob(
            recipe, SplitDataset(digits, make_split(digits, train_images=100)), 0, tmp_path / "run"
        )
    )
    use = read_metrics(tmp_path / "run").backbone
    assert use is not None and use.weights == "random" and use.input_px == 128
    assert (
        "timm/test_resnet receives images of 8x8 pixels at 128x128, grey in all three channels: it "
        "halves its input five times" in use.input_note
    )


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each feature pass computes."""
    passes: list[int] = []
    extract = _extract.extract_features

    def counted(*given: Any, **named: Any) -> Iterator[NDArray[np.float16]]:
        passes.append(len(given[2]))
        return extract(*given, **named)

    monkeypatch.setattr(_feature_cache, "extract_features", counted)
    return passes


def features_of(data: SplitDataset) -> Features:
    return compute_features(FROZEN, data, 0, 32)


def test_other_splits_and_subsets_of_the_same_images_find_their_features(
    digits: Dataset, computed: list[int]
) -> None:
    few = make_split(digits, train_images=50)
    first = features_of(SplitDataset(digits, few))
    count = len(first.rows)
    assert computed == [count] and first.reused_seconds == 0 and first.seconds > 0
    more = make_split(digits, train_images=80)
    second = features_of(SplitDataset(digits, more))
    assert computed == [count, 30] and 0 < second.reused_seconds < second.seconds
    assert np.array_equal(second.select(few.train), first.select(few.train))
    whole = make_split(digits, train_images=50, seed=1)
    features_of(SplitDataset(digits, whole))
    assert len(computed) == 3 and computed[2] < count


def test_another_dataset_with_the_same_images_finds_them_too_and_each_content_is_computed_once(
    computed: list[int],
) -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 9, 9), dtype=np.uint8), np.arange(40) % 2
    dataset = load((images, labels))
    split = make_split(dataset)
    first = features_of(SplitDataset(dataset, split))
    order = rng.permutation(40)
    twice = load((np.concatenate([images[order], images]), np.concatenate([labels[order], labels])))
    parts = make_split(twice)
    second = features_of(SplitDataset(twice, parts))
    assert sum(computed) == 40
    rows = parts.train[parts.train < 40][:5]
    assert np.array_equal(
        second.select(rows), first.values[first.places[np.searchsorted(first.rows, order[rows])]]
    )


def test_weights_side_cut_and_pool_each_have_features_of_their_own(
    scenes: Dataset, computed: list[int]
) -> None:
    split = make_split(scenes)
    recipes = [
        make_recipe("timm/test_resnet", {"pretrained": False, **values})
        for values in ({}, {"cut": "layer2"}, {"cut": "layer2", "pool": "max"}, {"cut": "layer3"})
    ]
    for recipe in recipes:
        compute_features(recipe, SplitDataset(scenes, split), 0, 32)
    compute_features(recipes[0], SplitDataset(scenes, split), 1, 32)  # other random weights
    compute_features(recipes[0], SplitDataset(scenes, split), 0, 48)
    assert computed == [len(split.train) + len(split.validation) + len(split.test)] * 6
    compute_features(recipes[1], SplitDataset(scenes, split), 0, 32)
    assert len(computed) == 6


def test_what_a_failed_pass_had_done_is_kept(
    digits: Dataset, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    split = make_split(digits, train_images=100)
    counted = getattr(_feature_cache, "extract_features")  # noqa: B009  # as the fixture left it

    def broken(*given: Any, **named: Any) -> Iterator[NDArray[np.float16]]:
        for number, part in enumerate(counted(*given, **named)):
            yield part if number < 2 else np.full_like(part, np.inf)

    monkeypatch.setattr(_extract, "_PIXELS_PER_BATCH", 32 * 32 * 10)
    monkeypatch.setattr(_feature_cache, "extract_features", broken)
    with pytest.raises(RunFailed, match="not finite"):
        features_of(SplitDataset(digits, split))
    monkeypatch.setattr(_feature_cache, "extract_features", counted)
    found = features_of(SplitDataset(digits, split))
    assert computed == [len(found.rows), len(found.rows) - 40]


@pytest.mark.parametrize(
    ("name", "place"), [("values.f16", 5000), ("index.bin", 3 * 24 + 2), ("index.bin", 3 * 24 + 17)]
)
def test_a_damaged_row_is_computed_again_and_no_other(
    name: str, place: int, digits: Dataset, computed: list[int], own_cache: Path
) -> None:
    split = make_split(digits, train_images=30)
    before = np.array(features_of(SplitDataset(digits, split)).select(split.train))
    (path,) = own_cache.rglob(name)
    content = bytearray(path.read_bytes())
    content[place] ^= 255
    path.write_bytes(content)
    assert np.array_equal(features_of(SplitDataset(digits, split)).select(split.train), before)
    assert computed[1:] == [1]
    features_of(SplitDataset(digits, split))
    assert computed[2:] == []


def test_damaged_weights_of_a_cached_backbone_are_recreated(
    digits: Dataset, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = SplitDataset(digits, make_split(digits, train_images=30))
    before = features_of(data).backbone.state_dict()
    (path,) = own_cache.rglob("backbone.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    again = features_of(data).backbone.state_dict()
    assert all(torch.equal(before[name], again[name]) for name in before)
    assert "backbone.safetensors is damaged and is recreated" in capsys.readouterr().err


KILLED = """
import os, signal, sys
from headstart.data import SplitDataset, load, make_split
from headstart.features import _extract, _feature_cache
from headstart.models.recipes import make_recipe
from headstart.store import _rows
_rows._SECONDS_BETWEEN_COMMITS = 0.0
_extract._PIXELS_PER_BATCH = 32 * 32 * 8
write = _rows.write_at
def dying(path, content, offset):
    if path.name == "index.bin" and offset > 40 * 20:
        write(path, content[: len(content) // 2 + 3], offset)
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, content, offset)
_rows.write_at = dying
digits = load("digits")
split = make_split(digits, train_images=200)
recipe = make_recipe("efficientnet-lite0", {"input_px": 32, "precision": "float32"})
_feature_cache.compute_features(recipe, SplitDataset(digits, split), 0, 32)
"""


def test_features_of_a_gpu_and_of_a_cpu_are_not_mixed(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = SplitDataset(digits, make_split(digits, train_images=50))
    keys = set()
    for device in ("cpu", "cuda"):
        monkeypatch.setattr(_feature_cache, "best_device", lambda name=device: torch.device(name))
        keys.add(_feature_cache._cache_key(FLOAT32, data, 0, 32))
    assert len(keys) == 2


def test_a_pass_killed_in_the_middle_of_writing_goes_on_where_it_was(
    digits: Dataset, computed: list[int], own_cache: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    split = make_split(digits, train_images=200)
    found = compute_features(FLOAT32, SplitDataset(digits, split), 0, 32)
    assert len(computed) == 1 and 0 < computed[0] <= len(found.rows) - 40
    killed = np.array(found.select(found.rows))
    store.remove_folder(own_cache / "headstart" / "features")
    whole = compute_features(FLOAT32, SplitDataset(digits, split), 0, 32).select(found.rows)
    assert np.abs(killed.astype(np.float32) - whole).max() < 0.05 * np.abs(whole).max()


def test_features_of_a_backbone_that_was_moved_are_still_found(
    scenes: Dataset, tmp_path: Path, computed: list[int]
) -> None:
    import timm
    from safetensors.torch import save_file

    path = tmp_path / "mine.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), path)
    recipe, split = make_recipe("timm/test_resnet", {"weights": path}), make_split(scenes)
    compute_features(recipe, SplitDataset(scenes, split), 0, 64)
    path.unlink()
    compute_features(recipe, SplitDataset(scenes, split), 0, 64)
    assert len(computed) == 1
