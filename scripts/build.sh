#!/usr/bin/env bash
# Builds the engine (release) and installs the package into .venv, editable: Python changes need no build.
# Speaks on standard error, so that standard output belongs to the command that follows.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh
VIRTUAL_ENV=$PWD/.venv PYO3_PYTHON=$PWD/.venv/bin/python \
  PIP_QUIET=1 .venv/bin/maturin develop --release --quiet >&2
