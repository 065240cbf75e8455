#!/usr/bin/env bash
# Runs the end-to-end tests: scripts/e2e.sh ARCHIVE IMAGE, the archive of the
# image for this machine and its name. Where KUBECONFIG names no cluster, one is
# started (e2e/up.sh) and taken away again; what is built for it stays in $E2E.
set -euo pipefail
cd "$(dirname "$0")/.."

archive=$PWD/$1 image=$2
if [ -z "${KUBECONFIG:-}" ]; then
	export E2E=${E2E:-/var/tmp/shunt-e2e} CONTAINERD=${CONTAINERD-v2.4.2}
	mkdir -p "$E2E"
	trap e2e/down.sh EXIT
	IMAGES=$archive e2e/up.sh
	export KUBECONFIG=$E2E/etc/admin.kubeconfig E2E_NET_DIR=$E2E/cni/conf E2E_BIN_DIR=$E2E/cni/bin
fi
E2E_IMAGE=$image go test -count=1 -timeout 40m -v ./e2e
