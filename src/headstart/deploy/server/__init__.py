"""The HTTP server of a model, with its web page.

Belongs here: routes, access control, request limits, batching, the page. Does not: the predictions
and explanations themselves (`headstart.deploy`).
"""
