#!/usr/bin/env bash
# Builds the wheel (release, led by a profile of the engine, abi3: one file for every Python from 3.11 on) into dist/, installs it into
# a fresh environment outside this tree, and runs the README's four lines there. NOVATE_PLAIN=1 makes it without a profile. Prints the wheel's path on standard output, the rest on standard error.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh
rm -rf dist
. scripts/led.sh
VIRTUAL_ENV=$PWD/.venv PYO3_PYTHON=$PWD/.venv/bin/python .venv/bin/maturin build --release --out dist --quiet >&2
wheel=$(ls "$PWD"/dist/novate-*-abi3-*.whl)
away=$(mktemp -d)
trap 'rm -rf "$away"' EXIT
cp src/novate/demo/portfolio.csv "$away/portfolio.csv"
python=$(.venv/bin/python -c 'import sys; print(sys._base_executable)')
cd "$away"
"$python" -m venv fresh
fresh/bin/python -m pip install --quiet --disable-pip-version-check "$wheel" >&2
env -u PYTHONPATH -u NOVATE_DATA fresh/bin/python - >&2 <<'LINES'
import novate
prices = {"AAPL": 89.79, "MSFT": 23.01}
print(novate.margin("portfolio.csv", prices)[["requirement", "explanation"]].to_string())
path = novate.replay("portfolio.csv", "october-2008")
print(path.loc[path["events"] != "", ["equity", "state", "events"]].to_string())
assert "site-packages" in novate.__file__, novate.__file__
assert not any(path.attrs["conservation"].values())
LINES
echo "$wheel"
