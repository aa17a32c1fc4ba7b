from ._files import (
    cache_folder as cache_folder,
    copy_folder as copy_folder,
    ensure_folder as ensure_folder,
    nameless_file as nameless_file,
    need_space as need_space,
    new_folder as new_folder,
    read_json as read_json,
    read_json_or as read_json_or,
    remove_file as remove_file,
    remove_folder as remove_folder,
    rename_folder as rename_folder,
    reserve as reserve,
    volatile as volatile,
    write_bytes as write_bytes,
    write_json as write_json,
    write_text as write_text,
)
from ._locks import (
    claim as claim,
)
from ._manifest import (
    clear_debris as clear_debris,
    damage as damage,
    seal as seal,
)
from ._rows import (
    Rows as Rows,
)
