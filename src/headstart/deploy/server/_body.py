"""A request's body, within limits that hold while it comes in; and the image in it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from headstart.data import ImageLimits

if TYPE_CHECKING:
    from starlette.requests import Request

BUSY = ("the server is busy.", "Try again in a second.")
_MOST_COMMAS = 2  # in JSON: one between its keys, one in the image's data: address


@dataclass(frozen=True)
class Limits:
    """What one client, and all of them together, may take.

    Attributes:
        body_bytes: of one request; a photograph of a telephone has 3 to 15 MB.
        body_seconds: within which all of it must have come.
        held_bytes: of all bodies that are in memory at once.
        waiting: requests that may wait for a prediction.
        explaining: requests that may wait for an explanation.
        decoding: images that may be at their decoder, or wait for it.
        answer_seconds: from the whole body to the answer; after which a client is told to come back.
        caps: what an image may ask of its decoder.
    """

    body_bytes: int = 20 << 20
    body_seconds: float = 15.0
    held_bytes: int = 128 << 20
    waiting: int = 256
    explaining: int = 8
    decoding: int = 64
    answer_seconds: float = 30.0
    caps: ImageLimits = field(default_factory=ImageLimits)


class Refused(Exception):
    """A request that gets no answer: status, what was found, what to do. `ends` the connection where a body may still come in."""

    def __init__(self, status: int, error: str, hint: str = "", *, ends: bool = False) -> None:
        super().__init__(error)
        self.status, self.error, self.hint, self.ends = status, error, hint, ends


class Sent(NamedTuple):
    """An image as a client sent it: the content of a file, and whether it is a drawing, to be placed as MNIST was made."""

    content: bytes
    is_drawing: bool


class Bodies:
    """Reads bodies, and counts what all of them hold."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self._held = limits, 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The whole body, which counts as held while the block runs.

        Raises:
            Refused: too large (413), too slow (408), too many at once (503), or none (400).
        """
        announced = request.headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > self.limits.body_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            await self._fill(body, request)
            if not body:
                raise Refused(
                    400,
                    "the body is empty.",
                    "Send an image file's bytes, or JSON with base64 in `image`.",
                )
            yield bytes(body)
        finally:
            self._held -= len(body)

    async def _fill(self, body: bytearray, request: Request) -> None:
        limits = self.limits
        try:
            async with asyncio.timeout(limits.body_seconds):
                async for chunk in request.stream():
                    body += chunk
                    self._held += len(chunk)
                    if len(body) > limits.body_bytes:
                        raise self._too_large()
                    if self._held > limits.held_bytes:
                        raise Refused(503, *BUSY, ends=True)
        except TimeoutError:
            raise Refused(
                408, f"the body did not arrive within {limits.body_seconds:g} seconds.", ends=True
            ) from None

    def _too_large(self) -> Refused:
        most = self.limits.body_bytes / (1 << 20)
        return Refused(
            413, f"the body is larger than {most:g} MiB.", "Send a smaller image.", ends=True
        )


def image_in(body: bytes, content_type: str) -> Sent:
    """The image in a body: raw whatever its type is called, unless the type is JSON.

    Raises:
        Refused: multipart (415), or JSON without an image (400).
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("multipart/"):
        raise Refused(
            415,
            "forms are not read.",
            "Send the image file's bytes as the body: curl --data-binary @image.png",
        )
    if kind != "application/json":
        return Sent(body, is_drawing=False)
    wanted = 'Send {"image": "<base64>"}.'
    # Small bodies of many parts unfold to objects fifty times their size; base64 and its data: address have none of these signs.
    if b"[" in body or body.count(b"{") > 1 or body.count(b",") > _MOST_COMMAS:
        raise Refused(400, "the JSON holds more than an image and whether it is a drawing.", wanted)
    try:
        given = json.loads(body)
    except ValueError:
        raise Refused(400, "the body is not JSON, as its type says.", wanted) from None
    if not isinstance(given, dict) or not isinstance(given.get("image"), str):
        raise Refused(400, "the JSON has no text called image.", wanted)
    unknown = sorted(given.keys() - {"image", "drawing"})
    if unknown or not isinstance(given.get("drawing", False), bool):
        raise Refused(
            400,
            f"{unknown[0]!r} is no key here." if unknown else "drawing is neither true nor false.",
            wanted,
        )
    text = given["image"]
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return Sent(base64.b64decode(text, validate=True), given.get("drawing", False))
    except (binascii.Error, ValueError):
        raise Refused(400, "image is not base64.", wanted) from None
