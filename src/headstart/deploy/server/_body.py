"""Request bodies: reading them within limits, and finding the image in them."""

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
_MOST_COMMAS = 2  # in JSON: one between its keys, one in the data: address of the image
_JSON_EXAMPLE = 'Send {"image": "<base64>"}.'
SEND_BYTES = "Send the bytes of the image file as the body: curl --data-binary @image.png"
_URL_SAFE = str.maketrans("-_", "+/")


@dataclass(frozen=True)
class Limits:
    """Limits on the resources of one client, and of all clients together.

    Attributes:
        body_bytes: Size of one body. A photograph from a phone has 3 to 15 MB.
        body_seconds: Time in which a body must arrive.
        held_bytes: Size of all bodies that are in memory at the same time.
        waiting: Requests that may wait for a prediction.
        explaining: Requests that may wait for an explanation.
        decoding: Images that may be decoded, or wait for it, at the same time.
        answer_seconds: Time from the complete body to the answer. After that, a client is asked to
            try again.
        image: Limits for the decoder of one image.
    """

    body_bytes: int = 20 << 20
    body_seconds: float = 15.0
    held_bytes: int = 128 << 20
    waiting: int = 256
    explaining: int = 8
    decoding: int = 64
    answer_seconds: float = 30.0
    image: ImageLimits = field(default_factory=ImageLimits)


class RequestError(Exception):
    """A request that cannot be answered.

    Args:
        status: HTTP status.
        error: What is wrong.
        hint: What to do.
        closes: Close the connection, because the rest of a body may still arrive.
    """

    def __init__(self, status: int, error: str, hint: str = "", *, closes: bool = False) -> None:
        super().__init__(error)
        self.status, self.error, self.hint, self.closes = status, error, hint, closes


class SentImage(NamedTuple):
    """An image as a client sent it.

    Attributes:
        content: The content of an image file.
        is_drawing: Whether it is a drawing, to be scaled and centred like the images of MNIST.
    """

    content: bytes
    is_drawing: bool


class BodyReader:
    """Reads request bodies and limits their size in memory."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._held_bytes = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Read a complete body. It counts as held until the block ends.

        Raises:
            RequestError: The body is empty (400), slow (408) or too large (413), or too many are in
                memory (503).
        """
        announced = request.headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > self.limits.body_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            await self._fill(body, request)
            if not body:
                raise RequestError(
                    400,
                    "the body is empty.",
                    "Send the bytes of an image file, or JSON with base64 in `image`.",
                )
            yield bytes(body)
        finally:
            self._held_bytes -= len(body)

    async def _fill(self, body: bytearray, request: Request) -> None:
        limits = self.limits
        try:
            async with asyncio.timeout(limits.body_seconds):
                async for chunk in request.stream():
                    body += chunk
                    self._held_bytes += len(chunk)
                    if len(body) > limits.body_bytes:
                        raise self._too_large()
                    if self._held_bytes > limits.held_bytes:
                        raise RequestError(503, *BUSY, closes=True)
        except TimeoutError:
            message = f"the body did not arrive within {limits.body_seconds:g} seconds."
            raise RequestError(408, message, closes=True) from None

    def _too_large(self) -> RequestError:
        limit = self.limits.body_bytes / (1 << 20)
        message = f"the body is larger than {limit:g} MiB."
        return RequestError(413, message, "Send a smaller image.", closes=True)


def parse_image(body: bytes, content_type: str) -> SentImage:
    """Return the image in a body.

    A body is the content of an image file, whatever its content type is, unless that is JSON or a
    form.

    Raises:
        RequestError: The body is a form (415), or JSON without an image (400).
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("multipart/"):
        raise RequestError(
            415,
            "forms are not supported.",
            SEND_BYTES,
        )
    if kind != "application/json":
        return SentImage(body, is_drawing=False)
    return _parse_json(body)


def _parse_json(body: bytes) -> SentImage:
    # A small body with many parts becomes objects of fifty times its size. Base64 and its data:
    # address do not contain these characters.
    if b"[" in body or body.count(b"{") > 1 or body.count(b",") > _MOST_COMMAS:
        raise RequestError(
            400, "invalid JSON: expected only the keys image and drawing.", _JSON_EXAMPLE
        )
    try:
        content = json.loads(body)
    except ValueError:
        raise RequestError(
            400, "the body is not JSON, although its content type is.", _JSON_EXAMPLE
        ) from None

    if not isinstance(content, dict) or not isinstance(content.get("image"), str):
        raise RequestError(400, "invalid JSON: expected a string in image.", _JSON_EXAMPLE)
    unknown = sorted(content.keys() - {"image", "drawing"})
    if unknown:
        raise RequestError(400, f"invalid JSON: unknown key {unknown[0]!r}.", _JSON_EXAMPLE)
    is_drawing = content.get("drawing", False)
    if not isinstance(is_drawing, bool):
        raise RequestError(400, "invalid drawing: expected true or false.", _JSON_EXAMPLE)

    try:
        return SentImage(_decode_base64(content["image"]), is_drawing)
    except (binascii.Error, ValueError):
        raise RequestError(400, "invalid image: expected base64.", _JSON_EXAMPLE) from None


def _decode_base64(text: str) -> bytes:
    """Decode base64 as programs write it: as a data: address, in lines, URL-safe or unpadded.

    Raises:
        binascii.Error: The text is not base64.
        ValueError: The text has letters outside ASCII.
    """
    if text[:5].lower() == "data:":
        text = text.partition(",")[2]
    digits = "".join(text.split()).translate(_URL_SAFE).rstrip("=")
    return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
