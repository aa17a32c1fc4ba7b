from ._cache_folder import (
    cache_folder as cache_folder,
    is_cache_temporary as is_cache_temporary,
)
from ._cells import (
    bare_cell as bare_cell,
    guard_cell as guard_cell,
)
from ._commands import (
    COMMAND_FILE as COMMAND_FILE,
    RecordedCommand as RecordedCommand,
    forget_command as forget_command,
    read_command as read_command,
    record_command as record_command,
)
from ._digest_file import (
    read_with_digest as read_with_digest,
    write_with_digest as write_with_digest,
)
from ._files import (
    allocate as allocate,
    anonymous_file as anonymous_file,
    append_line as append_line,
    ensure_folder as ensure_folder,
    is_stream as is_stream,
    json_bytes as json_bytes,
    remove_file as remove_file,
    without_sync as without_sync,
    write_at as write_at,
    write_bytes as write_bytes,
    write_json as write_json,
    write_text as write_text,
)
from ._folders import (
    clear_cache_debris as clear_cache_debris,
    copy_folder as copy_folder,
    link_folder as link_folder,
    new_folder as new_folder,
    remove_folder as remove_folder,
    rename as rename,
    replace_folder as replace_folder,
)
from ._growing_file import (
    GrowingFile as GrowingFile,
)
from ._json import (
    read_json as read_json,
    read_json_or as read_json_or,
)
from ._limits import (
    ALWAYS_ALLOWED_BYTES as ALWAYS_ALLOWED_BYTES,
    LARGEST_RATIO as LARGEST_RATIO,
    LARGEST_TEXT_BYTES as LARGEST_TEXT_BYTES,
    expansion_limit as expansion_limit,
    name_damage as name_damage,
    read_file as read_file,
    require_regular as require_regular,
    special_kind as special_kind,
)
from ._lock_holder import (
    LockHolder as LockHolder,
    lock_holder as lock_holder,
    may_stop as may_stop,
    stop_holder as stop_holder,
)
from ._locks import (
    claim as claim,
    lock_owner as lock_owner,
)
from ._manifest import (
    DamagedFile as DamagedFile,
    FileProblem as FileProblem,
    find_problems as find_problems,
)
from ._npz import (
    NpzFile as NpzFile,
    npz_bytes as npz_bytes,
    open_npy as open_npy,
    open_npz as open_npz,
)
from ._own_folders import (
    is_own_folder as is_own_folder,
)
from ._rows import (
    RowStore as RowStore,
)
from ._seal import (
    find_damage as find_damage,
    is_sealed as is_sealed,
    note_if_unsealed as note_if_unsealed,
    read_verified as read_verified,
    remove_sealed as remove_sealed,
    replace_sealed as replace_sealed,
    require_intact as require_intact,
    seal as seal,
    unseal as unseal,
    verified_content as verified_content,
)
from ._sqlite import (
    sqlite_damage as sqlite_damage,
)
from ._temporary import (
    clear_debris as clear_debris,
    has_debris as has_debris,
    list_debris as list_debris,
    scratch_folder as scratch_folder,
)
from ._text import (
    encode_text as encode_text,
)
from ._unfinished import (
    publish_folder as publish_folder,
    unfinished_folder as unfinished_folder,
)
from ._write_errors import (
    named_by as named_by,
    require_space as require_space,
    translate_disk_full as translate_disk_full,
    translate_os_errors as translate_os_errors,
)
