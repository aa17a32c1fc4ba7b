"""Write the JSON Schemas of all results: `python -m headstart.results [FOLDER]`."""

import sys
from pathlib import Path

from headstart.results._schemas import write_schemas

for path in write_schemas(Path(*sys.argv[1:] or ("docs", "schemas"))):
    print(path)
