#!/usr/bin/env bash
# Installs what the tests need and the machine lacks.
#
#   install-tools.sh             everything
#   install-tools.sh postgres    PostgreSQL 15 or newer, through apt-get (root or sudo)
#   install-tools.sh cc          a C compiler, which the race detector needs (same way)
#   install-tools.sh lint        golangci-lint, pinned, into the tool cache
#   install-tools.sh opa         the opa of the version in go.mod, built from its module, into the tool cache
#   install-tools.sh sdks        the MCP SDKs for TypeScript and Python, pinned, beside their tests
#   install-tools.sh mcpconformance   MCP's conformance suite and the Node.js that it needs, pinned, beside its tests
#   install-tools.sh panva       an OpenID provider of other people, pinned, beside its tests
#   install-tools.sh simplesamlphp   SimpleSAMLphp and PHP, through apt-get (same way)
#   install-tools.sh browser     Chromium (same way), and what drives it, pinned, beside its tests
#   install-tools.sh keycloak    Java and Maven (same way), and Keycloak, pinned, into the cache
#
# Prints nothing when there is nothing to do.
set -euo pipefail
# shellcheck source=deploy/ci/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -n "$@"
  else
    die "root or sudo is needed to run: $*"
  fi
}

install_postgres() {
  if postgres_bin >/dev/null; then
    return
  fi
  command -v apt-get >/dev/null ||
    die "no initdb found and no apt-get here: install PostgreSQL 15 or newer, or point PG_BIN at its bin folder"
  echo "installing PostgreSQL"
  local -x DEBIAN_FRONTEND=noninteractive
  as_root apt-get update -qq
  # Without a main cluster: the tests make one of their own and throw it away.
  as_root apt-get install -y -qq --no-install-recommends postgresql-common >/dev/null
  as_root sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
  as_root apt-get install -y -qq --no-install-recommends postgresql >/dev/null
  postgres_bin >/dev/null || die "PostgreSQL was installed, but no initdb of version 15 or newer was found"
}

install_cc() {
  if command -v "$(go env CC)" >/dev/null; then
    return
  fi
  command -v apt-get >/dev/null || die "no C compiler found and no apt-get here: the race detector needs one"
  echo "installing gcc"
  local -x DEBIAN_FRONTEND=noninteractive
  as_root apt-get update -qq
  as_root apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null
}

install_lint() {
  if [[ -x "$GOLANGCI_LINT" ]]; then
    return
  fi
  echo "installing golangci-lint $GOLANGCI_VERSION"
  GOBIN="$(dirname "$GOLANGCI_LINT")" GOFLAGS='' go install \
    "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$GOLANGCI_VERSION"
}

# From the module cache, if it is there: nothing but Go is asked.
install_opa() {
  if [[ -x "$OPA" ]]; then
    return
  fi
  [[ -n "$OPA_VERSION" ]] || die "go.mod names no version of OPA"
  echo "building opa $OPA_VERSION"
  GOBIN="$(dirname "$OPA")" GOFLAGS='' CGO_ENABLED=0 go install "github.com/open-policy-agent/opa@$OPA_VERSION"
}

install_keycloak() {
  local missing=()
  java_ready || missing+=(openjdk-17-jre-headless)
  command -v mvn >/dev/null || missing+=(maven)
  command -v unzip >/dev/null || missing+=(unzip)
  command -v curl >/dev/null || missing+=(curl)
  if ((${#missing[@]} > 0)); then
    command -v apt-get >/dev/null || die "no apt-get here: install ${missing[*]}"
    echo "installing ${missing[*]}"
    local -x DEBIAN_FRONTEND=noninteractive
    as_root apt-get update -qq
    as_root apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
  deploy/ci/keycloak.sh fetch >/dev/null
  deploy/ci/keycloak.sh fetch --features identity-assertion-jwt >/dev/null
}

# A SAML IdP of other people; the tests start it with PHP's own server.
install_simplesamlphp() {
  if [[ -d /usr/share/simplesamlphp/www ]] && command -v php >/dev/null; then
    return
  fi
  command -v apt-get >/dev/null || die "no SimpleSAMLphp found and no apt-get here: install simplesamlphp and php-cli"
  echo "installing SimpleSAMLphp"
  local -x DEBIAN_FRONTEND=noninteractive
  as_root apt-get update -qq
  as_root apt-get install -y -qq --no-install-recommends simplesamlphp php-cli php-xml php-mbstring php-curl >/dev/null
}

# A browser, and what drives it and looks for what people cannot use.
install_browser() {
  if ! command -v "${CHROMIUM:-chromium}" >/dev/null; then
    command -v apt-get >/dev/null || die "no Chromium found and no apt-get here: install it, or point CHROMIUM at it"
    echo "installing Chromium"
    local -x DEBIAN_FRONTEND=noninteractive
    as_root apt-get update -qq
    as_root apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
  fi
  local home=e2e/browser
  command -v npm >/dev/null || die "no npm found: install Node.js 20 or newer"
  if ! current "$home/node_modules" "$home/package-lock.json"; then
    echo "installing Playwright's core and axe"
    npm ci --prefix "$home" --silent --no-audit --no-fund
    stamp "$home/node_modules" "$home/package-lock.json"
  fi
}

# The MCP SDKs of other languages, as their registries give them: pinned by the files beside their programs, installed
# beside them, and again only when a pin changes.
install_sdks() {
  npm_packages e2e/sdk/typescript "the MCP SDK for TypeScript"
  local home=e2e/sdk/python
  if ! current "$home/.venv" "$home/requirements.txt"; then
    if ! python3 -c 'import ensurepip' 2>/dev/null; then
      command -v apt-get >/dev/null || die "no python3 with venv found and no apt-get here: install Python 3.11 or newer"
      local -x DEBIAN_FRONTEND=noninteractive
      as_root apt-get update -qq
      as_root apt-get install -y -qq --no-install-recommends python3 python3-venv >/dev/null
    fi
    echo "installing the MCP SDKs for Python"
    rm -rf "$home/.venv"
    python3 -m venv "$home/.venv"
    "$home/.venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$home/requirements.txt"
    stamp "$home/.venv" "$home/requirements.txt"
  fi
}

install_mcpconformance() { npm_packages e2e/mcpconformance "MCP's conformance suite"; }

install_panva() { npm_packages e2e/idp/panva "oidc-provider"; }

# npm_packages installs what the lock file of a folder pins.
npm_packages() {
  local home="$1"
  command -v npm >/dev/null || die "no npm found: install Node.js 20 or newer"
  if ! current "$home/node_modules" "$home/package-lock.json"; then
    echo "installing $2"
    npm ci --prefix "$home" --silent --no-audit --no-fund
    stamp "$home/node_modules" "$home/package-lock.json"
  fi
}

# current tells whether a folder was installed from just this file of pins; stamp notes that it was.
current() { [[ -d "$1" ]] && cmp -s "$1/.installed-from" "$2"; }
stamp() { cp "$2" "$1/.installed-from"; }

case "${1:-all}" in
all)
  install_postgres
  install_cc
  install_lint
  install_opa
  install_keycloak
  install_sdks
  install_browser
  install_panva
  install_mcpconformance
  install_simplesamlphp
  ;;
postgres) install_postgres ;;
cc) install_cc ;;
lint) install_lint ;;
opa) install_opa ;;
keycloak) install_keycloak ;;
sdks) install_sdks ;;
browser) install_browser ;;
panva) install_panva ;;
mcpconformance) install_mcpconformance ;;
simplesamlphp) install_simplesamlphp ;;
*) die "usage: install-tools.sh [postgres|cc|lint|opa|keycloak|sdks|panva|mcpconformance|simplesamlphp|browser]" ;;
esac
