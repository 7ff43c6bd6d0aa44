"""Print what pyproject.toml asks for, one requirement a line: to run, to build and to check novate; or, with its name, an extra alone.

What `LATER` names takes minutes to compile where it is installed: only the tests that need it wait for it (checks.py).
"""

import sys
import tomllib
from pathlib import Path

LATER = ("fix",)

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = project["optional-dependencies"]
if len(sys.argv) > 1:
    print("\n".join(extras[sys.argv[1]]))
else:
    others = (name for extra, group in extras.items() if extra not in LATER for name in group)
    print("\n".join([*project["dependencies"], *others]))
