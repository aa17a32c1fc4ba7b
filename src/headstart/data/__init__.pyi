from ._apply_plan import (
    apply_plan as apply_plan,
    with_and_without_plan as with_and_without_plan,
)
from ._doubtful_names import (
    similar_class_names as similar_class_names,
)
from ._fingerprints import (
    content_key as content_key,
    split_fingerprint as split_fingerprint,
)
from ._folds import (
    Folds as Folds,
    deal_folds as deal_folds,
    fold_images as fold_images,
    make_folds as make_folds,
    most_folds as most_folds,
    split_without_test as split_without_test,
)
from ._load import (
    LOAD_KEYS as LOAD_KEYS,
    Source as Source,
    check_source as check_source,
    image_files as image_files,
    load as load,
)
from ._memory_maps import (
    blocks as blocks,
    take as take,
)
from ._plan_file import (
    PlanRow as PlanRow,
    check_plan_path as check_plan_path,
    plan_text as plan_text,
    read_plan as read_plan,
    write_plan as write_plan,
)
from ._probability_columns import (
    probability_columns as probability_columns,
)
from ._python_objects import (
    DatasetObject as DatasetObject,
)
from ._recorded_data import (
    describe_changes as describe_changes,
)
from ._split import (
    DEFAULT_FRACTION as DEFAULT_FRACTION,
    DEFAULT_SPLIT_SEED as DEFAULT_SPLIT_SEED,
    make_split as make_split,
)
from ._split_file import (
    read_image_hashes as read_image_hashes,
    read_split as read_split,
    write_split as write_split,
)
from ._split_subsets import (
    draw_labelled_subset as draw_labelled_subset,
    max_labels_per_class as max_labels_per_class,
    with_all_for_training as with_all_for_training,
    with_train as with_train,
    without_test as without_test,
    without_validation as without_validation,
)
from ._stratify import (
    stratified_subset as stratified_subset,
)
from ._summary import (
    describe as describe,
    summary_line as summary_line,
)
from ._threads import (
    map_in_threads as map_in_threads,
)
from ._thumbnails import (
    check_pixels as check_pixels,
    data_uri as data_uri,
    pack_sheet as pack_sheet,
    sheet_columns as sheet_columns,
    to_pil_image as to_pil_image,
    unpack_sheet as unpack_sheet,
)
from ._types import (
    PART_NAMES as PART_NAMES,
    TEST as TEST,
    TRAIN as TRAIN,
    UNASSIGNED as UNASSIGNED,
    VALIDATION as VALIDATION,
    AppliedPlan as AppliedPlan,
    Dataset as Dataset,
    EvaluateOn as EvaluateOn,
    LoadKeys as LoadKeys,
    Resize as Resize,
    Split as Split,
    SplitDataset as SplitDataset,
    UnreadableFile as UnreadableFile,
)
from ._unpacked import (
    locate as locate,
    name_archive_in_errors as name_archive_in_errors,
)
from ._warnings import (
    count_unreadable as count_unreadable,
)
from .formats._reading import (
    refuse_url as refuse_url,
)
from .formats.arrays._shapes import (
    channels_last as channels_last,
)
from .formats.folders._file_tree import (
    is_image as is_image,
    list_images as list_images,
)
from .formats.images._decode import (
    read_header as read_header,
)
from .formats.images._image_files import (
    DEFAULT_SIZE_PX as DEFAULT_SIZE_PX,
    read_images as read_images,
)
from .formats.images._open_image import (
    LARGEST_FILE_BYTES as LARGEST_FILE_BYTES,
    ImageLimits as ImageLimits,
    ImageSource as ImageSource,
    UnreadableImage as UnreadableImage,
)
from .formats.images._reading_notes import (
    ReadingNotes as ReadingNotes,
)
from .formats.images._resize import (
    resize_pixels as resize_pixels,
)
from .formats.images._skip_bad import (
    require_readable_files as require_readable_files,
)
from .formats.images._unreadable import (
    list_failures as list_failures,
    unreadable_images as unreadable_images,
)
from .formats.images._untrusted import (
    count_untrusted_pixels as count_untrusted_pixels,
    read_untrusted_image as read_untrusted_image,
)
from .formats.tables._csv_table import (
    open_table as open_table,
)
from .formats.tables._metadata_columns import (
    read_metadata_columns as read_metadata_columns,
)
from .formats.tables._path_csv import (
    list_unlabelled as list_unlabelled,
)
from .formats.tables._pixel_csv import (
    read_unlabelled_csv as read_unlabelled_csv,
)
from .groups._descriptors import (
    luminance as luminance,
)
from .groups._file_facts import (
    FileFacts as FileFacts,
    image_paths as image_paths,
    read_file_facts as read_file_facts,
)
from .groups._infer import (
    InferredGroups as InferredGroups,
    connected_groups as connected_groups,
    infer_groups as infer_groups,
)
from .groups._near_duplicates import (
    NearDuplicates as NearDuplicates,
    Relation as Relation,
    find_near_duplicates as find_near_duplicates,
)
from .groups._with_groups import (
    INFERRED as INFERRED,
    with_inferred_groups as with_inferred_groups,
)
from .named._catalogue import (
    NamedDataset as NamedDataset,
)
from .named._download import (
    SourceFailed as SourceFailed,
)
from .named._fetch import (
    available_edition as available_edition,
    catalogue as catalogue,
    fetch_named as fetch_named,
    is_cached as is_cached,
    source_of as source_of,
)
from .named._packages import (
    NpmPackage as NpmPackage,
)
