#!/usr/bin/env bash
# The linters of .golangci.yml, on the packages named (default: all, of every module).
set -euo pipefail
# shellcheck source=deploy/ci/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$ROOT/deploy/ci/install-tools.sh" lint
if [[ $# -gt 0 && "$*" != ./... ]]; then
  exec "$GOLANGCI_LINT" run "$@"
fi
status=0
for module in "${MODULES[@]}"; do
  (cd "$module" && "$GOLANGCI_LINT" run --config "$ROOT/.golangci.yml" ./...) || status=$?
done
exit "$status"
