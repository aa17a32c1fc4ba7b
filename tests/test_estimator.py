"""`ImageClassifier` behaves as scikit-learn expects, and trains as `headstart.train` does."""

from __future__ import annotations

import pickle
import pickletools
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import headstart
from headstart import ImageClassifier
from headstart.api import _estimator
from headstart.errors import InputError, Stopped

pytestmark = pytest.mark.usefixtures("same_precision")  # scikit-learn starts processes
Images = NDArray[np.uint8]


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [ImageClassifier("mlp", epochs=8, nodes=64, layers=1, batch=16, precision="float32")],
    expected_failed_checks=lambda _: {},
)
def test_every_check_of_scikit_learn_passes(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


def bright_and_dark(
    count: int = 120, side: int = 6, channels: int = 1
) -> tuple[Images, NDArray[np.str_]]:
    """Noise in three shades that a linear net tells apart."""
    rng = np.random.default_rng(0)
    shade = np.arange(count) % 3
    shape = (count, side, side) if channels == 1 else (count, side, side, channels)
    images = rng.integers(0, 90, shape) + 80 * shade.reshape(-1, *[1] * (len(shape) - 1))
    return images.astype(np.uint8), np.array(["dark", "grey", "bright"])[shade]


def quick(**keys: Any) -> ImageClassifier:
    return ImageClassifier("mlp", **{"epochs": 4, "nodes": 16, "layers": 1, **keys})


def test_digits_are_classified(digits: Any) -> None:
    model = ImageClassifier("mlp", "fast").fit(digits.images[:1200], digits.labels[:1200])
    assert model.score(digits.images[1200:], digits.labels[1200:]) > 0.9
    assert model.image_shape_ == (8, 8, 1) and model.pixel_range_ == (0, 255)


def test_fit_ends_with_the_weights_of_train(tmp_path: Path) -> None:
    X, y = bright_and_dark()
    headstart.train(
        (X, y), model="cnn", epochs=2, seed=5, validation=0.2, test=0.0, out=tmp_path / "train"
    )
    ImageClassifier(epochs=2, random_state=5, validation=0.2, out=tmp_path / "fit").fit(X, y)
    for name in ("model.safetensors", "predictions.csv"):
        # Classes are numbered in the order of their names, in both.
        assert (tmp_path / "fit" / name).read_bytes() == (tmp_path / "train" / name).read_bytes()


def test_the_type_and_shape_of_the_images_do_not_matter() -> None:
    X, y = bright_and_dark()
    X[0, 0, 0] = 255  # white is there, so that a scale to 1 is the same scale
    expected = quick().fit(X, y).predict_proba(X)
    rows = X.reshape(len(X), -1)
    for form in (
        rows,
        X[..., None],
        X / 255,
        X.astype(float),
        rows.tolist(),
        rows.astype(np.int64),
    ):
        assert np.array_equal(quick().fit(form, y).predict_proba(form), expected)
    frame = pd.DataFrame(rows, columns=[f"pixel{number}" for number in range(36)])
    fitted = quick().fit(frame, pd.Series(y))
    assert np.array_equal(fitted.predict_proba(frame), expected)
    assert np.array_equal(fitted.predict_proba(frame), quick().fit(X, y).predict_proba(rows))
    assert fitted.n_features_in_ == 36 and fitted.feature_names_in_[35] == "pixel35"


def test_images_with_the_channels_first_are_fitted_and_predicted() -> None:
    X, y = bright_and_dark(channels=3)
    expected = quick().fit(X, y)
    first = quick().fit(np.moveaxis(X, -1, 1), y)
    assert first.image_shape_ == (6, 6, 3)
    probabilities = expected.predict_proba(X)
    for model in (expected, first):
        assert np.array_equal(model.predict_proba(X), probabilities)
        assert np.array_equal(model.predict_proba(np.moveaxis(X, -1, 1)), probabilities)


@pytest.mark.parametrize("shape", [(4, 9), (2, 3, 6), (9, 4, 1)])
def test_images_of_another_shape_with_as_many_pixels_are_refused(shape: tuple[int, ...]) -> None:
    X, y = bright_and_dark()
    model = quick(epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"invalid shape of the images: expected \(6, 6, 1\)"):
        model.predict(X.reshape(len(X), *shape))


@pytest.mark.parametrize("shape", [(6, 6, 8), (2, 3, 6)])
def test_images_with_another_number_of_channels_cannot_be_fitted(shape: tuple[int, ...]) -> None:
    X = np.zeros((30, *shape), np.uint8)
    with pytest.raises(ValueError, match=r"invalid shape of X: expected \(N, height, width\)"):
        quick().fit(X, np.arange(30) % 2)


def test_columns_count_only_where_x_is_rows() -> None:
    X, y = bright_and_dark()
    model = quick().fit(X.reshape(len(X), -1), y)
    assert model.n_features_in_ == 36
    assert not hasattr(model.fit(X, y), "n_features_in_")


def test_rows_become_squares_or_what_image_shape_says() -> None:
    X, y = bright_and_dark(channels=3)
    rows = X.reshape(len(X), -1)
    assert quick().fit(rows, y).image_shape_ == (6, 6, 3)
    assert quick(image_shape=(4, 9, 3)).fit(rows, y).image_shape_ == (4, 9, 3)
    assert quick().fit(rows[:, :35], y).image_shape_ == (1, 35, 1)
    with pytest.raises(ValueError, match=r"35 columns, which fit no square image"):
        ImageClassifier("cnn").fit(rows[:, :35], y)
    with pytest.raises(
        ValueError,
        match=r"image_shape is \(4, 4\), which is 16 values per image, but X has 108 columns",
    ):
        quick(image_shape=(4, 4)).fit(rows, y)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0.0, 1.0]), (0, 1)),
        (np.array([False, True]), (0, 1)),
        (np.array([0.0, 200.0]), (0, 255)),
        (np.array([0, 16]), (0, 16)),
        (np.array([0.0, 1.02]), (0, 1.02)),
        (np.array([-1.5, 2.0]), (-1.5, 2.0)),
        (np.array([0, 1], np.uint8), (0, 255)),
    ],
)
def test_the_scale_follows_from_the_training_images(
    values: NDArray[Any], expected: tuple[float, float]
) -> None:
    X, y = bright_and_dark()
    assert quick(epochs=1).fit(values[(X > 128).astype(int)], y).pixel_range_ == expected


def test_images_on_another_scale_are_refused() -> None:
    X, y = bright_and_dark()
    X[0, 0, 0] = 255
    with pytest.raises(InputError, match="fitted on images where 255 is white"):
        quick(epochs=1).fit(X, y).predict(X / 255)
    on_one = quick(epochs=1).fit(X / 255, y)
    with pytest.raises(
        ValueError, match="values from 0 to 255, but this classifier was fitted on 0 to 1"
    ):
        on_one.predict(X.astype(float))
    assert np.array_equal(on_one.predict(X), on_one.predict(X / 255)), "uint8 is always 0 to 255"
    measured = quick(epochs=1).fit(X - 100.0, y)
    assert np.array_equal(
        measured.predict(X * 9.0 - 100), measured.predict(np.minimum(X * 9.0, 255) - 100)
    )


def test_it_works_behind_a_scaler_that_was_fitted_on_other_images(digits: Any) -> None:
    rows = digits.images[:300].reshape(300, -1)
    labels = digits.labels[:300]
    pipeline = Pipeline([("scale", MinMaxScaler()), ("net", quick())])
    search = GridSearchCV(pipeline, {"net__lr": [0.01, 0.1]}, cv=3, error_score="raise")
    search.fit(rows, labels)
    train, rest = rows[:200].astype(float), rows[200:].astype(float)
    assert MinMaxScaler().fit(train).transform(rest).max() > 1, "some pixels lie beyond the scale"
    assert search.best_score_ > 0.5
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_few_pixels_beyond_the_scale_are_clipped_and_many_are_refused() -> None:
    X, y = bright_and_dark()
    scaled = X / 255
    model = quick(epochs=1).fit(scaled, y)
    bright = scaled.copy()
    bright[:, 0, 0] = 11.0
    white = scaled.copy()
    white[:, 0, 0] = 1.0
    assert np.array_equal(model.predict_proba(bright), model.predict_proba(white))
    with pytest.raises(ValueError, match="but this classifier was fitted on 0 to 1"):
        model.predict(scaled * 16)


def test_probabilities_are_calibrated_where_there_were_validation_images(tmp_path: Path) -> None:
    X, y = bright_and_dark(300)
    model = quick(validation=0.4, epochs=8, out=tmp_path / "run").fit(X, y)
    classifier = headstart.load_classifier(tmp_path / "run")
    assert classifier.metadata.temperature != 1
    calibrated = classifier.probabilities(X[..., None], calibrated=True)
    assert np.allclose(model.predict_proba(X), calibrated, atol=1e-6)
    assert not np.allclose(
        model.predict_proba(X), classifier.probabilities(X[..., None]), atol=1e-6
    )


def test_what_cannot_be_fitted_raises_a_value_error_that_is_ours() -> None:
    X, y = bright_and_dark()
    for wrong in (
        quick(lr=-1),
        quick(settings={"momentom": 0.9}),
        quick(validation=3),
        ImageClassifier("vgg"),
    ):
        with pytest.raises(ValueError) as caught:
            wrong.fit(X, y)
        assert isinstance(caught.value, InputError)
    with pytest.raises(ValueError, match=r"invalid shape of the images: .* got \(5, 6, 1\)"):
        quick(epochs=1).fit(X, y).predict(X[:, :5])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        quick().fit(X, y[:-1])


@pytest.mark.parametrize(
    "labels", [[" a", "a", "b"], ["", "x", "y"], [True, False, True], [-1, 10, 2], ["01", "1", "2"]]
)
def test_any_labels_come_back_as_they_were(labels: list[Any]) -> None:
    X, names = bright_and_dark()
    y = np.array(labels)[np.unique(names, return_inverse=True)[1]]
    model = quick(epochs=8).fit(X, y)
    assert np.array_equal(model.classes_, np.unique(y))
    assert (model.predict(X) == y).mean() > 0.9


def test_it_searches_and_validates_in_a_pipeline_on_two_processes() -> None:
    X, y = bright_and_dark(60)
    pipeline = Pipeline([("invert", FunctionTransformer(np.invert)), ("net", quick())])
    grid = {"net__lr": [0.01, 0.1], "net__settings": [None, {"momentum": 0.9}]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    assert set(search.best_params_) == set(grid)
    assert search.best_estimator_.predict(X[:3]).shape == (3,)
    assert search.best_score_ == cross_val_score(search.best_estimator_, X, y, cv=2).mean()


@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more of the test scores"
)
def test_a_search_continues_after_an_invalid_recipe() -> None:
    X, y = bright_and_dark(60)
    search = GridSearchCV(quick(epochs=1), {"lr": [-1.0, 0.01]}, cv=2, refit=False).fit(X, y)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [True, False]


def test_a_fitted_estimator_travels_as_parameters_and_two_files() -> None:
    X, y = bright_and_dark()
    model = quick().fit(X, y)
    written = pickle.dumps(model)
    back = pickle.loads(written)
    assert np.array_equal(back.predict_proba(X), model.predict_proba(X))
    assert back.get_params() == model.get_params() and back.run_ == model.run_
    # Protocol 4 and later push module and name, then STACK_GLOBAL.
    names = {
        argument for _, argument, _ in pickletools.genops(written) if isinstance(argument, str)
    }
    assert "headstart" in names and not [name for name in names if name.startswith("torch")]
    assert not hasattr(clone(model), "classes_")


def test_nothing_is_left_behind_unless_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = bright_and_dark()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    model = quick(patience=3).fit(X, y)
    assert not list(tmp_path.iterdir())
    assert "run" not in model.run_ and model.run_["validation"]["n"] == 18
    assert len(model.curves_["validation_loss"]) == 4
    kept = quick(out=tmp_path / "kept").fit(X, y)
    probabilities = headstart.load_classifier(tmp_path / "kept").probabilities(X[..., None])
    assert np.allclose(kept.predict_proba(X), probabilities, atol=1e-6)


def test_validation_images_are_set_aside_only_where_they_are_used() -> None:
    X, y = bright_and_dark()
    assert quick().fit(X, y).run_["validation"] is None
    assert quick(target=0.99).fit(X, y).run_["validation"]["n"] == 18
    assert quick(validation=0.5).fit(X, y).run_["validation"]["n"] == 60


def test_an_option_without_a_flag_is_a_setting() -> None:
    with pytest.raises(TypeError, match="no parameter 'momentum'; see `settings`"):
        ImageClassifier(momentum=0.9)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"settings": {"seed": 3}}, "seed is not a key of recipe or network"),
        ({"settings": {"test": 0.3}}, "test is not a key of recipe or network"),
        ({"settings": {"image_size": 4}}, "image_size is not a key of recipe or network"),
        ({"settings": {"validation": 0.3}}, "Use the parameter validation"),
        ({"settings": {"epochs": 2}}, "epochs has a value already"),
        ({"model": "auto", "preset": "best"}, "model 'auto' has no preset, got 'best'"),
    ],
)
def test_a_parameter_that_would_be_ignored_is_refused(
    parameters: dict[str, Any], message: str
) -> None:
    X, y = bright_and_dark()
    with pytest.raises(ValueError, match=message):
        ImageClassifier(**{"model": "mlp", "epochs": 1, **parameters}).fit(X, y)


def test_a_seed_repeats_and_a_random_state_draws_one() -> None:
    X, y = bright_and_dark()

    def probabilities(state: Any) -> NDArray[np.float64]:
        predicted: NDArray[np.float64] = quick(random_state=state).fit(X, y).predict_proba(X)
        return predicted

    assert np.array_equal(probabilities(3), probabilities(np.int64(3)))
    assert np.array_equal(
        probabilities(np.random.RandomState(3)), probabilities(np.random.RandomState(3))
    )
    assert not np.array_equal(probabilities(3), probabilities(4))


@pytest.mark.parametrize(
    ("signum", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_ends_more_than_the_fit(
    signum: int, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise Stopped(signum, "stopped")

    monkeypatch.setattr(_estimator, "train", stopped)
    with pytest.raises(kind):
        quick().fit(*bright_and_dark())
