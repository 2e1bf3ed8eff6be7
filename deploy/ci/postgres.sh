#!/usr/bin/env bash
# A PostgreSQL for tests: a cluster in a temporary folder, on a free loopback
# port, gone afterwards.
#
#   postgres.sh run [--durable] -- COMMAND…   start, run with the URL set, stop always
#   postgres.sh start [--durable]             prints export lines: eval "$(postgres.sh start)"
#   postgres.sh stop [FOLDER]                 stops what start made and removes it
#
# CHANCERY_TEST_POSTGRES_URL is a superuser's URL: tests make their own databases
# and the owner and runtime roles. Authentication is `trust`, on loopback and the
# socket in the temporary folder only, so nothing worth keeping belongs here.
#
# The cluster runs with fsync off: tests kill the server under test, never the
# machine, and what PostgreSQL has written survives that without fsync.
# --durable leaves fsync and synchronous_commit on, as a measurement must.
set -euo pipefail
# shellcheck source=deploy/ci/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# initdb refuses to run as root: there the package's own user runs the cluster.
as_postgres() {
  if [[ $EUID -eq 0 ]]; then
    (cd / && runuser -u postgres -- "$@")
  else
    "$@"
  fi
}

start() {
  local durable=no bin folder port attempt log
  if [[ "${1:-}" == --durable ]]; then
    durable=yes
  fi
  bin="$(postgres_bin)" || die "no PostgreSQL 15 or newer found: deploy/ci/install-tools.sh postgres"
  folder="$(mktemp -d "${TMPDIR:-/tmp}/chancery-postgres.XXXXXX")"
  log="$folder/log"
  if [[ $EUID -eq 0 ]]; then
    chown postgres "$folder"
  fi

  as_postgres "$bin/initdb" --pgdata "$folder/data" --username postgres --auth trust \
    --encoding UTF8 --locale C --no-sync >"$folder.initdb" 2>&1 ||
    { cat "$folder.initdb" >&2; rm -rf "$folder" "$folder.initdb"; die "initdb failed"; }
  rm -f "$folder.initdb"

  local settings="listen_addresses = '127.0.0.1'
unix_socket_directories = '$folder'
max_connections = 200
timezone = 'UTC'"
  if [[ $durable == no ]]; then
    settings+="
fsync = off
full_page_writes = off"
  fi
  as_postgres tee -a "$folder/data/postgresql.conf" <<<"$settings" >/dev/null

  # Below the ephemeral range, and another one when somebody was faster.
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    port=$((20000 + RANDOM % 12000))
    if as_postgres "$bin/pg_ctl" --pgdata "$folder/data" --log "$log" --wait --silent \
      --options "-p $port" start >/dev/null 2>&1; then
      echo "export CHANCERY_TEST_POSTGRES_URL='postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable'"
      echo "export CHANCERY_TEST_POSTGRES_FOLDER='$folder'"
      return
    fi
  done
  cat "$log" >&2
  rm -rf "$folder"
  die "PostgreSQL did not start after $attempt attempts"
}

stop() {
  local folder="${1:-${CHANCERY_TEST_POSTGRES_FOLDER:-}}" bin
  [[ "$(basename "$folder")" == chancery-postgres.* && -d "$folder" ]] || die "not a folder that start made: '$folder'"
  bin="$(postgres_bin)"
  as_postgres "$bin/pg_ctl" --pgdata "$folder/data" --mode immediate --wait --silent stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}

run() {
  local durable=''
  if [[ "${1:-}" == --durable ]]; then
    durable=--durable
    shift
  fi
  [[ "${1:-}" == -- ]] && shift
  [[ $# -gt 0 ]] || die "run what?"
  local exports
  exports="$(start $durable)"
  eval "$exports"
  trap 'stop "$CHANCERY_TEST_POSTGRES_FOLDER"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  "$@"
}

verb="${1:-}"
[[ $# -gt 0 ]] && shift
case "$verb" in
run | start | stop) "$verb" "$@" ;;
*) die "usage: postgres.sh run [--durable] -- COMMAND… | start [--durable] | stop [FOLDER]" ;;
esac
