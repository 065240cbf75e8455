#!/usr/bin/env bash
# Measures bin/shunt against the bare tools, prints the tables, and writes
# docs/benchmarks.md. Needs root; what else is missing is said in the report.
# BENCH_QUICK=1 takes few rounds and writes no file.
set -euo pipefail
cd "$(dirname "$0")/.."

export CGO_ENABLED=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# Stripped, as the binary that they are compared with.
go build -trimpath -ldflags "-s -w" -o "$dir/" ./bench ./bench/empty ./bench/minimal
go test -c -o "$dir/traffic.test" ./bench/traffic

if [ "${BENCH_QUICK:-}" = 1 ]; then
	"$dir/bench" -shunt bin/shunt -dir "$dir" -quick
else
	mkdir -p docs
	"$dir/bench" -shunt bin/shunt -dir "$dir" -out docs/benchmarks.md
fi
