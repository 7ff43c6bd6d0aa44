#!/usr/bin/env bash
# Fuzzes the engine with coverage feedback on the stable toolchain: codec, commands, snapshot, SECONDS each (default 20).
# What it learns stays in fuzz/corpus; an input that breaks something is kept and named, and the exit status is not 0.
set -eu
cd "$(dirname "$0")/../fuzz"
seconds=${1:-20}
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table --cfg fuzzing -Cdebug-assertions"
host=$(rustc -vV | sed -n 's/^host: //p') # named, so that the counters stay out of build scripts
cargo build --quiet --release --bins --target "$host"
target=${CARGO_TARGET_DIR:-target}/$host
failed=0
for name in codec commands snapshot; do
  mkdir -p "corpus/$name" "crashes/$name"
  "$target/release/$name" "corpus/$name" -max_total_time="$seconds" -max_len=2048 -print_final_stats=1 \
    -artifact_prefix="crashes/$name/" -verbosity=0 2>"crashes/$name.log" && status=ok || { status=FAILED; failed=1; }
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "crashes/$name.log")
  echo "fuzz $name: ${runs:-0} inputs in ${seconds} s, $status"
  [ "$status" = ok ] || tail -n 20 "crashes/$name.log"
done
exit $failed
