#!/usr/bin/env bash
# The gate: format, lints, tests, documentation, packages and examples. Installs redis-server, tmux,
# prometheus, wrk, and strace on Linux, if they are missing. Needs a Rust toolchain (rustup's
# default profile).
set -euo pipefail
cd "$(dirname "$0")"

# It takes some 20 minutes on two cores. A test that hangs is named in the output after a minute; in
# a terminal, its reader can stop it.
if [ ! -t 1 ] && [ -z "${LIMITED:-}" ] && command -v timeout >/dev/null; then
  status=0
  LIMITED=yes timeout -k 60 3600 ./test.sh || status=$?
  [ "$status" != 124 ] || echo "stopped: it was not over after an hour" >&2
  exit "$status"
fi

TARGET=${CARGO_TARGET_DIR:-$PWD/target}
# Most crates are compiled once here, which is faster without the data for the next compilation.
export CARGO_INCREMENTAL=0

# Most tests wait for a server or a ttl most of the time.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(getconf _NPROCESSORS_ONLN)))}

say() { printf '\n== %s (after %d s)\n' "$*" "$SECONDS"; }

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

# Not with the rest: `metrics` makes each hold larger, and other tests measure that. Without `redis`
# the library must do all else.
with_features() {
  local command=$1
  shift
  cargo "$command" --quiet --package distlock --package distlock-runtime \
    --features distlock/metrics,distlock/redis "$@"
}

FEATURE_TESTS=(--test client --test metrics --test recorder --test prometheus)

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
if ! command -v wrk >/dev/null; then
  say "installing wrk"
  install_package wrk wrk >/dev/null || true
  command -v wrk >/dev/null || fail "wrk could not be installed: an example is loaded with it"
fi
if ! command -v prometheus >/dev/null || ! command -v promtool >/dev/null; then
  say "installing prometheus"
  # Debian's package would start a service: only its programs are used.
  if command -v apt-get >/dev/null; then
    as_root apt-get update >/dev/null || true
    mkdir -p "$TARGET/prometheus"
    (cd "$TARGET/prometheus" && apt-get download prometheus && dpkg -x prometheus_*.deb .) || true
    PATH="$PATH:$TARGET/prometheus/usr/bin"
  else
    install_package prometheus prometheus >/dev/null || true
  fi
  command -v prometheus >/dev/null && command -v promtool >/dev/null ||
    fail "prometheus could not be installed: put prometheus and promtool on the PATH, they check" \
      "the metrics, the alert rules and the dashboard"
fi

say "format"
cargo fmt --all --check
cargo fmt --manifest-path benches/compare/Cargo.toml --check
in_models cargo fmt --check

say "layers, names and lines"
cargo xtask tidy

# With `--locked`, a Cargo.lock that does not fit is an error.
say "lints"
cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
with_features clippy --lib --example observed "${FEATURE_TESTS[@]}" -- -D warnings
in_compare clippy --all-targets --locked --quiet -- -D warnings
in_models cargo clippy --all-targets --locked --quiet -- -D warnings

say "tests"
cargo test --workspace --quiet --no-fail-fast
with_features build --example observed
with_features test --no-fail-fast "${FEATURE_TESTS[@]}"
# A client with certificates, which the crate `redis` has only with TLS.
cargo test --quiet --package tls --features redis a_client_with
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
# Installs mdBook under target/ if it is not there: a minute of processor time.
cargo xtask book

say "packages"
./publishable.sh --fast

say "examples"
# Most are there from the tests. `cargo run` selects one package only, whose dependencies have fewer
# features than in the whole workspace, and would build them again.
cargo build --workspace --bins --examples --quiet
"$TARGET/debug/examples/bank" --seconds 2
"$TARGET/debug/examples/bank" --seconds 2 --no-lock
"$TARGET/debug/examples/bank" --seconds 2 --sentinel
"$TARGET/debug/examples/bank" --seconds 2 --cluster
"$TARGET/debug/examples/reentrant_tasks"
"$TARGET/debug/examples/fenced_write"
"$TARGET/debug/examples/cron"
"$TARGET/debug/examples/transfer"
"$TARGET/debug/examples/leader"
"$TARGET/debug/examples/worker"
"$TARGET/debug/examples/migration"
"$TARGET/debug/axum-example" tour
"$TARGET/debug/axum-example" load --seconds 3
"$TARGET/debug/examples/observed" --listen 127.0.0.1:0 --seconds 2

say "passed"
