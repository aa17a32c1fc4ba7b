"""Named datasets: what is known about each, and how to fetch and verify it.

Belongs here: the catalogue, its sources and file layouts. Does not: users' own data (`headstart.data.formats`).
"""
