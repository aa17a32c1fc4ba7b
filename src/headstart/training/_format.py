"""What `classifier.json` says: a closed schema, read and written here alone. No torch here."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from headstart.data import Resize


class _Closed(BaseModel):
    """A key that is not listed is an error, as is a number that is none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Preprocessing(_Closed):
    """How an image of any size becomes one of `image_shape`: as the training images were opened.

    Attributes:
        image_size: side in pixels that was asked for; None where the images decided.
        resize: how other shapes become that one.
        pixel_max: full brightness in a pixel CSV or arrays; None for 255.
    """

    image_size: int | None = None
    resize: Resize = "pad"
    pixel_max: float | None = None
