#!/usr/bin/env bash
# The gate: format, lints, tests, documentation, packages and examples. Installs redis-server if it
# is missing. Needs a Rust toolchain (rustup's default profile).
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '\n== %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else return 1
  fi
}

install_redis() {
  if command -v apt-get >/dev/null; then
    as_root apt-get update &&
      as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y redis-server
  elif command -v dnf >/dev/null; then as_root dnf install -y redis
  elif command -v apk >/dev/null; then as_root apk add redis
  elif command -v pacman >/dev/null; then as_root pacman -S --noconfirm redis
  elif command -v brew >/dev/null; then brew install redis
  else return 1
  fi
}

# Workspaces whose `.cargo/config.toml` sets a cfg. Cargo reads it from the current folder.
in_workspaces() {
  local folder
  for folder in loom shuttle sim; do (cd "verification/$folder" && "$@"); done
}

fail() { echo "$*" >&2; exit 1; }

command -v cargo >/dev/null || fail "cargo is missing: install Rust from https://rustup.rs"
if ! command -v redis-server >/dev/null; then
  say "installing redis-server"
  install_redis >/dev/null || true
  command -v redis-server >/dev/null ||
    fail "redis-server could not be installed: put version 6.2 or later, or valkey-server under" \
      "that name, on the PATH"
fi
redis-server --version

say "format"
cargo fmt --all --check
cargo fmt --manifest-path benches/compare/Cargo.toml --check
in_workspaces cargo fmt --check

say "layers, names and lines"
cargo xtask tidy

say "lints"
cargo clippy --workspace --all-targets --quiet -- -D warnings
cargo clippy --manifest-path benches/compare/Cargo.toml --all-targets --quiet -- -D warnings
in_workspaces cargo clippy --all-targets --quiet -- -D warnings

say "tests"
cargo test --workspace --quiet --no-fail-fast
cargo test --manifest-path benches/compare/Cargo.toml --quiet
in_workspaces cargo test --quiet

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
cargo run --quiet --example bank -- --seconds 2
cargo run --quiet --example bank -- --seconds 2 --no-lock
cargo run --quiet --example reentrant_tasks
cargo run --quiet --example fenced_write
cargo run --quiet --example transfer

say "passed"
