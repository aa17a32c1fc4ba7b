"""Images that are not independent: near duplicates, and groups that nobody wrote down.

Belongs here: near-duplicate search, what the headers of image files say, and groups inferred from
both and from file names. NumPy, SciPy and Pillow only, because `--group-by inferred` is an option
of `load`. Does not belong here: what follows for a split or a score (`headstart.audit`).
"""
