"""The server's routes: a body comes in, is decoded beside the event loop, waits for a batch, and an answer goes out."""

from __future__ import annotations

import asyncio
import copy
import importlib.resources
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from numpy.typing import NDArray
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from headstart.classifier import Classifier
from headstart.data import UnreadableImage, count_untrusted_pixels, data_uri, read_untrusted_image
from headstart.deploy._explain import explain
from headstart.deploy._model import Model
from headstart.deploy.server._access import Access, Guard
from headstart.deploy.server._batching import Busy, Worker
from headstart.deploy.server._body import BUSY, Bodies, Limits, Refused, Sent, image_in
from headstart.deploy.server._drawing import place_drawing
from headstart.errors import HeadstartError, InputError

MOST_AT_ONCE = 32  # images a batch
_DECODERS = min(4, os.cpu_count() or 1)
_QUICK_BYTES, _QUICK_PX = (
    1 << 14,
    1 << 16,
)  # cheaper decoded than handed to a thread and back (benchmarks/serve.md)
_PAGE = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
_IMAGE_BODY = {
    "required": True,
    "content": {
        "image/*": {"schema": {"type": "string", "format": "binary"}},
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["image"],
                "properties": {
                    "image": {"type": "string", "format": "byte"},
                    "drawing": {"type": "boolean"},
                },
            }
        },
    },
}
_DRAWING = {
    "name": "drawing",
    "in": "query",
    "schema": {"type": "boolean"},
    "description": "Dark ink on white or nothing: scaled and centred as the training images were.",
}
_CLASS = {
    "name": "class",
    "in": "query",
    "schema": {"type": "string"},
    "description": "Explain this class, not the likeliest.",
}
Pixels = NDArray[np.uint8]
Found = TypeVar("Found")


@dataclass
class Service:
    """A model behind its queues: what the routes share.

    Attributes:
        model: what predicts.
        card: what is said of it.
        predictions: answers one image with the JSON of its prediction.
        explanations: the same for (image, class name or None); works on a copy of the model, so that predictions never wait.
    """

    model: Model
    card: dict[str, Any]
    limits: Limits
    bodies: Bodies
    decoders: ThreadPoolExecutor
    predictions: Worker[Pixels, dict[str, Any]]
    explanations: Worker[tuple[Pixels, str | None], dict[str, Any]] | None
    decoding: int = 0

    async def answer(self, request: Request, ask: Callable[[Pixels], Awaitable[Found]]) -> Found:
        """What `ask` says of the image in a request.

        Raises:
            Refused, UnreadableImage: no image in it. Busy: too many wait. TimeoutError: it took longer than a client waits.
        """
        drawing = request.query_params.get("drawing", "").lower() in ("1", "true")
        kind = request.headers.get("content-type", "")
        async with asyncio.timeout(None) as deadline:
            async with self.bodies.read(request) as body:
                loop = asyncio.get_running_loop()
                deadline.reschedule(loop.time() + self.limits.answer_seconds)
                if self.decoding >= self.limits.decoding:
                    raise Busy
                self.decoding += 1
                try:
                    pixels = await self._pixels(body, kind, drawing)
                finally:
                    self.decoding -= 1
            return await ask(pixels)

    async def _pixels(self, body: bytes, kind: str, is_drawing: bool) -> Pixels:
        """Decoded beside the event loop; small images in it, which takes less time than to hand them over and back."""
        sent = image_in(body, kind) if len(body) <= _QUICK_BYTES else None
        if sent is not None and count_untrusted_pixels(sent.content, self.limits.caps) <= _QUICK_PX:
            return self._decode(sent, is_drawing)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self.decoders, lambda: self._decode(sent or image_in(body, kind), is_drawing)
        )

    def _decode(self, sent: Sent, is_drawing: bool) -> Pixels:
        if not (is_drawing or sent.is_drawing):
            return read_untrusted_image(
                sent.content,
                self.model.image_shape,
                self.model.preprocessing.resize,
                self.limits.caps,
            )
        return self._drawn(sent)

    def _drawn(self, sent: Sent) -> Pixels:
        if self.card["drawing"] is None:
            raise Refused(
                400,
                "this model does not take drawings: its images are no small grey ones.",
                "Leave out drawing.",
            )
        ink = 255 - read_untrusted_image(sent.content, None, "pad", self.limits.caps)[..., 0]
        placed = place_drawing(
            ink, self.model.image_shape, with_margin=self.card["drawing"] == "mnist"
        )
        if placed is None:
            raise Refused(400, "nothing is drawn.", "Draw dark on white.")
        return placed


def make_app(
    model: Model, card: dict[str, Any], access: Access | None = None, limits: Limits | None = None
) -> ASGIApp:
    """The server as an ASGI application: `/`, `/predict`, `/explain`, `/model`, `/health`, `/openapi.json`.

    Args:
        model: what predicts.
        card: what `/model` says of it.
        access: who is let in; by default only who addresses this machine by its loopback names.
        limits: what clients may take.
    """
    service = _service(model, card, limits or Limits())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.predictions.close()
        if service.explanations:
            service.explanations.close()
        service.decoders.shutdown()

    app = FastAPI(
        title="Headstart",
        summary="A classifier of images.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    _add_routes(app, service)
    _add_page(app)
    for kind in (
        Refused,
        UnreadableImage,
        HeadstartError,
        Busy,
        TimeoutError,
        ClientDisconnect,
        HTTPException,
    ):
        app.add_exception_handler(kind, _say)
    return Guard(
        app, access or Access()
    )  # around all of it: an unforeseen error's answer has its headers as well


def _service(model: Model, card: dict[str, Any], limits: Limits) -> Service:
    def predict(images: list[Pixels]) -> list[dict[str, Any]]:
        found = model.predict(np.stack(images)).as_json([""] * len(images))
        return [{key: value for key, value in one.items() if key != "image"} for one in found]

    explanations = None
    if card["explains"] and isinstance(model, Classifier):
        apart = copy.deepcopy(model)

        def explain_each(asked: list[tuple[Pixels, str | None]]) -> list[dict[str, Any]]:
            return [
                {**explain(apart, image, label).as_json(), "seen": data_uri(image)}
                for image, label in asked
            ]

        explanations = Worker(explain_each, 1, limits.explaining)
    for size in (1, MOST_AT_ONCE):  # the first call of a size is slower
        predict([np.zeros(model.image_shape, np.uint8)] * size)
    worker = Worker(predict, MOST_AT_ONCE, limits.waiting)
    return Service(
        model, card, limits, Bodies(limits), ThreadPoolExecutor(_DECODERS), worker, explanations
    )


def _add_routes(app: FastAPI, service: Service) -> None:
    @app.post(
        "/predict",
        openapi_extra={"requestBody": _IMAGE_BODY, "parameters": [_DRAWING]},
        response_model=None,
    )
    async def predict(request: Request) -> Response:
        """The likeliest class of an image, and the probability of each."""
        return JSONResponse(await service.answer(request, service.predictions.ask))

    @app.post(
        "/explain",
        openapi_extra={"requestBody": _IMAGE_BODY, "parameters": [_DRAWING, _CLASS]},
        response_model=None,
    )
    async def explain(request: Request) -> Response:
        """Which parts of an image speak for a class: Grad-CAM and occlusion."""
        explanations, label = service.explanations, request.query_params.get("class")
        if explanations is None:
            raise Refused(
                501,
                "this server does not explain.",
                "Serve a run folder, with 'headstart[explain]' installed.",
                ends=True,
            )
        if label is not None and label not in service.model.class_names:
            raise Refused(400, f"there is no class {label!r}.", "GET /model lists them.", ends=True)
        return JSONResponse(
            await service.answer(request, lambda pixels: explanations.ask((pixels, label)))
        )

    @app.get("/model", response_model=None)
    async def model() -> Response:
        """What the model is: classes, images, where and how well it was trained."""
        return JSONResponse(service.card)

    @app.get("/health", response_model=None)
    async def health() -> Response:
        """Whether the server answers."""
        return JSONResponse({"status": "ok"})


def _add_page(app: FastAPI) -> None:
    folder = importlib.resources.files("headstart.deploy.server") / "page"

    def add(path: str, content: bytes, kind: str) -> None:
        async def part() -> Response:
            return Response(content, media_type=kind)

        app.add_api_route(path, part, include_in_schema=False, response_model=None)

    for path, (name, kind) in _PAGE.items():
        add(path, (folder / name).read_bytes(), kind)


async def _say(_: Request, error: Exception) -> Response:
    """What went wrong, as `error` and `hint`."""
    headers: dict[str, str] = {}
    match error:
        case Refused():
            status, text, hint = error.status, error.error, error.hint
            headers |= {"connection": "close"} if error.ends else {}
        case UnreadableImage():
            status, text, hint = (
                422,
                f"what was sent {error}.",
                "Send a JPEG, PNG, WebP or BMP file of a usual size.",
            )
        case HeadstartError():
            status, text, hint = (
                400 if isinstance(error, InputError) else 503,
                error.message,
                error.hint,
            )
        case HTTPException():
            status, text, hint = (
                error.status_code,
                f"{error.detail}.",
                "GET /openapi.json lists what there is.",
            )
            headers |= {**(error.headers or {}), "connection": "close"}
        case _:
            status, (text, hint) = 503, BUSY
    headers |= {"retry-after": "1"} if status == 503 else {}
    return JSONResponse({"error": text, "hint": hint}, status, headers)
