"""The ASGI application: routes, error responses and the page."""

from __future__ import annotations

import importlib.resources
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from headstart import formatting
from headstart.data import UnreadableImage
from headstart.deploy._model import Model
from headstart.deploy._page import fill_page, shared_file
from headstart.deploy.server._access import Access, Guard
from headstart.deploy.server._batching import QueueFull
from headstart.deploy.server._body import BUSY, SEND_BYTES, Limits, RequestError
from headstart.deploy.server._responses import (
    Explanation,
    Health,
    ModelCard,
    Prediction,
    responses,
)
from headstart.deploy.server._service import Service
from headstart.errors import HeadstartError, InputError
from headstart.results import JsonObject

_HEAD = """<link rel="stylesheet" href="page.css">
<script src="formatting.js" defer></script>
<script src="shared.js" defer></script>
<script src="page.js" defer></script>"""
_IMAGE_BODY = {
    "description": "The bytes of an image file (JPEG, PNG, WebP or BMP), or JSON with base64.",
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
# curl sends it with --data-binary, and with -d, which removes line ends.
_CURL_DEFAULT = "application/x-www-form-urlencoded"
_DRAWING = {
    "name": "drawing",
    "in": "query",
    "schema": {"type": "boolean"},
    "description": "The image is a drawing with dark ink on white. "
    "It is scaled and centred like the training images.",
}
_CLASS = {
    "name": "class",
    "in": "query",
    "schema": {"type": "string"},
    "description": "Name of the class to explain. By default, the predicted class.",
}
_ERRORS = (
    RequestError,
    UnreadableImage,
    HeadstartError,
    QueueFull,
    TimeoutError,
    ClientDisconnect,
    HTTPException,
)


def make_app(
    model: Model, card: JsonObject, access: Access | None = None, limits: Limits | None = None
) -> ASGIApp:
    """Return the server as an ASGI application.

    Its paths are `/`, `/predict`, `/explain`, `/model`, `/health` and `/openapi.json`.

    Args:
        model: The model that predicts.
        card: The answer of `/model`.
        access: Rules for who may use the server. By default, only clients that address this machine
            by its loopback names.
        limits: Limits on the resources of clients.
    """
    service = Service(model, card, limits or Limits())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="Headstart",
        summary="An image classifier.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    _add_routes(app, service)
    _add_page(app)
    for kind in _ERRORS:
        app.add_exception_handler(kind, _error_response)
    # Outside of everything else, so that the response to an unexpected error has security headers
    # as well.
    return Guard(app, access or Access())


def _add_routes(app: FastAPI, service: Service) -> None:
    @app.post(
        "/predict",
        openapi_extra={"requestBody": _IMAGE_BODY, "parameters": [_DRAWING]},
        response_model=None,
        responses=responses(Prediction, reads_image=True),
    )
    async def predict(request: Request) -> Response:
        """Predict the class of an image.

        The response has `label`, calibrated `probabilities` by class name, and `unfamiliar`. The
        latter is true for an out-of-distribution image, and null if that is unknown.
        """
        return JSONResponse(await service.answer(request, service.predictions.submit))

    @app.post(
        "/explain",
        openapi_extra={"requestBody": _IMAGE_BODY, "parameters": [_DRAWING, _CLASS]},
        response_model=None,
        responses=responses(Explanation, reads_image=True),
    )
    async def explain(request: Request) -> Response:
        """Show which regions of an image are evidence for a class: Grad-CAM and occlusion."""
        explanations, label = service.explanations, request.query_params.get("class")
        if explanations is None:
            raise RequestError(
                501,
                "this server does not give explanations.",
                "Serve a run folder, with 'headstart[explain]' installed.",
                closes=True,
            )
        if label is not None and label not in service.model.class_names:
            raise RequestError(
                400, f"unknown class {label!r}.", "GET /model lists the classes.", closes=True
            )
        return JSONResponse(
            await service.answer(request, lambda pixels: explanations.submit((pixels, label)))
        )

    @app.get("/model", response_model=None, responses=responses(ModelCard))
    async def model() -> Response:
        """Describe the model: its classes, its images, its training data and its accuracy."""
        return JSONResponse(service.card)

    @app.get("/health", response_model=None, responses=responses(Health))
    async def health() -> Response:
        """Report that the server is running."""
        return JSONResponse({"status": "ok"})


def _add_page(app: FastAPI) -> None:
    def add(path: str, content: str, kind: str) -> None:
        async def file() -> Response:
            return Response(content, media_type=kind)

        app.add_api_route(path, file, include_in_schema=False, response_model=None)

    folder = importlib.resources.files("headstart.deploy.server") / "page"
    page = fill_page(
        head=_HEAD,
        privacy="Images are sent only to this server and are not stored.",
        without_scripts="Programs can use POST /predict, as described in /openapi.json.",
        aside=(folder / "explanation.html").read_text("utf-8"),
        use=(folder / "use.html").read_text("utf-8"),
    )
    add("/", page, "text/html")
    add("/page.css", shared_file("page.css"), "text/css")
    add("/formatting.js", formatting.script(), "text/javascript")
    add("/shared.js", shared_file("shared.js"), "text/javascript")
    add("/page.js", (folder / "page.js").read_text("utf-8"), "text/javascript")


async def _error_response(request: Request, error: Exception) -> Response:
    """Return the JSON response to an error, with the keys `error` and `hint`."""
    headers: dict[str, str] = {}
    match error:
        case RequestError():
            status, message, hint = error.status, error.error, error.hint
            if error.closes:
                headers["connection"] = "close"
        case UnreadableImage():
            status, message = 422, f"the file {error}."
            hint = "Send a JPEG, PNG, WebP or BMP file of a usual size."
            if request.headers.get("content-type", "").startswith(_CURL_DEFAULT):
                hint += f" {SEND_BYTES} (-d and --data change them)"
        case HeadstartError():
            status = 400 if isinstance(error, InputError) else 503
            message, hint = error.message, error.hint
        case HTTPException():
            status, message = error.status_code, f"{error.detail}."
            hint = "GET /openapi.json lists all paths and methods."
            headers = {**(error.headers or {}), "connection": "close"}
        case _:
            status, (message, hint) = 503, BUSY
    if status == 503:
        headers["retry-after"] = "1"
    return JSONResponse({"error": message, "hint": hint}, status, headers)
