"""The ASGI application: routes, error responses and the page."""

from __future__ import annotations

import importlib.resources
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from headstart import formatting
from headstart.data import UnreadableImage
from headstart.deploy._model import Model
from headstart.deploy._page import fill_page, shared_file
from headstart.deploy.server._access import Access, Guard, error_response
from headstart.deploy.server._batching import QueueFull
from headstart.deploy.server._body import BUSY, SEND_BYTES, Limits, RequestError
from headstart.deploy.server._openapi import describe_endpoints
from headstart.deploy.server._service import Service
from headstart.errors import HeadstartError, InputError
from headstart.results import JsonObject

_HEAD = """<link rel="stylesheet" href="page.css">
<script src="formatting.js" defer></script>
<script src="shared.js" defer></script>
<script src="page.js" defer></script>"""
# curl sends it with --data-binary, and with -d, which removes line ends.
_CURL_DEFAULT = "application/x-www-form-urlencoded"
_ERRORS = (
    RequestError,
    UnreadableImage,
    HeadstartError,
    QueueFull,
    TimeoutError,
    ClientDisconnect,
    HTTPException,
    Exception,
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
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        service.close()

    app = Starlette(
        routes=[*_endpoints(service), *_page_files()],
        exception_handlers=dict.fromkeys(_ERRORS, _error_response),
        lifespan=lifespan,
    )
    # Outside of everything else, so that the response to an unexpected error has security headers
    # as well.
    return Guard(app, access or Access())


def _endpoints(service: Service) -> list[Route]:
    async def predict(request: Request) -> Response:
        """Predict the class of an image.

        The response has `label`, calibrated `probabilities` by class name, and `unfamiliar`. The
        latter is true for an out-of-distribution image, and null if that is unknown.
        """
        return JSONResponse(await service.answer(request, service.predictions.submit))

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

    async def model(_: Request) -> Response:
        """Describe the model: its classes, its images, its training data and its accuracy."""
        return JSONResponse(service.card)

    async def health(_: Request) -> Response:
        """Report that the server is running."""
        return JSONResponse({"status": "ok"})

    async def openapi(_: Request) -> Response:
        return JSONResponse(describe_endpoints(predict, explain, model, health))

    # Served by Starlette. FastAPI would take twice as long per request, for the injection of
    # dependencies that these functions do not have (benchmarks/serve.md).
    return [
        Route("/predict", predict, methods=["POST"]),
        Route("/explain", explain, methods=["POST"]),
        Route("/model", model),
        Route("/health", health),
        Route("/openapi.json", openapi),
    ]


def _page_files() -> list[Route]:
    def route(path: str, content: str, kind: str) -> Route:
        async def file(_: Request) -> Response:
            return Response(content, media_type=kind)

        return Route(path, file)

    folder = importlib.resources.files("headstart.deploy.server") / "page"
    page = fill_page(
        head=_HEAD,
        privacy="Images are sent only to this server and are not stored.",
        without_scripts="Programs can use POST /predict, as described in /openapi.json.",
        aside=(folder / "explanation.html").read_text("utf-8"),
        use=(folder / "use.html").read_text("utf-8"),
    )
    return [
        route("/", page, "text/html"),
        route("/page.css", shared_file("page.css"), "text/css"),
        route("/formatting.js", formatting.script(), "text/javascript"),
        route("/shared.js", shared_file("shared.js"), "text/javascript"),
        route("/page.js", (folder / "page.js").read_text("utf-8"), "text/javascript"),
    ]


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
        case QueueFull() | TimeoutError() | ClientDisconnect():
            status, (message, hint) = 503, BUSY
        case _:
            status, message = 500, "the server failed to answer this request."
            hint = "The terminal of the server shows the error."
    if status == 503:
        headers["retry-after"] = "1"
    return error_response(status, message, hint, headers)
