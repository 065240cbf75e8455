#!/usr/bin/env bash
# Builds the playground into a folder: build.sh FOLDER [VERSION]. Packages come from
# npm as package-lock.json names them, once.
set -euo pipefail
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")"

if ! cmp -s package-lock.json node_modules/.installed; then
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	cp package-lock.json node_modules/.installed
fi
node build.mjs "$folder" "${2:-devel}"
