#!/usr/bin/env bash
# Runs every fuzz target of every package, one after the other, for the time
# given as the first argument (default 30s).
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-30s}

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
			go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 50x "$package" </dev/null
			found=$((found + 1))
		done
		targets=()
		;;
	esac
done <<<"$list"

echo "$found fuzz targets ran"
