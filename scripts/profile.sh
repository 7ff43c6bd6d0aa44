#!/usr/bin/env bash
# Prints the path of a profile of the engine that a build is led by (rustc -Cprofile-use), made anew when the engine's sources
# changed: instrumented builds of the driver and the package, `benches/train.py` run by them, what they counted merged.
# Prints nothing where that can not be done, or where NOVATE_PLAIN is set: builds are plain then. Progress on standard error.
set -eu
cd "$(dirname "$0")/.."
[ -z "${NOVATE_PLAIN:-}" ] || exit 0
merge=$(rustc --print target-libdir)/../bin/llvm-profdata
if [ ! -x "$merge" ]; then
  echo "novate: a plain build: missing: llvm-profdata (rustup component add llvm-tools)" >&2
  exit 0
fi
place=$PWD/target/profile
found=$place/engine.profdata
sources=$( (rustc -V; cat Cargo.lock; find Cargo.toml crates/*/Cargo.toml crates/*/src crates/*/benches benches/train.py -type f -print0 | sort -z | xargs -0 sha256sum) | sha256sum)
if [ ! -f "$found" ] || [ "$(cat "$place/sources" 2>/dev/null)" != "$sources" ]; then
  echo "novate: profiling the engine (some minutes, once after each change of it)" >&2
  rm -rf "$place/raw" "$place/python"
  mkdir -p "$place/raw" "$place/python"
  export CARGO_TARGET_DIR=$place/build RUSTFLAGS="-Cprofile-generate=$place/raw" PYO3_PYTHON=$PWD/.venv/bin/python
  cargo build --quiet --release -p novate-py >&2
  driver=$(cargo bench --quiet --no-run -p novate-core --bench workload --message-format=json |
    .venv/bin/python -c 'import json, sys; print([m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable")][-1])')
  cp -r src/novate "$place/python/novate"
  cp "$place"/build/release/lib_core.* "$place/python/"
  library=$(ls "$place"/python/lib_core.so "$place"/python/lib_core.dylib 2>/dev/null | head -n1)
  mv "$library" "$place/python/novate/_core.abi3.so"
  PYTHONPATH=$place/python .venv/bin/python benches/train.py "$driver" "$place/raw" >&2
  for part in orders day; do "$merge" merge -o "$place/$part.profdata" "$place/raw/$part"-*.profraw; done
  # A day counts fifty times what the orders do, and only what has most of all counts is taken for hot.
  "$merge" merge -weighted-input=300,"$place/orders.profdata" -weighted-input=1,"$place/day.profdata" -o "$found"
  rm -rf "$place/raw"
  echo "$sources" > "$place/sources"
fi
echo "$found"
