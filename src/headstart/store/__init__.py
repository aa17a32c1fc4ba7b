"""Run folders, atomic writes, manifests, locks: every byte that Headstart writes goes through here.

Does not belong here: what the bytes mean. No other room calls `open(..., "w")`, `mkdir` or `rename`.
"""

from headstart.store._files import (
    cache_folder,
    copy_folder,
    ensure_folder,
    nameless_file,
    need_space,
    new_folder,
    read_json,
    read_json_or,
    remove_file,
    remove_folder,
    rename_folder,
    reserve,
    volatile,
    write_bytes,
    write_json,
    write_text,
)
from headstart.store._locks import claim
from headstart.store._manifest import clear_debris, damage, seal
from headstart.store._rows import Rows

__all__ = [
    "Rows",
    "cache_folder",
    "claim",
    "clear_debris",
    "copy_folder",
    "damage",
    "ensure_folder",
    "nameless_file",
    "need_space",
    "new_folder",
    "read_json",
    "read_json_or",
    "remove_file",
    "remove_folder",
    "rename_folder",
    "reserve",
    "seal",
    "volatile",
    "write_bytes",
    "write_json",
    "write_text",
]
