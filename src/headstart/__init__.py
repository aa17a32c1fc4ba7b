"""Headstart: an image-classification workbench.

    import headstart
    finding = headstart.compare("photos/", time_limit="5m")
    print(finding["verdict"]["sentence"])

The functions and the command line have the same verbs and the same keys. Nothing heavy is imported
before it is needed.
"""

import sys
from types import ModuleType
from typing import Any

import lazy_loader

from headstart.machine import limit_waiting_of_threads

if sys.platform == "win32":
    raise ImportError(
        "Headstart needs Linux or macOS: its locks and worker limits use fcntl and resource, "
        "which Windows lacks. On Windows, install it in the Windows Subsystem for Linux (WSL)."
    )

limit_waiting_of_threads()

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


class _Package(ModuleType):
    """A package whose `audit` and `report` stay functions when the subpackages are imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("audit", "report") and isinstance(value, ModuleType):
            return  # Python binds a submodule to its package when it is imported
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
