#!/usr/bin/env bash
# Runs every fuzz target of every package, one after the other, for the time
# given as the first argument (default 30s).
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-30s}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# fuzz runs one target. Go before 1.27 now and then reports the end of the time
# itself as a failure (golang/go#75804): without an input that fails, and with
# nothing but these words. That is none.
fuzz() {
	if go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 50x "$1" </dev/null 2>&1 | tee "$log"; then
		return
	fi
	if grep -q "^--- FAIL: $2 (" "$log" && grep -qx ' *context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"; then
		echo "$2: no failure but the end of its time"
		return
	fi
	return 1
}

# go test -list prints a package's targets, then "ok", the package and a time.
list=$(go test -list '^Fuzz' ./...)

found=0
targets=()
while read -r first package _; do
	case $first in
	Fuzz*) targets+=("$first") ;;
	ok)
		for target in ${targets[@]+"${targets[@]}"}; do
			echo "fuzz $package $target for $time"
			fuzz "$package" "$target"
			found=$((found + 1))
		done
		targets=()
		;;
	esac
done <<<"$list"

echo "$found fuzz targets ran"
