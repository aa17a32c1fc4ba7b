"""The HTML pages: one module and one template per study.

Belongs here: what a page shows and in which order. Does not: drawing (`headstart.report.figures`).
"""
