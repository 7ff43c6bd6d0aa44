#!/usr/bin/env bash
# Makes .venv with everything novate needs to be built, run and tested. Does nothing when that is already so.
set -u
cd "$(dirname "$0")/.."
fail() { echo "novate: $*" >&2; exit 1; }

python=$(scripts/preflight.sh) || exit 1
stamp=.venv/.novate-requirements
wanted=$("$python" scripts/requirements.py) || fail "pyproject.toml can not be read"
[ -x .venv/bin/python ] || "$python" -m venv .venv || fail "the virtual environment .venv can not be made"
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  echo "novate: installing Python packages into .venv" >&2
  printf '%s\n' "$wanted" | .venv/bin/python -m pip install --quiet --disable-pip-version-check -r /dev/stdin ||
    fail "can not reach the Python package index (PyPI), or it lacks a package named above"
  printf '%s\n' "$wanted" > "$stamp"
fi
cargo fetch --quiet || fail "can not reach the Rust crate registry (crates.io), or it lacks a crate named above"
