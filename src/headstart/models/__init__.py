"""The networks and what may be set about them: mlp, cnn and its presets, backbones, heads.

Belongs here: torch modules, their options, their packaged weights, their size. Does not: how they are trained.
Options are plain data; torch is imported only when a network is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart._lazy import door
from headstart.models._options import (
    MODELS,
    WAYS,
    BackboneOptions,
    CnnOptions,
    FashionOptions,
    MlpOptions,
    NetOptions,
    ScenesOptions,
    is_backbone,
    options_of,
    usual_layers,
)
from headstart.models._weights import installed_backbones, pinned, weights_mark

if TYPE_CHECKING:
    from headstart.models._backbone import Backbone, load_backbone, own_side_px
    from headstart.models._build import build, build_head
    from headstart.models._cnn import Cnn
    from headstart.models._summary import Layer, summarise
    from headstart.models._transfer import Transfer

_LAZY = {
    "Cnn": "_cnn",
    "Backbone": "_backbone",
    "load_backbone": "_backbone",
    "own_side_px": "_backbone",
    "build": "_build",
    "build_head": "_build",
    "Layer": "_summary",
    "summarise": "_summary",
    "Transfer": "_transfer",
}

__all__ = [
    "MODELS",
    "WAYS",
    "Backbone",
    "BackboneOptions",
    "Cnn",
    "CnnOptions",
    "FashionOptions",
    "Layer",
    "MlpOptions",
    "NetOptions",
    "ScenesOptions",
    "Transfer",
    "build",
    "build_head",
    "installed_backbones",
    "is_backbone",
    "load_backbone",
    "options_of",
    "own_side_px",
    "pinned",
    "summarise",
    "usual_layers",
    "weights_mark",
]

__getattr__ = door(__name__, _LAZY)
