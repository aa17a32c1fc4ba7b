"""The index of the cache: from the user's files to the key of the entry that holds their images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from headstart import store
from headstart.data._file_identity import FileIdentities
from headstart.data._fingerprints import content_key
from headstart.data._threads import map_in_threads
from headstart.data._types import OptionValues


class FileIndex:
    """The cache key of the files of one source, remembered by their identities.

    Args:
        source: The absolute path that the user named.
        key_options: Everything besides the files that determines the decoded arrays.
        identities: Identities of the files, taken before they are read. So a file that changes
            while it is decoded has another identity at the next start.
    """

    def __init__(self, source: Path, key_options: OptionValues, identities: FileIdentities) -> None:
        self._source, self._identities = source, identities
        options = json.dumps(key_options)
        sizes = json.dumps([list(identities.names), identities.sizes])
        cache = store.cache_folder()
        self._path = cache / "index" / f"{content_key(str(source), options)}.json"
        self._path_by_sizes = cache / "sizes" / f"{content_key(sizes, options)}.json"

    def known_key(self) -> str | None:
        """Return the cache key of the files, or None if one is new, missing or perhaps changed."""
        entry = store.read_json_or(self._path, {})
        if not isinstance(entry, dict) or self._identities.unreliable_file_system:
            return None
        if not entry.get("signature") or not isinstance(entry.get("key"), str):
            return None
        if entry["signature"] != self._identities.signature:
            return None
        return str(entry["key"])

    def may_know_contents(self) -> bool:
        """Return whether the cache has held files of these names and sizes, wherever they were."""
        return self._path_by_sizes.exists()

    def remember(self, key: str) -> None:
        """Record the cache key of the files.

        The identities are recorded only if a change from now on would alter them. Otherwise the
        next start reads the files.

        Raises:
            ResourceError: The cache cannot be written.
        """
        signature = self._identities.signature if self._identities.are_reliable else ""
        entry = {"source": str(self._source), "signature": signature, "key": key}
        if entry != store.read_json_or(self._path, {}):
            store.write_json(self._path, entry)
        if not self._path_by_sizes.exists():
            store.write_json(self._path_by_sizes, {"key": key})


def hash_files(root: Path, names: Sequence[str], title: str) -> list[bytes]:
    """Return the SHA-256 digests of files.

    Args:
        root: Folder of the files.
        names: Their names.
        title: Title of the progress bar.
    """

    def digest_of(name: str) -> bytes:
        try:
            with (root / name).open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            # Whether such a file is an error is up to the decoder.
            return f"error {error.errno}".encode()

    return map_in_threads(digest_of, names, title, "files")
