#!/usr/bin/env bash
# Builds the engine (release) and installs the package into .venv, editable: Python changes need no build.
# With `--led` the build is led by a profile of the engine, as wheels are: slower to make, faster to run.
# Speaks on standard error, so that standard output belongs to the command that follows.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh
case "${1:-}" in
  "") ;;
  --led) . scripts/led.sh ;;
  *) echo "novate: build.sh knows --led, not $1" >&2; exit 2 ;;
esac
VIRTUAL_ENV=$PWD/.venv PYO3_PYTHON=$PWD/.venv/bin/python \
  PIP_QUIET=1 .venv/bin/maturin develop --release --quiet >&2
