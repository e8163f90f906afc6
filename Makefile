export GOFLAGS += -buildvcs=false

.PHONY: help build release quick test bench microbench soak fuzz demo

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build ./wikiveil as xcaddy.json says
	go run ./cmd/build

release: ## write a release's archives, Debian packages and SHA256SUMS into dist (Linux)
	@scripts/release

quick: ## run formatting, vet and the tests that start no programs
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'these files are not as gofmt writes them'; exit 1; }
	go vet -tags integration,evaluator ./...
	go test -short ./...

test: ## run all checks and tests, installing what they need (Debian, root)
	@scripts/test

bench: ## measure the whole edge beside Caddy and others (some 6 minutes; Debian, root), into docs/performance.md
	@scripts/install-bench-programs
	go run ./bench/edge

microbench: ## run the Go benchmarks
	go test -run '^$$' -bench . -benchmem ./...

soak: ## keep a whole edge busy for MINUTES (default 10) and look for growth, faults and clients' addresses
	go run ./bench/soak -minutes $(or $(MINUTES),10)

fuzz: ## run each fuzz target for FUZZ_TIME (default 1m)
	@scripts/fuzz

demo: ## run the edge before the demo wiki on http://localhost:8080
	go run ./cmd/wikiveil run --config Caddyfile.example
