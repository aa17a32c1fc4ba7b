"""Figures as PNG and SVG, drawn with Matplotlib's object interface.

Belongs here: functions that draw, with the colours and the style they share. Does not belong here:
reading results (`headstart.report`), and the order of a page (`headstart.report.pages`).
"""
