#!/usr/bin/env bash
# Shows shunt at work in a throwaway network namespace, on the nftables
# backend: needs a kernel with nf_tables, root or user namespaces, and Go for
# the stand-in proxy; no package.
set -euo pipefail
cd "$(dirname "$0")/.."

go build -o bin/demo ./scripts/demo
exec bin/demo bin/shunt
