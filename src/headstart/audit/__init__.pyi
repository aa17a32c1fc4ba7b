from ._as_results import (
    ImageNames as ImageNames,
    class_counts as class_counts,
    class_imbalance as class_imbalance,
    duplicate_pairs as duplicate_pairs,
    file_counts as file_counts,
    leaks as leaks,
    odd_images as odd_images,
    quality_issues as quality_issues,
    shortcut_report as shortcut_report,
    unreadable_images as unreadable_images,
)
from ._copies_of_training import (
    LEAST_PX as LEAST_PX,
    MOST_IMAGES as MOST_IMAGES,
    copies_of_training as copies_of_training,
    picture_numbers as picture_numbers,
)
from ._duplicates import (
    Duplicates as Duplicates,
    find_duplicates as find_duplicates,
)
from ._groups import (
    group_report as group_report,
)
from ._label_issues import (
    LabelIssues as LabelIssues,
    WrongLabels as WrongLabels,
    find_label_issues as find_label_issues,
)
from ._leak_free_accuracy import (
    LeakFreeAccuracy as LeakFreeAccuracy,
    accuracy_without_leaks as accuracy_without_leaks,
)
from ._odd_images import (
    OddImages as OddImages,
    find_odd_images as find_odd_images,
)
from ._pixel_statistics import (
    PixelStatistics as PixelStatistics,
    measure_pixels as measure_pixels,
)
from ._propose_plan import (
    propose_plan as propose_plan,
)
from ._quality import (
    QualityIssues as QualityIssues,
    find_quality_issues as find_quality_issues,
)
from ._renamed_classes import (
    RenamedClass as RenamedClass,
)
from ._shortcuts import (
    PropertyBaseline as PropertyBaseline,
    Shortcuts as Shortcuts,
    find_shortcuts as find_shortcuts,
)
from ._suspect_report import (
    SuspectReport as SuspectReport,
)
from ._suspects import (
    suspect_report as suspect_report,
)
