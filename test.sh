#!/usr/bin/env bash
# The gate: format, lints, tests, documentation, packages and examples. Installs redis-server, tmux,
# and strace on Linux, if they are missing. Needs a Rust toolchain (rustup's default profile).
set -euo pipefail
cd "$(dirname "$0")"

TARGET=${CARGO_TARGET_DIR:-$PWD/target}
# Most crates are compiled once here, which is faster without the data for the next compilation.
export CARGO_INCREMENTAL=0

say() { printf '\n== %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else return 1
  fi
}

# A package by its name for apt, and its name for the others.
install_package() {
  if command -v apt-get >/dev/null; then
    as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y "$1"
  elif command -v dnf >/dev/null; then as_root dnf install -y "$2"
  elif command -v apk >/dev/null; then as_root apk add "$2"
  elif command -v pacman >/dev/null; then as_root pacman -S --noconfirm "$2"
  elif command -v brew >/dev/null; then brew install "$2"
  else return 1
  fi
}

# The crates of `verification/models`, where Cargo sets a cfg. One by one, as each needs another set
# of features of the runtime.
in_models() {
  local folder
  for folder in loom promotion shuttle sim; do (cd "verification/models/$folder" && "$@"); done
}

# Shares the dependencies that both workspaces build alike.
in_compare() {
  local command=$1
  shift
  cargo "$command" --manifest-path benches/compare/Cargo.toml --target-dir "$TARGET" "$@"
}

fail() { echo "$*" >&2; exit 1; }

command -v cargo >/dev/null || fail "cargo is missing: install Rust from https://rustup.rs"
if ! command -v redis-server >/dev/null; then
  say "installing redis-server"
  install_package redis-server redis >/dev/null || true
  command -v redis-server >/dev/null ||
    fail "redis-server could not be installed: put version 6.2 or later, or valkey-server under" \
      "that name, on the PATH"
fi
redis-server --version
if [ "$(uname)" = Linux ] && ! command -v strace >/dev/null; then
  say "installing strace"
  install_package strace strace >/dev/null || true
  command -v strace >/dev/null ||
    fail "strace could not be installed: put it on the PATH, it counts system calls for a test"
fi
if ! command -v tmux >/dev/null; then
  say "installing tmux"
  install_package tmux tmux >/dev/null || true
  command -v tmux >/dev/null || fail "tmux could not be installed: a test runs the command in it"
fi

say "format"
cargo fmt --all --check
cargo fmt --manifest-path benches/compare/Cargo.toml --check
in_models cargo fmt --check

say "layers, names and lines"
cargo xtask tidy

say "lints"
cargo clippy --workspace --all-targets --quiet -- -D warnings
in_compare clippy --all-targets --quiet -- -D warnings
in_models cargo clippy --all-targets --quiet -- -D warnings

say "tests"
cargo test --workspace --quiet --no-fail-fast
in_compare test --quiet
in_models cargo test --quiet

say "another server"
if [ "$(uname -sm)" = "Linux x86_64" ]; then
  tests/servers.sh today
else
  echo "left out: tests/servers.sh has servers for Linux on x86-64 only"
fi

say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

say "packages"
./publishable.sh --fast

say "examples"
# As the tests have built them. `cargo run` selects one package only, whose dependencies have fewer
# features than in the whole workspace, and would build them again.
"$TARGET/debug/examples/bank" --seconds 2
"$TARGET/debug/examples/bank" --seconds 2 --no-lock
"$TARGET/debug/examples/bank" --seconds 2 --sentinel
"$TARGET/debug/examples/bank" --seconds 2 --cluster
"$TARGET/debug/examples/reentrant_tasks"
"$TARGET/debug/examples/fenced_write"
"$TARGET/debug/examples/cron"
"$TARGET/debug/examples/transfer"

say "passed"
