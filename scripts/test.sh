#!/usr/bin/env bash
# Everything that must hold before a change is in; the last line counts what passed. Arguments go to scripts/checks.py.
set -u
cd "$(dirname "$0")/.."
if ! scripts/setup.sh; then
  echo "0 passed, 1 failed, 0 skipped"
  exit 1
fi
exec .venv/bin/python scripts/checks.py "$@"
