from ._files import (
    allocate as allocate,
    anonymous_file as anonymous_file,
    cache_folder as cache_folder,
    copy_folder as copy_folder,
    ensure_folder as ensure_folder,
    new_folder as new_folder,
    read_json as read_json,
    read_json_or as read_json_or,
    remove_file as remove_file,
    remove_folder as remove_folder,
    rename_folder as rename_folder,
    require_space as require_space,
    without_sync as without_sync,
    write_bytes as write_bytes,
    write_json as write_json,
    write_text as write_text,
)
from ._locks import (
    claim as claim,
)
from ._manifest import (
    clear_debris as clear_debris,
    find_damage as find_damage,
    seal as seal,
)
from ._rows import (
    RowStore as RowStore,
)
