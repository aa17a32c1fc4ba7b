"""The live view of a folder: its runs and studies, in progress and finished.

Belongs here: the snapshot of a folder, the page that shows it, and its buttons. Does not belong
here: pages that are written once (`headstart.report.pages`) and checks of every file
(`headstart.diagnosis`).
"""
