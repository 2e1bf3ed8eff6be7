#!/usr/bin/env bash
# Everything that must hold: lint, then every test once, on SQLite and on a real
# PostgreSQL. Packages whose correctness is about concurrency run under the race
# detector instead of without it, so each test runs, and counts, once.
set -euo pipefail
# shellcheck source=deploy/ci/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# One import path each, relative to the first module; a missing one is not an error.
RACE='broker/ledger broker/store broker/snapshot broker/keys broker/audit broker/client federation/jwks federation/fetch policy vault/keyring sdk/go/agent sdk/go/verifier'

if [[ "${1:-}" != --with-postgres ]]; then
  deploy/ci/install-tools.sh
  lint=passed
  deploy/ci/lint.sh ./... || lint=failed
  exec env CHANCERY_LINT="$lint" deploy/ci/postgres.sh run -- deploy/ci/test.sh --with-postgres
fi

root="$(go list -m)"

# Built before the pipe: a summary that does not compile must not swallow results.
summary="$(mktemp -d)/testsummary"
trap 'rm -rf "$(dirname "$summary")"' EXIT
CGO_ENABLED=0 go build -o "$summary" ./deploy/ci/testsummary

# test_module runs the tests of the module in this folder.
test_module() {
  local package packages status=0 race=() plain=()
  packages="$(go list ./...)" || return
  while read -r package; do
    if [[ " $RACE " == *" ${package#"$root"/} "* ]]; then
      race+=("$package")
    else
      plain+=("$package")
    fi
  done <<<"$packages"
  if ((${#plain[@]} > 0)); then
    CGO_ENABLED=0 go test -json -count=1 -shuffle=on -timeout 20m "${plain[@]}" || status=$?
  fi
  if ((${#race[@]} > 0)); then
    CGO_ENABLED=1 go test -json -count=1 -shuffle=on -timeout 20m -race "${race[@]}" || status=$?
  fi
  return "$status"
}

run_tests() {
  local module status=0
  for module in "${MODULES[@]}"; do
    pushd "$module" >/dev/null
    test_module || status=$?
    popd >/dev/null
  done
  return "$status"
}

run_tests | "$summary" -lint "${CHANCERY_LINT:-passed}"
