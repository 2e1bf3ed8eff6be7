#!/usr/bin/env bash
# The linters of .golangci.yml, on the packages named (default: all).
set -euo pipefail
# shellcheck source=deploy/ci/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$ROOT/deploy/ci/install-tools.sh" lint
if [[ $# -eq 0 ]]; then
  set -- ./...
fi
exec "$GOLANGCI_LINT" run "$@"
