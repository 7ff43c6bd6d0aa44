"""Print what pyproject.toml asks for, one requirement a line: to run, to build and to check novate."""

import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
print("\n".join([*project["dependencies"], *project["optional-dependencies"]["dev"]]))
