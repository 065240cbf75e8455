#!/usr/bin/env bash
# Runs the end-to-end tests: scripts/e2e.sh FOLDER REGISTRY VERSION, the folder of
# the images' archives for this machine and their names; FOLDER-next and
# VERSION-next are those of the release that is upgraded to. Where KUBECONFIG names no
# cluster, one is started (e2e/up.sh) and taken away again; what is built for it
# stays in $E2E. RUN picks tests, as go test -run does.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

folder=$root/$1 registry=$2 version=$3 arch=$(go env GOARCH)
tests=
end() {
	status=$?
	trap '' INT TERM
	if [ -n "$tests" ]; then kill -- "-$tests" 2>/dev/null || true; wait "$tests" || true; fi
	[ -z "${own:-}" ] || "$root/e2e/down.sh" || status=1
	exit "$status"
}
trap end EXIT
trap 'exit 130' INT TERM

go test -c -o bin/e2e.test ./e2e
if [ -z "${KUBECONFIG:-}" ]; then
	own=1
	export E2E=${E2E:-/var/tmp/shunt-e2e} CONTAINERD=${CONTAINERD-v2.4.2}
	export RUNC=${RUNC-${CONTAINERD:+v1.3.0}}
	export IMAGES="$folder/shunt-linux-$arch.tar $folder/shunt-init-linux-$arch.tar $folder-next/shunt-linux-$arch.tar"
	mkdir -p "$E2E"
	e2e/up.sh
	export KUBECONFIG=$E2E/etc/admin.kubeconfig E2E_NET_DIR=$E2E/cni/conf E2E_BIN_DIR=$E2E/cni/bin
fi
export E2E_IMAGE=$registry/shunt:$version E2E_NEXT=$version-next
cd e2e
set -m # a process group of their own, so that none outlives this one
../bin/e2e.test -test.v -test.timeout 60m ${RUN:+-test.run "$RUN"} &
tests=$!
set +m
wait "$tests"
