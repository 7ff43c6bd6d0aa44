#!/usr/bin/env bash
# Says in one line what this machine lacks to build novate. Installs nothing. Prints the Python to use on success.
set -u
need_rust=1.95
fail() { echo "novate: $*" >&2; exit 1; }

python=""
for candidate in ${PYTHON:-} python3.14 python3.13 python3.12 python3.11 python3 python; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$(command -v "$candidate"); break; fi
done
[ -n "$python" ] || fail "missing: Python 3.11 or newer (Debian 12: apt-get install python3 python3-venv)"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
  fail "missing: the venv module of $python (Debian 12: apt-get install python3-venv)"

command -v cargo >/dev/null && command -v rustc >/dev/null ||
  fail "missing: cargo and rustc $need_rust or newer (https://rustup.rs)"
rust=$(rustc --version | cut -d' ' -f2)
[ "$(printf '%s\n%s\n' "$need_rust" "$rust" | sort -V | head -n1)" = "$need_rust" ] ||
  fail "missing: rustc $need_rust or newer, found $rust (rustup update)"
command -v cc >/dev/null || fail "missing: a C compiler for the Rust linker (Debian 12: apt-get install gcc libc6-dev)"
echo "$python"
