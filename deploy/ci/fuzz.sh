#!/usr/bin/env bash
# Runs every native fuzz target for the time given (default 60s), one after the
# other. Targets are found, not listed: a new one is picked up by itself.
set -euo pipefail
# shellcheck source=deploy/ci/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

fuzztime="${1:-60s}"
targets="$(for module in "${MODULES[@]}"; do
  (cd "$module" && go test -list '^Fuzz' ./...) | awk -v module="$module" '
    /^Fuzz/ { names[++n] = $1 }
    /^ok/   { for (i = 1; i <= n; i++) print module, $2, names[i]; n = 0 }'
done)"
[[ -n "$targets" ]] || die "no fuzz target found"

failed=0
while read -r module package target; do
  echo "fuzz $package $target for $fuzztime"
  (cd "$module" && go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$package" </dev/null) || failed=$((failed + 1))
done <<<"$targets"

echo "$(wc -l <<<"$targets") targets, $failed failed"
((failed == 0))
