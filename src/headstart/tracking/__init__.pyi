from ._track import (
    TRACKERS as TRACKERS,
    track_with as track_with,
)
