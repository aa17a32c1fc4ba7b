"""The service behind the routes: decoding of images, batched predictions, explanations."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import Request

from headstart.classifier import BaseClassifier
from headstart.data import count_untrusted_pixels, data_uri, read_untrusted_image
from headstart.deploy._explain import explain
from headstart.deploy._model import Model
from headstart.deploy.server._batching import BatchWorker, QueueFull
from headstart.deploy.server._body import BodyReader, Limits, RequestError, SentImage, parse_image
from headstart.deploy.server._drawing import place_drawing
from headstart.deploy.server._predictor import LARGEST_BATCH, Pixels, Predictor, use_cores
from headstart.machine import usable_cores
from headstart.results import JsonObject

_MOST_DECODERS = 4
# Smaller images are decoded faster than they are handed to a thread and back (benchmarks/serve.md).
_SMALL_BYTES, _SMALL_PIXELS = 1 << 14, 1 << 16
Answer = TypeVar("Answer")


class Service:
    """A model behind its queues, shared by all routes.

    Attributes:
        model: The model that predicts.
        card: The facts about it.
        limits: Limits on the resources of clients.
        predictions: Maps an image to the JSON of its prediction.
        explanations: Maps (image, class name or None) to the JSON of its explanation; None if the
            model cannot be explained. It uses a copy of the model, so that predictions do not wait.
    """

    predictions: BatchWorker[Pixels, JsonObject]
    explanations: BatchWorker[tuple[Pixels, str | None], JsonObject] | None

    def __init__(self, model: Model, card: JsonObject, limits: Limits) -> None:
        self.model, self.card, self.limits = model, card, limits
        self._bodies = BodyReader(limits)
        self._decoders = ThreadPoolExecutor(min(_MOST_DECODERS, usable_cores()))
        self._decoding = 0

        predictor = Predictor(model)
        self.explanations = None
        if card["explains"] and isinstance(model, BaseClassifier):
            explain_batch = _explain_function(copy.deepcopy(model), predictor.all_cores)
            self.explanations = BatchWorker(explain_batch, 1, limits.explaining)

        self.predictions = BatchWorker(
            predictor.predict, LARGEST_BATCH, limits.waiting, predictor.warm_up()
        )

    def close(self) -> None:
        """Answer what is waiting, then end all threads."""
        self.predictions.close()
        if self.explanations:
            self.explanations.close()
        self._decoders.shutdown()

    async def answer(
        self, request: Request, process: Callable[[Pixels], Awaitable[Answer]]
    ) -> Answer:
        """Return the result of `process` for the image in a request.

        Raises:
            RequestError: The request holds no image.
            UnreadableImage: The image cannot be decoded.
            QueueFull: Too many requests are waiting.
            TimeoutError: The answer took too long.
        """
        is_drawing = _read_flag(request.query_params.get("drawing", ""))
        content_type = request.headers.get("content-type", "")
        async with asyncio.timeout(None) as deadline:
            async with self._bodies.read(request) as body:
                loop = asyncio.get_running_loop()
                deadline.reschedule(loop.time() + self.limits.answer_seconds)
                if self._decoding >= self.limits.decoding:
                    raise QueueFull
                self._decoding += 1
                try:
                    pixels = await self._decode_body(body, content_type, is_drawing)
                finally:
                    self._decoding -= 1
            return await process(pixels)

    async def _decode_body(self, body: bytes, content_type: str, is_drawing: bool) -> Pixels:
        """Decode a small image here, and a large one in a thread beside the event loop."""
        if len(body) <= _SMALL_BYTES:
            sent = parse_image(body, content_type)
            pixels = count_untrusted_pixels(sent.content, self.limits.image)
            if pixels <= _SMALL_PIXELS:
                return self._decode(sent, is_drawing, pixels)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._decoders, lambda: self._decode(parse_image(body, content_type), is_drawing)
        )

    def _decode(self, sent: SentImage, is_drawing: bool, pixels: int | None = None) -> Pixels:
        if is_drawing or sent.is_drawing:
            return self._decode_drawing(sent.content)
        return read_untrusted_image(
            sent.content,
            self.model.image_shape,
            self.model.preprocessing.resize,
            self.limits.image,
            self.model.preprocessing.pixel_max,
            pixels,
        )

    def _decode_drawing(self, content: bytes) -> Pixels:
        if self.card["drawing"] is None:
            raise RequestError(
                400,
                "this model does not accept drawings: "
                "it was not trained on small greyscale images.",
                "Send the image without drawing.",
            )
        ink = 255 - read_untrusted_image(content, None, "pad", self.limits.image)[..., 0]
        has_margin = self.card["drawing"] == "mnist"
        drawing = place_drawing(ink, self.model.image_shape, with_margin=has_margin)
        if drawing is None:
            raise RequestError(400, "the drawing is empty.", "Draw with dark ink on white.")
        return drawing


def _read_flag(text: str) -> bool:
    """Return the value of `drawing` in an address.

    Raises:
        RequestError: It is neither true nor false.
    """
    if text.lower() in ("1", "true"):
        return True
    if text.lower() in ("", "0", "false"):
        return False
    raise RequestError(
        400,
        f"invalid drawing: expected true or false, got {text!r}.",
        "Send /predict?drawing=true, or leave it out.",
        closes=True,
    )


def _explain_function(
    classifier: BaseClassifier, cores: int
) -> Callable[[list[tuple[Pixels, str | None]]], list[JsonObject]]:
    def explain_batch(items: list[tuple[Pixels, str | None]]) -> list[JsonObject]:
        use_cores(cores)
        rows = []
        for image, label in items:
            explanation = explain(classifier, image, label)
            rows.append({**explanation.as_json(), "seen": data_uri(image)})
        return rows

    return explain_batch
