"""Tables and bars for the terminal and for notebooks.

Belongs here: Rich renderables, at most 100 columns wide. Does not: HTML pages (`headstart.report.pages`).
"""
