# nodeagent. `make help` lists the targets; run and test need root (sudo make test).

# sudo resets PATH: Go's usual place is looked at too.
GO        ?= $(or $(shell command -v go 2>/dev/null),$(wildcard /usr/local/go/bin/go),go)
export PATH := $(PATH):/usr/local/go/bin:/usr/sbin:/sbin
VERSION   ?= $(shell ./scripts/version.sh)
LDFLAGS   := -s -w -X main.version=$(VERSION)
BUILD     := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false
FUZZTIME  ?= 20s
ONLY      ?=

.DEFAULT_GOAL := help
.PHONY: help build run test test-unit test-integration test-containerd fuzz dashboards compat lint bench bench-fleet vip-table soak package clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/nodeagent, static
	$(BUILD) -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

run: ## the demo, in a private containerd (root)
	./scripts/install-deps.sh demo
	$(MAKE) build
	exec ./bin/nodeagent demo

test: ## everything (root)
	./scripts/install-deps.sh test
	$(MAKE) test-unit
	$(MAKE) test-integration

# -race needs cgo and a C compiler; where a machine has none the tests run
# without it and say so.
test-unit: RACE = $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race)
test-unit: ## vet and tests that need neither root nor containerd
	$(GO) vet ./...
	@test -n "$(RACE)" || echo "no C compiler: tests run without the race detector (apt-get install gcc libc6-dev)" >&2
	$(GO) test $(RACE) ./...
	cd packaging/grafana/gen && $(GO) vet . && $(GO) test .
	cd test/operator && $(GO) vet . && $(GO) test .

# The packages that have such tests; test-unit has had the others.
test-integration: PACKAGES = $(shell grep -rl --include='*_test.go' '^//go:build integration' internal test | xargs -n 1 dirname | sort -u | sed 's,^,./,')
test-integration: ## tests over a real containerd and runc (root)
	$(GO) vet -tags integration ./...
	$(GO) test -tags integration -count=1 -p 1 -timeout 20m $(PACKAGES)

# The packages whose tests take further containerds. Building one takes two minutes, once.
test-containerd: PACKAGES = $(shell grep -rl --include='*_test.go' NODEAGENT_TEST_CONTAINERDS internal test | xargs -n 1 dirname | sort -u | sed 's,^,./,')
test-containerd: ## the tests of runtime and pods over containerd 2.x too, of which Debian has none (root)
	./scripts/install-deps.sh test
	newer=$$(GO='$(GO)' ./scripts/containerd.sh) && NODEAGENT_TEST_CONTAINERDS=$$newer $(GO) test -tags integration -count=1 -p 1 -timeout 20m $(PACKAGES)

fuzz: ## each fuzz target for FUZZTIME (20s)
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

# A module of its own: the agent is built with nothing of it.
dashboards: ## write packaging/grafana/dashboards anew
	cd packaging/grafana/gen && $(GO) run . -out ..

# A module of its own: k8s.io/kubernetes is built for it alone.
compat: ## pods read as k8s.io/kubernetes reads them (heavy; fetches modules)
	cd test/compat && $(GO) vet . && $(GO) test -count=1 -p 1 .

lint: ## golangci-lint, built from tools/go.mod
	$(GO) tool -modfile=tools/go.mod golangci-lint run ./...

bench: build ## dist/bench.json; ONLY=staticpods for a part (root)
	@mkdir -p dist
	$(GO) run -tags bench ./test/bench -only "$(ONLY)" -out dist/bench.json

# With every default, so it takes minutes; nothing else should run meanwhile.
vip-table: ## the failure table of docs/keepalived.md, with real keepalived and HAProxy (root)
	$(GO) test -tags integration,bench -count=1 -timeout 20m -v -run 'TestTable|TestClash' ./test/vip

soak: ## 5 minutes with every core busy: no VIP moves (root)
	$(GO) test -tags integration,bench -count=1 -timeout 20m -v -run TestSoak ./test/vip

# SOURCE_DATE_EPOCH is the commit's time unless it is set: the same tree gives the same bytes.
package: ## dist/: .deb, .rpm, .tar.gz for amd64 and arm64, SHA256SUMS, SBOM
	GO='$(GO)' VERSION='$(VERSION)' ./scripts/package.sh

bench-fleet: ## one Prometheus over 1,000 simulated agents: memory, CPU, rules, queries
	$(GO) run -tags bench ./test/fleet/measure

clean: ## remove bin and dist
	rm -rf bin dist
