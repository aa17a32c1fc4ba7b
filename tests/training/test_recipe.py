"""Recipes: defaults, presets, explicit values and errors."""

from __future__ import annotations

import pytest

from headstart.errors import InputError
from headstart.models.recipes import PRESETS, make_recipe, read_recipe, resolve, with_net


def test_an_explicit_value_always_wins() -> None:
    recipe = make_recipe("cnn", {"lr": 0.01, "optimizer": "sgd", "nodes": 8, "flip": False})
    assert (recipe.lr, recipe.optimizer, recipe.net.model_dump()["nodes"], recipe.flip) == (
        0.01,
        "sgd",
        8,
        False,
    )
    resolved = resolve(make_recipe("cnn", {"batch": 7, "epochs": 0.5, "flip": True}), 50_000)
    assert (resolved.batch, resolved.epochs, resolved.flip) == (7, 0.5, True)


def test_none_leaves_a_value_at_its_default() -> None:
    assert make_recipe("mlp", {"lr": None}) == make_recipe("mlp")


def test_the_presets_keep_what_was_published() -> None:
    fashion, small, scenes = (
        make_recipe(name) for name in ("cnn-fashion", "cnn-fashion-small", "cnn-scenes")
    )
    assert (fashion.optimizer, fashion.lr, fashion.epochs) == ("adam", 1e-3, 20)
    assert (small.optimizer, small.lr, small.epochs, small.batch) == ("rmsprop", 1e-3, 15, 128)
    assert (scenes.optimizer, scenes.lr, scenes.epochs) == ("adam", 1e-4, 10)


@pytest.mark.parametrize(
    ("model", "key", "nearest"),
    [("cnn", "batchsize", "batch"), ("mlp", "node", "nodes"), ("cnn", "learning_rate", "lr")],
)
def test_an_error_about_an_unknown_key_names_the_nearest_one(
    model: str, key: str, nearest: str
) -> None:
    with pytest.raises(InputError, match=f"model {model} has no option '{key}'") as caught:
        make_recipe(model, {key: 1})
    assert nearest in str(caught.value)


def test_a_frozen_backbone_has_no_augmentation() -> None:
    with pytest.raises(InputError, match="model efficientnet-lite0 has no option 'rotation'"):
        make_recipe("efficientnet-lite0", {"rotation": 10})


def test_momentum_is_refused_for_an_optimizer_without_it() -> None:
    assert make_recipe("cnn", {"momentum": 0.9}).momentum == 0.9
    for model, values in (
        ("cnn-scenes", {"momentum": 0.9}),
        ("mlp", {"momentum": 0.9, "optimizer": "adamw"}),
    ):
        with pytest.raises(InputError, match="has no momentum"):
            make_recipe(model, values)


def test_an_option_that_this_model_lacks_is_an_error() -> None:
    with pytest.raises(InputError, match="model cnn-scenes has no option 'layers'"):
        make_recipe("cnn-scenes", {"layers": 3})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lr", -1),
        ("lr", 0),
        ("batch", 0),
        ("epochs", -1),
        ("dropout", 1.0),
        ("target", 1.5),
        ("optimizer", "adm"),
        ("lr", float("nan")),
        ("shift", 0.9),
        ("patience", 0),
    ],
)
def test_a_value_out_of_range_names_its_key(key: str, value: object) -> None:
    with pytest.raises(InputError, match=f"^invalid {key}: expected ") as caught:
        make_recipe("cnn", {key: value})
    assert f"--{key}" in caught.value.hint


def test_options_that_conflict_are_named() -> None:
    with pytest.raises(InputError) as caught:
        make_recipe("efficientnet-lite0", {"layer_decay": 0.5})
    assert str(caught.value) == (
        "options of efficientnet-lite0 conflict: only fine-tuning uses layer_decay; "
        "pass transfer=finetune or omit it."
    )


def test_the_digest_follows_every_value_and_nothing_else() -> None:
    assert make_recipe("cnn").digest == make_recipe("cnn").digest
    assert (
        len(
            {
                make_recipe("cnn").digest,
                make_recipe("mlp").digest,
                make_recipe("cnn", {"lr": 0.1}).digest,
                make_recipe("cnn", {"nodes": 8}).digest,
            }
        )
        == 4
    )


def test_a_changed_copy_has_its_own_digest() -> None:
    recipe = make_recipe("mlp")
    assert (
        recipe.digest
        != with_net(recipe, nodes=8).digest
        != recipe.model_copy(update={"lr": 0.5}).digest
    )


def test_a_preset_scales_the_effort_and_an_explicit_value_still_wins() -> None:
    fast, balanced, best = (
        resolve(make_recipe("cnn", {}, name), 51_000).epochs or 0 for name in PRESETS
    )
    assert fast < 3 < balanced < best
    assert make_recipe("cnn", {"lr": 0.3, "nodes": 24}, "fast").lr == 0.3
    assert make_recipe("cnn", {"nodes": 24}, "fast").net.model_dump()["nodes"] == 24


def test_the_published_networks_have_no_presets() -> None:
    with pytest.raises(InputError, match="trains as it was published and has no preset 'fast'"):
        make_recipe("cnn-fashion", {}, "fast")


def test_little_data_means_small_batches_and_many_epochs() -> None:
    small, large = (resolve(make_recipe("cnn"), images) for images in (1_000, 51_000))
    assert (large.batch, large.epochs) == (512, 16)
    assert small.batch is not None and small.batch <= 64
    assert small.epochs == 40


def test_the_fast_preset_has_small_batches_where_there_are_few_images() -> None:
    few, many = (resolve(make_recipe("cnn", preset="fast"), images) for images in (510, 51_000))
    assert (few.batch, many.batch) == (16, 384)


@pytest.mark.parametrize("model", [None, True, 3, {}, ["mlp"]])
def test_a_written_recipe_whose_model_is_no_text_is_refused(model: object) -> None:
    written = {**make_recipe("mlp").model_dump(mode="json"), "model": model}
    with pytest.raises(InputError, match="invalid model of a recipe: expected a name"):
        read_recipe(written)
