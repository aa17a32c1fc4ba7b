"""Figures as PNG and SVG, drawn with Matplotlib's object interface.

Belongs here: one function per figure. Does not: reading results (`headstart.report`).
"""
