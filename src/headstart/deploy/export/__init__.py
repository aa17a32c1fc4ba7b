"""A classifier as a file for other programs: ONNX and torch programs, with a parity check.

Belongs here: export formats and their check. Does not: prediction with a run (`headstart.deploy`).
"""
