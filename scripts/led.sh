# Sourced, from the root: builds after it are led by a profile of the engine, where one can be made. They have a place of their own,
# so that they and plain builds do not undo each other.
profile=$(scripts/profile.sh)
if [ -n "$profile" ]; then
  export RUSTFLAGS="-Cprofile-use=$profile" CARGO_TARGET_DIR="$PWD/target/led"
fi
