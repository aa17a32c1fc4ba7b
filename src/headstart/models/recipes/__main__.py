"""Write the typed keys of recipes after an option changed: `python -m headstart.models.recipes`."""

from headstart.models.recipes._write_keys import write_keys

print(write_keys())
