"""The statistics of a study, computed again from the data that its report would have."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.report._embedded_data import embed_data, read_data, split_page, write_files
from headstart.report._recompute import recompute


def differing_statistics(
    folder: Path, root: Path, change: Callable[[dict[str, Any]], object] = dict
) -> set[str]:
    """Return the values of a finding that do not follow from the predictions.

    Args:
        folder: The study folder.
        root: A folder for copies.
        change: Called with the finding, which it may falsify.
    """
    _, element = split_page(embed_data("<body></body>", folder))
    data = read_data(element)
    finding = json.loads(data.files["finding.json"])
    change(finding)
    data = replace(data, files={**data.files, "finding.json": json.dumps(finding)})
    study = write_files(data, root / f"copy-{len(list(root.iterdir()))}")
    return {difference.where for difference in recompute(study, data).differences}
