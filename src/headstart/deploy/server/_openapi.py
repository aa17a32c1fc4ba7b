"""The OpenAPI description of the server, made by FastAPI from its endpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi

from headstart.deploy.server._responses import (
    Explanation,
    Health,
    ModelCard,
    Prediction,
    responses,
)
from headstart.results import JsonObject

Endpoint = Callable[..., Any]
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


def describe_endpoints(
    predict: Endpoint, explain: Endpoint, model: Endpoint, health: Endpoint
) -> JsonObject:
    """Return the content of `/openapi.json`. The docstrings of the endpoints are part of it."""
    router = APIRouter()
    for path, endpoint, answer, parameters in (
        ("/predict", predict, Prediction, [_DRAWING]),
        ("/explain", explain, Explanation, [_DRAWING, _CLASS]),
    ):
        router.add_api_route(
            path,
            endpoint,
            methods=["POST"],
            openapi_extra={"requestBody": _IMAGE_BODY, "parameters": parameters},
            response_model=None,
            responses=responses(answer, reads_image=True),
        )
    for path, endpoint, kind in (("/model", model, ModelCard), ("/health", health, Health)):
        router.add_api_route(path, endpoint, response_model=None, responses=responses(kind))
    return get_openapi(
        title="Headstart",
        version="0.1.0",
        summary="An image classifier.",
        routes=router.routes,
    )
