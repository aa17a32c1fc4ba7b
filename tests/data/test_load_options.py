"""The options of `load`: one list, which dataclass, type and recorded options share."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from headstart.data import LOAD_KEYS, load
from headstart.data.formats._protocol import LoadOptions
from headstart.errors import InputError


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
