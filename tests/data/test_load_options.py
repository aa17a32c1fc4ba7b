"""The options of `load`: one list, which dataclass, type and recorded options share."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from folder_helpers import fill

from headstart.data import LOAD_KEYS, check_source, load
from headstart.data.formats._protocol import LoadOptions
from headstart.errors import InputError, ResourceError


def test_the_typed_keys_are_the_fields_of_the_options() -> None:
    fields = tuple(field.name for field in dataclasses.fields(LoadOptions))
    assert fields == LOAD_KEYS


def test_an_unknown_option_names_the_nearest() -> None:
    images = np.zeros((4, 2, 2), np.uint8)
    with pytest.raises(InputError, match="load has no option 'pixelmax'") as error:
        load((images, np.array([0, 0, 1, 1])), pixelmax=255)  # type: ignore[call-arg]
    assert "pixel_max" in error.value.hint


def test_recorded_options_do_not_change_with_new_options() -> None:
    assert LoadOptions(cache=False).as_dict() == {
        "image_size": None,
        "resize": "pad",
        "pixel_max": None,
        "group_by": None,
    }
    assert LoadOptions(skip_bad=True, label_column="breed").as_dict() == {
        "image_size": None,
        "resize": "pad",
        "pixel_max": None,
        "group_by": None,
        "label_column": "breed",
        "skip_bad": True,
    }


def test_an_image_size_that_does_not_fit_into_memory_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, ["a/1.png", "b/1.png"])
    monkeypatch.setattr("headstart.data._load.usable_memory_bytes", lambda: 2_000_000_000)
    with pytest.raises(ResourceError) as failure:
        check_source(str(tmp_path), {"image_size": 20_000})
    assert "16 images at a time need 76.8 GB, and 2.0 GB are available" in str(failure.value)
    assert "3227 is the most here" in str(failure.value)
    check_source(str(tmp_path), {"image_size": 3227})
