"""Print what pyproject.toml asks for, one requirement a line: to run, to build and to check novate."""

import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = (name for group in project["optional-dependencies"].values() for name in group)
print("\n".join([*project["dependencies"], *extras]))
