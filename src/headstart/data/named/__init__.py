"""Named datasets: what is known about each, and how to fetch and verify it.

Belongs here: the catalogue, the sources of files and their layouts. Does not belong here: the
user's own data (`headstart.data.formats`).
"""
