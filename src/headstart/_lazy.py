"""Doors of rooms whose contents need torch or more: what lies behind them is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def door(room: str, behind: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package.

    Args:
        room: its name.
        behind: by public name, the module of the package that holds it.
    """

    def get(name: str) -> Any:
        if name not in behind:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(import_module(f"{room}.{behind[name]}"), name)

    return get
