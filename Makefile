# The version that the binary reports; a release build sets it.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# What stands before the images' names.
REGISTRY ?= localhost

# The time of everything in an image or an archive: the commit's.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

# What images and archives are made for.
PLATFORMS := linux-amd64 linux-arm64 linux-arm-v7

# A program depends on the source, the Go release and the version alone.
BUILD := go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(VERSION)"

# How long each fuzz target runs.
FUZZTIME ?= 30s

# Flags of the benchmarks: -rounds 20 for a first look, -before PROGRAM to
# measure an earlier build of shunt as well.
BENCH ?= -o docs/benchmarks.md

# It has to know the Go release of go.mod.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

# They look at nothing but their arguments, so they build for the browser too.
PURE := ./config ./plan ./pods ./manifest ./lint ./explain ./apply

SCRIPTS := .ci/run $(wildcard scripts/*.sh e2e/*.sh docs/*/*.sh)

# The binary is static, and tests are of what is shipped.
export CGO_ENABLED := 0

# Where Debian has nft and iptables, which PATH leaves out for users.
export PATH := $(PATH):/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: help demo build image release playground test test-arm lint conformance conformance-long e2e bench vuln fuzz docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: build ## show shunt at work in a throwaway network namespace (root, or a user namespace)
	go run ./conformance/demo bin/shunt

build: ## build bin/shunt and bin/shunt-agent
	$(BUILD) -o bin/ ./cmd/...

.PHONY: $(PLATFORMS:%=bin/%)
$(PLATFORMS:%=bin/%): bin/linux-%:
	GOOS=linux GOARCH=$(firstword $(subst -, ,$*)) GOARM=7 $(BUILD) -o $@/ ./cmd/...

image: $(PLATFORMS:%=bin/%) ## make the container images for all platforms, in bin/image
	go run ./image/mkimage -registry "$(REGISTRY)" -version "$(VERSION)" \
		-revision "$$(git rev-parse HEAD 2>/dev/null)" -created "$(SOURCE_DATE_EPOCH)" $(PLATFORMS:%=bin/%)

release: build image ## make a release in dist: archives, images, bills of materials, the chart, checksums
	scripts/release.sh "$(VERSION)" "$(REGISTRY)" "$(SOURCE_DATE_EPOCH)" dist $(PLATFORMS)

playground: ## build the page that runs plan, explain and lint in a browser, in bin/playground, and serve it on loopback (PORT)
	docs/playground/build.sh bin/playground "$(VERSION)"
	@node docs/playground/serve.mjs bin/playground $(PORT)

test: ## install what the tests need, run them, and print the coverage
	scripts/deps.sh
	mkdir -p coverage
	go test -coverpkg="$$(go list ./... | grep -Ev '/(bench|generate|demo)(/|$$)' | paste -sd,)" -coverprofile=coverage/profile ./...
	@go tool cover -func=coverage/profile | awk '/^total:/ { print "statements covered, across packages:", $$NF }'

lint: ## check the format of the code, that pure packages stay pure, and what vet, staticcheck and, if it is there, shellcheck find
	@files=$$(gofmt -l .); test -z "$$files" || { echo "not in gofmt's format:" $$files; exit 1; }
	go vet ./...
	GOOS=js GOARCH=wasm go build $(PURE) ./docs/playground/...
	go run $(STATICCHECK) ./...
	@if command -v shellcheck >/dev/null; then echo shellcheck $(SCRIPTS); shellcheck $(SCRIPTS); fi

test-arm: ## run the unit tests of the arm64 and arm programs under qemu
	scripts/deps.sh qemu-aarch64-static qemu-arm-static
	scripts/test-arm.sh

conformance: ## run the scenarios against the kernel, list them, and count what was done
	cd conformance && SHUNT_CONFORMANCE=full go test -count=1

conformance-long: ## the same for long: 100,000 applies under traffic, tens of thousands of random connections
	cd conformance && SHUNT_CONFORMANCE=long go test -count=1 -timeout 60m

# The platform of this machine, as in PLATFORMS.
HOST := linux-$(shell go env GOARCH)

e2e: bin/$(HOST) ## judge image, chart and agent by a real Kubernetes: its own, or that of KUBECONFIG (E2E: where it is built, once; RUN: some stories; CONTAINERD=: the distribution's)
	go run ./image/mkimage -out bin/e2e -registry "$(REGISTRY)" -version "$(VERSION)" bin/$(HOST)
	$(subst main.version=$(VERSION),main.version=$(VERSION)-next,$(BUILD)) -o bin/next/$(HOST)/ ./cmd/...
	go run ./image/mkimage -out bin/e2e-next -registry "$(REGISTRY)" -version "$(VERSION)-next" bin/next/$(HOST)
	exec scripts/e2e.sh bin/e2e "$(REGISTRY)" "$(VERSION)"

bench: build ## measure CPU time and size against the bare tools, as ratios (root)
	go run ./bench $(BENCH)

vuln: ## look for known vulnerabilities in what the programs call; the database comes as a Go module
	go run $(GOVULNCHECK) -db "file://$$(go mod download -json golang.org/x/vulndb@latest | sed -n 's/.*"Dir": "\(.*\)",*/\1/p')/data/osv" ./cmd/...

fuzz: ## run every fuzz target for FUZZTIME (30s)
	scripts/fuzz.sh $(FUZZTIME)

docs: build ## write the generated documents anew: the rules, transcripts, man pages (man/)
	go run ./docs/generate/rules >docs/rules.md
	go run ./docs/generate/linkerd >docs/linkerd.md
	go test ./cmd/shunt -run 'TestDocs|TestExamples|TestGolden$$' -update
	go run ./docs/generate/man bin/shunt man

clean: ## remove what the other targets made
	rm -rf bin coverage dist man docs/playground/node_modules
