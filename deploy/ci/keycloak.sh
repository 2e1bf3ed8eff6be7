#!/usr/bin/env bash
# A Keycloak for tests and for make bench: the pinned distribution, in memory unless told otherwise, on a free loopback port.
#
#   keycloak.sh fetch [OPTION…]                            gets and builds it, once; prints its folder
#   keycloak.sh start [OPTION…] --realm FILE…              prints export lines: eval "$(keycloak.sh start …)"
#   keycloak.sh stop [FOLDER]                              stops what start made and removes it
#   keycloak.sh run [OPTION…] --realm FILE… -- COMMAND…
#
# OPTION is --features LIST, or --db KIND for one that is not in memory: KC_DB_URL,
# KC_DB_USERNAME and KC_DB_PASSWORD say where.
#
# CHANCERY_TEST_KEYCLOAK_URL is where it answers, without a trailing slash. A realm
# file is what Keycloak exports and is named REALM-realm.json; ${NAME} in it is the
# environment's. Nothing of it outlives the process.
#
# The distribution comes through Maven, from wherever the machine's settings say, and
# stays in CHANCERY_CACHE (else the user's cache folder), built once for each set of
# features: a built one is ready in a third of the time.
set -euo pipefail
# shellcheck source=deploy/ci/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PATIENCE=120 # seconds until it must be ready; a busy machine takes its time
export JAVA_OPTS_KC_HEAP="${JAVA_OPTS_KC_HEAP:--Xms64m -Xmx512m}"

features=''
db=dev-mem
realms=()
command=()
read_arguments() {
  while (($# > 0)); do
    case "$1" in
    --features) features="$2" && shift 2 ;;
    --db) db="$2" && shift 2 ;;
    --realm) realms+=("$(realpath "$2")") && shift 2 ;;
    --) shift && command=("$@") && return ;;
    *) die "unknown argument: $1" ;;
    esac
  done
}

fetch() {
  local built archive making lock
  built="$KEYCLOAK_CACHE/keycloak-$KEYCLOAK_VERSION${features:+-$features}"
  [[ "$db" == dev-mem ]] || built+="-$db"
  if [[ ! -d "$built" ]]; then
    java_ready || die "Java 17 or newer is missing: deploy/ci/install-tools.sh keycloak"
    mkdir -p "$KEYCLOAK_CACHE"
    lock="$built.lock"
    exec 9>"$lock"
    flock 9 # two packages of tests may ask at once
    if [[ ! -d "$built" ]]; then
      archive="$KEYCLOAK_CACHE/keycloak-$KEYCLOAK_VERSION.zip"
      [[ -f "$archive" ]] || download "$archive"
      making="$(mktemp -d "$KEYCLOAK_CACHE/making.XXXXXX")"
      unzip -q "$archive" -d "$making" || { rm -rf "$making"; die "cannot unpack $archive"; }
      "$making/keycloak-$KEYCLOAK_VERSION/bin/kc.sh" build "--db=$db" --cache=local --health-enabled=true \
        ${features:+"--features=$features"} >"$making/log" 2>&1 ||
        { cat "$making/log" >&2; rm -rf "$making"; die "Keycloak cannot be built"; }
      mv "$making/keycloak-$KEYCLOAK_VERSION" "$built"
      rm -rf "$making"
    fi
    exec 9>&-
  fi
  echo "$built"
}

download() {
  command -v mvn >/dev/null || die "Maven is missing: deploy/ci/install-tools.sh keycloak"
  local artifact="org.keycloak:keycloak-quarkus-dist:$KEYCLOAK_VERSION:zip" making
  making="$(mktemp -d "$KEYCLOAK_CACHE/making.XXXXXX")"
  if ! (cd "$making" && mvn --batch-mode dependency:get "-Dartifact=$artifact" -Dtransitive=false &&
    mvn --batch-mode dependency:copy "-Dartifact=$artifact" "-DoutputDirectory=$making") >"$making/log" 2>&1; then
    tail -n 20 "$making/log" >&2
    rm -rf "$making"
    die "Maven did not bring $artifact"
  fi
  mv "$making/keycloak-quarkus-dist-$KEYCLOAK_VERSION.zip" "$1"
  rm -rf "$making"
}

start() {
  ((${#realms[@]} > 0)) || die "start with which --realm?"
  local built folder port management attempt
  built="$(fetch)"
  folder="$(mktemp -d "${TMPDIR:-/tmp}/chancery-keycloak.XXXXXX")"
  # Hard links where they can be: each process has a data folder of its own.
  cp -al "$built" "$folder/keycloak" 2>/dev/null || cp -a "$built" "$folder/keycloak"
  mkdir -p "$folder/keycloak/data/import"
  cp "${realms[@]}" "$folder/keycloak/data/import/"
  for attempt in 1 2 3; do
    port=$((20000 + RANDOM % 12000)) management=$((20000 + RANDOM % 12000))
    setsid "$folder/keycloak/bin/kc.sh" start --optimized --import-realm --hostname-strict=false \
      --http-enabled=true --http-host=127.0.0.1 "--http-port=$port" \
      --http-management-host=127.0.0.1 "--http-management-port=$management" \
      >"$folder/log" 2>&1 </dev/null &
    echo $! >"$folder/pid"
    if ready "$folder" "$management"; then
      echo "export CHANCERY_TEST_KEYCLOAK_URL='http://127.0.0.1:$port'"
      echo "export CHANCERY_TEST_KEYCLOAK_FOLDER='$folder'"
      echo "export CHANCERY_TEST_KEYCLOAK_VERSION='$KEYCLOAK_VERSION'"
      return
    fi
    end "$folder"
    grep -q 'already in use\|BindException' "$folder/log" || break
  done
  grep -E 'ERROR|WARN' "$folder/log" | tail -n 20 >&2
  rm -rf "$folder"
  die "Keycloak did not start (attempt $attempt)"
}

# ready waits; it ends early when the process has.
ready() {
  local deadline=$((SECONDS + PATIENCE))
  while ((SECONDS < deadline)); do
    kill -0 "$(cat "$1/pid")" 2>/dev/null || return 1
    curl --silent --fail --max-time 2 --output /dev/null "http://127.0.0.1:$2/health/ready" && return
    sleep 0.2
  done
  return 1
}

# end ends the process group: kc.sh and the JVM below it.
end() {
  local pid
  pid="$(cat "$1/pid" 2>/dev/null)" || return 0
  kill -KILL -- "-$pid" 2>/dev/null || true
}

stop() {
  local folder="${1:-${CHANCERY_TEST_KEYCLOAK_FOLDER:-}}"
  [[ "$(basename "$folder")" == chancery-keycloak.* && -d "$folder" ]] || die "not a folder that start made: '$folder'"
  end "$folder"
  rm -rf "$folder"
}

run() {
  ((${#command[@]} > 0)) || die "run what?"
  local exports
  exports="$(start)"
  eval "$exports"
  trap 'stop "$CHANCERY_TEST_KEYCLOAK_FOLDER"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  "${command[@]}"
}

verb="${1:-}"
[[ $# -gt 0 ]] && shift
case "$verb" in
fetch | start | run)
  read_arguments "$@"
  "$verb"
  ;;
stop) stop "$@" ;;
*) die "usage: keycloak.sh fetch | start | run [--features LIST] [--db KIND] --realm FILE… [-- COMMAND…] | stop [FOLDER]" ;;
esac
