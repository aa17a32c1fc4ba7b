"""The diagnosis of what Headstart wrote: healthy, unfinished or damaged.

Belongs here: checks of folders that Headstart wrote and of the machine, each a function that only
reads and returns findings; and setting aside what is damaged. Does not belong here: the seal of a
folder (store), the schemas of results (results), the command and its text (api, report).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
