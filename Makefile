# What one needs to run, test and check Waybill. Everything but Go, make and npm is fetched here.
.DEFAULT_GOAL := help
.PHONY: help run build assets test lint check dev generate pictures lighthouse

LINT  := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FLAGS ?=

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

run: assets ## Run the server, with live pages and fonts
	go run . serve

build: assets ## Build the binary
	go build -trimpath -o waybill .

assets: static/dist/htmx.js ## Fetch what browsers get besides our own files (npm, once)

static/dist/htmx.js: static/package-lock.json static/fetch/main.go
	go run ./static/fetch
	@touch $@

# The test tools (axe) come with the assets; Chromium is looked for, never fetched.
static/node_modules/axe-core/axe.min.js: static/package-lock.json
	go run ./static/fetch -dev
	@touch $@ static/dist/htmx.js

# Servers of others that credentials are tried against.
INTEROP := jobs/scheme/testdata/interop

$(INTEROP)/node_modules/.package-lock.json: $(INTEROP)/package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund --prefix $(INTEROP)
	@touch $@

# Libraries of vendors that sign what inbound endpoints verify.
VENDORS := jobs/inbound/testdata/interop

$(VENDORS)/node_modules/.package-lock.json: $(VENDORS)/package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund --prefix $(VENDORS)
	@touch $@

test: static/node_modules/axe-core/axe.min.js $(INTEROP)/node_modules/.package-lock.json $(VENDORS)/node_modules/.package-lock.json ## Run all tests (FLAGS=-race, E2E=require)
	@command -v "$${CHROMIUM:-chromium}" >/dev/null || \
		echo "No Chromium on PATH: browser tests are skipped. On Debian: apt-get install chromium. CHROMIUM=path names another one."
	go test -timeout 20m $(FLAGS) ./...

generate: ## Make Go of the templates
	go tool templ generate

lint: ## Run the linters of .golangci.yml
	go run $(LINT) run ./...

check: ## All that a change must pass: format, generated code, vet, lint, tests
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "gofmt these files"; exit 1; }
	go tool templ generate
	git diff --exit-code -- '*_templ.go'
	go vet ./...
	$(MAKE) lint
	$(MAKE) test

dev: assets ## Run the server and start it anew after each change
	go tool templ generate --watch --cmd "go run . serve"

pictures: static/node_modules/axe-core/axe.min.js ## Make the README's pictures anew
	mkdir -p docs
	WAYBILL_PICTURES=docs go test -count=1 -run TestPictures .

static/lighthouse/node_modules/.package-lock.json: static/lighthouse/package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund --prefix static/lighthouse
	@touch $@

lighthouse: assets static/lighthouse/node_modules/.package-lock.json ## Measure the main pages with Lighthouse (95 at least)
	WAYBILL_LIGHTHOUSE=1 go test -count=1 -v -run TestLighthouse .
