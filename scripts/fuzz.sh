#!/usr/bin/env bash
# Fuzzes the engine with coverage feedback on the stable toolchain: codec, commands, snapshot beside one another, SECONDS each (default 20).
# What it learns stays in fuzz/corpus; an input that breaks something is kept and named, and the exit status is not 0.
set -eu
cd "$(dirname "$0")/../fuzz"
seconds=${1:-20}
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table --cfg fuzzing -Cdebug-assertions"
host=$(rustc -vV | sed -n 's/^host: //p') # named, so that the counters stay out of build scripts
cargo build --quiet --release --bins --target "$host"
target=${CARGO_TARGET_DIR:-target}/$host
fuzz() { # one target, NAME; two of them share no file
  mkdir -p "corpus/$1" "crashes/$1"
  "$target/release/$1" "corpus/$1" -max_total_time="$seconds" -max_len=2048 -print_final_stats=1 \
    -artifact_prefix="crashes/$1/" -verbosity=0 2>"crashes/$1.log" && status=ok || status=FAILED
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "crashes/$1.log")
  echo "fuzz $1: ${runs:-0} inputs in ${seconds} s, $status"
  [ "$status" = ok ] || { tail -n 20 "crashes/$1.log"; return 1; }
}
running=()
for name in codec commands snapshot; do
  fuzz "$name" &
  running+=($!)
done
failed=0
for one in "${running[@]}"; do wait "$one" || failed=1; done
exit $failed
