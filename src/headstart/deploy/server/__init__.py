"""The HTTP server and its web page.

Belongs here: routes, access control, request limits, batching. Does not: prediction itself (`headstart.deploy`).
"""
