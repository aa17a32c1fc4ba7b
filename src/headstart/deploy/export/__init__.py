"""Exported files: a classifier as one ONNX file or `torch.export` program, checked against its run.

Belongs here: export formats, the parity check, quantisation, predictions with an ONNX file. Does
not: predictions with a run (`headstart.deploy`).
"""
