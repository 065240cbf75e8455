#!/usr/bin/env bash
# Packs files: scripts/pack.sh SECONDS FROM ARCHIVE FILE... Their order, owner,
# mode and time do not depend on the machine.
set -euo pipefail

seconds=$1 from=$2 archive=$3
shift 3
tar --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rwX,go=rX --mtime="@$seconds" -C "$from" -c "$@" |
	gzip -9 -n >"$archive"
