export GOFLAGS += -buildvcs=false

.PHONY: help build quick test bench fuzz demo

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build ./wikiveil as xcaddy.json says
	go run ./cmd/build

quick: ## run formatting, vet and the tests that start no programs
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'these files are not as gofmt writes them'; exit 1; }
	go vet -tags integration,evaluator ./...
	go test -short ./...

test: ## run all checks and tests, installing what they need (Debian, root)
	@scripts/test

bench: ## run the benchmarks
	go test -run '^$$' -bench . -benchmem ./...

fuzz: ## run each fuzz target for FUZZ_TIME (default 1m)
	@scripts/fuzz

demo: ## run the edge before the demo wiki on http://localhost:8080
	go run ./cmd/wikiveil run --config Caddyfile.example
