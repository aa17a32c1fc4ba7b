"""ONNX Runtime Web, which runs exported files in a browser: one version, checked by its SHA-256.

It is not a part of Headstart. It comes from the npm registry of this machine, or from the user, and
stays in the cache.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from headstart import store
from headstart.data import NpmPackage, SourceFailed
from headstart.errors import InputError, ResourceError

_CODE, _BINARY = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
_SHA256 = {
    _CODE: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    _BINARY: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
PACKAGE = NpmPackage(
    package="onnxruntime-web",
    version="1.30.0",
    sha512=(
        "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
    ),
    files=(_CODE, _BINARY),
    size_bytes=33_200_000,
)
_NAME = f"{PACKAGE.package} {PACKAGE.version}"


@dataclass(frozen=True)
class WebRuntime:
    """The two files of ONNX Runtime Web that a page needs.

    Attributes:
        code: An ES module.
        binary: The WebAssembly that it starts.
    """

    code: bytes
    binary: bytes


def open_runtime(path: Path | None = None) -> WebRuntime:
    """Return ONNX Runtime Web, from the user, from the cache or from the npm registry.

    Args:
        path: The archive that `npm pack` writes, or a folder of the unpacked package. None for the
            cache, which the registry fills.

    Raises:
        InputError: `path` holds another version, or something else.
        ResourceError: The registry did not provide the package.
    """
    if path is not None:
        return _open_user_runtime(path)

    folder = store.cache_folder() / "runtimes" / f"{PACKAGE.package}-{PACKAGE.version}"
    if folder.exists():
        try:
            return _read(folder)
        except SourceFailed:
            store.remove_folder(folder)

    with store.new_folder(folder) as building, store.scratch_folder(building) as temporary:
        try:
            runtime = _read(PACKAGE.fetch(temporary.resolve()))
        except SourceFailed as failure:
            raise ResourceError(
                f"the npm registry did not provide {_NAME}: {failure}.",
                f"On a machine that reaches it: npm pack {PACKAGE.package}@{PACKAGE.version}. "
                "Then pass the archive: --runtime FILE",
            ) from failure
        store.write_bytes(building / _CODE, runtime.code)
        store.write_bytes(building / _BINARY, runtime.binary)
    return runtime


def _open_user_runtime(path: Path) -> WebRuntime:
    try:
        if path.is_dir():
            return _read(path / "dist" if (path / "dist").is_dir() else path)
        with store.scratch_folder() as temporary:
            return _read(PACKAGE.unpack(path.read_bytes(), temporary))
    except (OSError, SourceFailed) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"invalid --runtime {path}: expected {_NAME}, but {reason}.",
            f"Get it with: npm pack {PACKAGE.package}@{PACKAGE.version}",
        ) from error


def _read(folder: Path) -> WebRuntime:
    """Read the two files.

    Raises:
        SourceFailed: One is missing, or has another SHA-256.
    """
    contents: dict[str, bytes] = {}
    for name, expected in _SHA256.items():
        try:
            contents[name] = (folder / name).read_bytes()
        except OSError as error:
            raise SourceFailed(f"{folder / name} cannot be read ({error.strerror})") from error
        digest = hashlib.sha256(contents[name]).hexdigest()
        if digest != expected:
            raise SourceFailed(f"{name} has the SHA-256 {digest}, and not {expected}")
    return WebRuntime(contents[_CODE], contents[_BINARY])
