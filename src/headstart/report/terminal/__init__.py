"""Tables and bars for the terminal and for notebooks.

Belongs here: Rich renderables, at most 100 columns wide and complete at 80. Does not belong here:
HTML pages (`headstart.report.pages`).
"""
