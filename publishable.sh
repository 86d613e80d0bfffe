#!/usr/bin/env bash
# Checks that the crates can be published: the content of their archives, and that a crate which has
# only these archives builds and passes its tests. `--fast` leaves out the slow checks: the
# command, features, lowest versions, docs.rs, the oldest compiler, semver. Works under target/.
set -euo pipefail
cd "$(dirname "$0")"

# In the order in which they are published.
CRATES=(distlock-macros distlock-runtime distlock)
COMMAND=distlock-cli
WORK=target/publishable
export CARGO_TARGET_DIR="$PWD/target"

say() { printf '\n== %s\n' "$*"; }
fail() { echo "$*" >&2; exit 1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
each_crate() { printf -- '-p %s ' "${CRATES[@]}"; }
version() { sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml; }
floor() { sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml; }
has_toolchain() { command -v rustup >/dev/null && rustup toolchain list | grep -q "^$1"; }
archive() { echo "$CARGO_TARGET_DIR/package/$1-$(version).crate"; }

# Includes uncommitted changes, so that it can run before a commit. Cargo's own verification is off:
# it caches the unpacked archive of a version, and would build `distlock` with an old runtime.
pack() {
  say "archives"
  # shellcheck disable=SC2046
  cargo package --quiet --allow-dirty --no-verify $(each_crate) -p "$COMMAND"
  local crate
  for crate in "${CRATES[@]}"; do check_archive "$crate" src/lib.rs; done
  check_archive "$COMMAND" src/main.rs
}

check_archive() {
  local listing file
  listing="$(tar -tzf "$(archive "$1")" | sed 's|^[^/]*/||')"
  for file in Cargo.toml README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$2"; do
    grep -qx "$file" <<<"$listing" || fail "$1: $file is not in the archive"
  done
  if tar -xzOf "$(archive "$1")" "$1-$(version)/Cargo.toml" | grep -q testkit; then
    fail "$1: depends on a crate that is not published"
  fi
  printf '%-16s %3d files, %6d bytes\n' "$1" "$(wc -l <<<"$listing")" "$(wc -c <"$(archive "$1")")"
}

# A workspace of the unpacked archives and one crate that depends on their version. The files get
# the current time: those in the archives never change, and Cargo would not rebuild.
unpack() {
  rm -rf "$WORK" && mkdir -p "$WORK"
  local crate
  for crate in "${CRATES[@]}"; do
    tar -xzmf "$(archive "$crate")" -C "$WORK"
    mv "$WORK/$crate-$(version)" "$WORK/$crate"
    without_dev_dependencies "$WORK/$crate/Cargo.toml"
  done
  cp -r tests/compat/no-prelude "$WORK/user"
  sed -i.orig "s|^distlock = .*|distlock = \"=$(version)\"|" "$WORK/user/Cargo.toml"
  cp Cargo.lock "$WORK/Cargo.lock"
  workspace >"$WORK/Cargo.toml"
}

workspace() {
  echo '[workspace]'
  echo 'resolver = "3"'
  echo 'members = ["user", "distlock-macros", "distlock-runtime", "distlock"]'
  echo '[profile.dev]'
  echo 'debug = false'
  echo '[patch.crates-io]'
  local crate
  for crate in "${CRATES[@]}"; do echo "$crate = { path = \"$crate\" }"; done
}

# Users never see these, and minimal versions are none of theirs.
without_dev_dependencies() {
  awk '/^\[/ { drop = /^\[(target\..*\.)?dev-dependencies/ } !drop' "$1" >"$1.users"
  mv "$1.users" "$1"
}

in_work() { (cd "$WORK" && "$@"); }

use_archives() {
  say "a crate that has nothing but the archives"
  in_work cargo test --quiet -p no-prelude --test no_prelude
}

# The verification crates reach into the runtime under a cfg. No feature of the archives may do
# that.
check_seam() {
  say "no feature opens the runtime for users"
  local features log
  features="$(awk '/^\[/ { on = /^\[features\]/ } on && / = / { print $1 }' \
    "$WORK/distlock/Cargo.toml" "$WORK/distlock-runtime/Cargo.toml" | sort -u | xargs)"
  # The features with underscores bring model checkers, and only under the cfg.
  [ "$features" = "__loom __shuttle metrics redis serde test-util tls-rustls" ] \
    || fail "other features than expected: $features"
  mkdir -p "$WORK/seam/src"
  echo 'pub use distlock_runtime::verification;' >"$WORK/seam/src/lib.rs"
  seam_manifest >"$WORK/seam/Cargo.toml"
  cp Cargo.lock "$WORK/seam/Cargo.lock"
  if log="$(cd "$WORK/seam" && cargo check --quiet 2>&1)"; then
    fail "a crate without the cfg can use distlock_runtime::verification"
  fi
  grep -q 'unresolved import `distlock_runtime::verification`' <<<"$log" \
    || fail "the check itself failed: $log"
  echo "features: $features; none shows \`verification\`"
}

# All features of the runtime, in a workspace of its own, as the other users must stay without them.
seam_manifest() {
  echo '[workspace]'
  echo '[package]'
  echo 'name = "seam"'
  echo 'edition = "2024"'
  echo '[dependencies.distlock-runtime]'
  echo 'path = "../distlock-runtime"'
  echo 'features = ["__loom", "__shuttle", "metrics", "redis", "serde", "test-util", "tls-rustls"]'
}

# The newest compiler that a dependency asks for.
check_floor() {
  say "dependencies and Rust $(floor)"
  local needed
  needed="$(in_work cargo metadata --quiet --format-version 1 --all-features \
    | grep -o '"rust_version":"[^"]*"' | cut -d'"' -f4 | cut -d. -f1,2 | sort -V | tail -1)"
  [ "$(printf '%s\n' "$needed" "$(floor)" | sort -V | tail -1)" = "$(floor)" ] \
    || fail "a dependency needs Rust $needed: raise rust-version in Cargo.toml, or use an older one"
  echo "the highest that a dependency asks for: $needed"
}

# In a workspace of its own: the lowest versions are for libraries.
check_command() {
  say "the command, from its archive"
  rm -rf "$WORK-command" && mkdir -p "$WORK-command"
  tar -xzmf "$(archive "$COMMAND")" -C "$WORK-command"
  local manifest="$WORK-command/$COMMAND-$(version)/Cargo.toml" crate
  without_dev_dependencies "$manifest"
  {
    echo '[patch.crates-io]'
    for crate in "${CRATES[@]}"; do echo "$crate = { path = \"$PWD/$WORK/$crate\" }"; done
    echo '[workspace]'
  } >>"$manifest"
  cargo run --quiet --manifest-path "$manifest" -- --version
}

check_order() {
  say "publishing, without the upload"
  # shellcheck disable=SC2046
  cargo publish --quiet --dry-run --no-verify --allow-dirty $(each_crate) -p "$COMMAND"
}

check_features() {
  local features
  for features in "" tls-rustls redis serde test-util redis,serde,test-util,tls-rustls; do
    say "features: ${features:-none}"
    in_work cargo clippy --quiet -p distlock-runtime -p distlock --lib --features "$features" \
      -- -D warnings
  done
}

check_lowest_versions() {
  say "the lowest versions that Cargo.toml allows"
  in_work env RUSTC_BOOTSTRAP=1 cargo update --quiet -Z direct-minimal-versions
  # shellcheck disable=SC2046
  in_work cargo check --quiet $(each_crate) --lib --all-features
  in_work cargo test --quiet -p no-prelude --test no_prelude
  cp Cargo.lock "$WORK/Cargo.lock"
}

check_docs() {
  say "documentation as on docs.rs"
  has_toolchain nightly || { echo "not checked: there is no nightly toolchain"; return; }
  # shellcheck disable=SC2046
  in_work env RUSTDOCFLAGS="--cfg docsrs -D warnings" \
    cargo +nightly doc --quiet $(each_crate) --no-deps --all-features \
    --target-dir "$CARGO_TARGET_DIR/docsrs"
}

check_oldest_compiler() {
  say "Rust $(floor)"
  has_toolchain "$(floor)" || { echo "not compiled: rustup toolchain install $(floor)"; return; }
  in_work cargo "+$(floor)" test --quiet -p no-prelude --test no_prelude \
    --target-dir "$CARGO_TARGET_DIR/floor"
}

check_semver() {
  say "compatibility with the last release"
  local last
  last="$(git tag --list 'v*' --sort=-version:refname | head -1)"
  if [ -z "$last" ]; then echo "does not apply: nothing has been released"; return; fi
  command -v cargo-semver-checks >/dev/null || cargo install --locked cargo-semver-checks
  cargo semver-checks --baseline-rev "$last" -p distlock-runtime -p distlock
}

check_slowly() {
  check_command
  check_order
  check_features
  check_lowest_versions
  check_docs
  check_oldest_compiler
  check_semver
}

case "${1:-}" in "" | --fast) ;; *) fail "usage: $0 [--fast]" ;; esac
pack
unpack
use_archives
check_seam
check_floor
if [ "${1:-}" != --fast ]; then check_slowly; fi
say "the crates can be published"
