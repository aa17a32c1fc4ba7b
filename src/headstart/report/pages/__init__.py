"""The HTML pages: one module and one template per study.

Belongs here: what a page shows, and in which order. A module computes the values, its template
writes the markup, and sections that several pages share have a module and a template of their own.
Does not belong here: drawing (`headstart.report.figures`).
"""
