# Shared by the scripts beside it; sourced, never run.
# shellcheck shell=bash

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
cd "$ROOT" || exit

GOLANGCI_VERSION=v2.15.0
# The folder names the version, so that a new pin installs beside the old one.
GOLANGCI_LINT="${XDG_CACHE_HOME:-$HOME/.cache}/chancery/tools/golangci-lint-$GOLANGCI_VERSION/golangci-lint"
export GOLANGCI_VERSION GOLANGCI_LINT

# The policy engine's own program, at the version that the service links.
OPA_VERSION="$(sed -nE 's#^[[:space:]]*github.com/open-policy-agent/opa (v[^ ]+).*#\1#p' go.mod)"
OPA="${XDG_CACHE_HOME:-$HOME/.cache}/chancery/tools/opa-$OPA_VERSION/opa"
export OPA_VERSION OPA

KEYCLOAK_VERSION=26.7.3
KEYCLOAK_CACHE="${CHANCERY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chancery}/keycloak"
export KEYCLOAK_VERSION KEYCLOAK_CACHE

# The Go modules of this repository, the service first; e2e/structure knows them all.
# shellcheck disable=SC2034
MODULES=(. sdk/go sdk/go/verifier/ginverifier sdk/go/verifier/mcpverifier)

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# postgres_bin prints the folder with the newest initdb of version 15 or newer.
# Debian keeps it out of PATH. PG_BIN wins when it is set.
postgres_bin() {
  local dir version best='' newest=0
  for dir in ${PG_BIN:+"$PG_BIN"} /usr/lib/postgresql/*/bin "$(dirname "$(command -v initdb || echo /nowhere/initdb)")"; do
    [[ -x "$dir/initdb" && -x "$dir/pg_ctl" ]] || continue
    version="$("$dir/initdb" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')"
    if ((version >= 15 && version > newest)); then
      best="$dir" newest="$version"
      [[ "$dir" == "${PG_BIN:-}" ]] && break
    fi
  done
  [[ -n "$best" ]] && echo "$best"
}

# java_ready tells whether Java 17 or newer is there.
java_ready() {
  local major
  major="$(java -version 2>&1 | sed -nE 's/.*version "([0-9]+).*/\1/p')"
  [[ -n "$major" ]] && ((major >= 17))
}
