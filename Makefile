# Every target with a `##` after it is listed by `make help`.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 60s
BENCHFLAGS ?=

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## the static binary bin/chancery
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/chancery ./cmd/chancery

.PHONY: demo
demo: build ## watch a corporate sign-in become a tool call (needs nothing but Go)
	@./bin/chancery demo

.PHONY: test
test: ## install what tests need, lint, then every test on SQLite and PostgreSQL
	@deploy/ci/test.sh

.PHONY: lint
lint: ## golangci-lint with .golangci.yml
	@deploy/ci/lint.sh ./...

.PHONY: bench
bench: ## measure every endpoint on PostgreSQL and SQLite (BENCHFLAGS=…)
	@deploy/ci/install-tools.sh postgres
	@deploy/ci/postgres.sh run --durable -- go run ./e2e/bench $(BENCHFLAGS)
	@go test -run '^$$' -bench 'VerifyResponse|VerifyBearer|Render' -benchmem ./federation/saml ./broker/page
	@go test -run '^$$' -bench Decide -benchmem ./policy/pool
	@go test -run '^$$' -bench See -benchmem ./broker/shadow
	@deploy/ci/postgres.sh run -- env GOMAXPROCS=2 go test -run '^$$' -bench Replay -benchtime 1x ./broker/decision
	@deploy/ci/postgres.sh run -- go test -run '^$$' -bench Rewrap -benchtime 1x ./broker/storetest

.PHONY: fuzz
fuzz: ## each native fuzz target for FUZZTIME (60s)
	@deploy/ci/fuzz.sh $(FUZZTIME)

.PHONY: generate
generate: ## everything that is generated and committed: error pages, pictures
	go generate ./...

.PHONY: clean
clean: ## remove what was built here
	rm -rf bin dist
