"""The search for hyper-parameters: its question, storage, scheduling and finding.

Belongs here: what only `tune` needs. Does not: what all studies share (`headstart.studies`).
"""
