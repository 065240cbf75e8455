#!/bin/bash
# A Kubernetes of one node (etcd, kube-apiserver, controller manager, scheduler,
# kubelet, containerd, runc, a bridge) for the end-to-end tests, in a network
# namespace of its own. What is up already is left as it is; down.sh takes
# everything away again, but not what was built.
#
#   E2E=folder ./up.sh         where to build and to run
#   CONTAINERD=v2.4.2          that containerd, built as a Go tool; empty: the distribution's
#   RUNC=v1.3.0                that runc, built the same way, with libseccomp; empty: the distribution's
#   K8S=v1.34.4                that Kubernetes, built the same way
#   IMAGES="a.tar b.tar"       import these images, too
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
E2E=${E2E:?set E2E to a work folder}
K8S=${K8S:-v1.34.4} CRICTL=v1.34.0
NETNS=${NETNS:-k8se2e}              # the node's network namespace
VETH=${VETH:-k8se2e}                # the veth's end on the host
HOST_IP=${HOST_IP:-10.240.0.1}      # host end of the veth
NODE_IP=${NODE_IP:-10.240.0.2}      # node end: apiserver 6443, kubelet 10250
POD_CIDR=${POD_CIDR:-10.244.0.0/24}
SVC_CIDR=10.96.0.0/24 SVC_IP=10.96.0.1
NODE=${NODE:-node1}
BIN=$E2E/bin ETC=$E2E/etc RUN=$E2E/run LOGS=$E2E/logs PKI=$E2E/pki
export KUBECONFIG=$ETC/admin.kubeconfig
mkdir -p "$BIN" "$ETC" "$RUN" "$LOGS" "$PKI" "$E2E/src" "$E2E/img" "$E2E/cni/bin" "$E2E/cni/conf" "$ETC/static"
log() { printf '%s %s\n' "$(date +%T.%3N)" "$*"; }

# --- 1. packages -----------------------------------------------------------------
need=()
for p in etcd-server:etcd containerd:containerd runc:runc busybox-static:busybox iptables:iptables-nft jq:jq openssl:openssl; do
  command -v "${p#*:}" >/dev/null || need+=("${p%:*}")
done
[ -x /usr/lib/cni/bridge ] || need+=(containernetworking-plugins)
if [ -n "${RUNC:-}" ] && [ ! -x "$BIN/runc-$RUNC/runc" ]; then # runc is C, too
  for p in gcc:gcc libc6-dev:/usr/include/stdlib.h pkg-config:pkg-config libseccomp-dev:/usr/include/seccomp.h; do
    command -v "${p#*:}" >/dev/null || [ -e "${p#*:}" ] || need+=("${p%:*}")
  done
fi
if [ ${#need[@]} -gt 0 ]; then
  apt-get update -q >/dev/null
  # RUNLEVEL=1: no package may start its daemon
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${need[@]}" >"$LOGS/apt.log" 2>&1
fi

# --- 2. binaries (cached in $BIN; about 10 CPU-minutes when the Go build cache is cold) ------
want="kube-apiserver kubelet kubectl kube-controller-manager kube-scheduler"
missing=; for b in $want; do [ -x "$BIN/$b" ] || missing="$missing $b"; done
if [ -n "$missing" ]; then
  cd "$E2E/src"
  export GOFLAGS="-mod=mod -buildvcs=false" CGO_ENABLED=0 GOTOOLCHAIN=local
  if [ ! -s go.mod ]; then
    # k8s.io/kubernetes replaces its staging modules by ./staging paths; replaces in a
    # dependency do not count, so this module repeats them with the published versions.
    sv=v0.${K8S#v1.}
    printf 'module k8se2e\n\ngo 1.24.0\n' >go.mod
    dir=$(go mod download -json "k8s.io/kubernetes@$K8S" | jq -r .Dir)
    { printf 'module k8se2e\n\n'; grep '^go ' "$dir/go.mod"; grep '^godebug ' "$dir/go.mod" || true
      printf '\nrequire k8s.io/kubernetes %s\n\nreplace (\n' "$K8S"
      grep -oE '^\s+k8s.io/[a-z-]+ => \./staging' "$dir/go.mod" | awk -v v="$sv" '{print "\t" $1 " => " $1 " " v}'
      echo ')'; } >go.mod
  fi
  X="-s -w"; minor=${K8S#v1.}; minor=${minor%%.*}
  for p in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    X="$X -X $p.gitVersion=$K8S -X $p.gitMajor=1 -X $p.gitMinor=$minor -X $p.gitTreeState=clean"
  done
  for b in $missing; do
    log "building $b"
    nice go build -p 2 -trimpath -ldflags "$X" -o "$BIN/$b" "k8s.io/kubernetes/cmd/$b"
  done
  cd "$E2E"
fi
if [ -n "${CONTAINERD:-}" ]; then
  for c in containerd containerd-shim-runc-v2; do
    [ -x "$BIN/$CONTAINERD/$c" ] || GOBIN="$BIN/$CONTAINERD" CGO_ENABLED=0 GOFLAGS=-buildvcs=false nice go install "github.com/containerd/containerd/v2/cmd/$c@$CONTAINERD"
  done
  PATH="$BIN/$CONTAINERD:$PATH"
fi
if [ -n "${RUNC:-}" ]; then
  [ -x "$BIN/runc-$RUNC/runc" ] || GOBIN="$BIN/runc-$RUNC" CGO_ENABLED=1 GOFLAGS=-buildvcs=false nice go install -tags seccomp "github.com/opencontainers/runc@$RUNC"
  PATH="$BIN/runc-$RUNC:$PATH"
fi
[ -x "$BIN/crictl" ] || GOBIN=$BIN CGO_ENABLED=0 GOFLAGS=-buildvcs=false nice go install "sigs.k8s.io/cri-tools/cmd/crictl@$CRICTL"

# --- 3. images, made by hand (no registry, no builder) -----------------------------
mkimage() { # NAME:TAG ROOTFS OUT.tar ENTRYPOINT-JSON: one layer, docker-archive format
  local t diff cfg; t=$(mktemp -d "$E2E/img/mk.XXXXXX")
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$2" -cf "$t/layer.tar" .
  diff=$(sha256sum "$t/layer.tar" | cut -d' ' -f1)
  printf '{"architecture":"%s","os":"linux","created":"1970-01-01T00:00:00Z","config":{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Entrypoint":%s},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"1970-01-01T00:00:00Z"}]}' "$(go env GOARCH)" "$4" "$diff" >"$t/c.json"
  cfg=$(sha256sum "$t/c.json" | cut -d' ' -f1); mv "$t/c.json" "$t/$cfg.json"
  printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$cfg" "$1" >"$t/manifest.json"
  tar -C "$t" -cf "$3" manifest.json "$cfg.json" layer.tar
  rm -rf "$t"
}
if [ ! -s "$E2E/img/pause.tar" ]; then
  rm -rf "$E2E/img/pause" "$E2E/src/pause"; mkdir -p "$E2E/img/pause" "$E2E/src/pause"
  cat >"$E2E/src/pause/main.go" <<'EOF'
// Command pause is PID 1 of a pod's sandbox: it waits, and ends on SIGTERM or SIGINT.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT)
	<-c
}
EOF
  CGO_ENABLED=0 GOFLAGS=-buildvcs=false nice go build -trimpath -ldflags "-s -w" -o "$E2E/img/pause/pause" "$E2E/src/pause/main.go"
  mkimage localhost/pause:e2e "$E2E/img/pause" "$E2E/img/pause.tar" '["/pause"]'
fi
if [ ! -s "$E2E/img/tools.tar" ]; then # busybox
  r=$E2E/img/tools; rm -rf "$r"; mkdir -p "$r"/{bin,tmp,etc,run,var,proc,sys,dev}
  cp "$(command -v busybox)" "$r/bin/busybox"
  for a in $("$r/bin/busybox" --list | grep -v '^busybox$'); do ln -sf busybox "$r/bin/$a"; done
  printf 'root:x:0:0:root:/:/bin/sh\n' >"$r/etc/passwd"; printf 'root:x:0:\n' >"$r/etc/group"
  mkimage localhost/tools:e2e "$r" "$E2E/img/tools.tar" null
fi

# --- 4. a clean start after a reboot or a crash: state without its namespace is of no use
if [ ! -e "/run/netns/$NETNS" ]; then
  if [ -e "$RUN/etcd" ]; then E2E=$E2E NETNS=$NETNS VETH=$VETH "$here/down.sh"; mkdir -p "$RUN"; fi
  rm -f "$LOGS"/*.log "$ETC"/static/*
fi

mkdir -p "$RUN/containerd"; chmod 711 "$RUN/containerd" # a pod's user namespace has to get through

# --- 5. the node's network namespace -----------------------------------------------
# nsenter, not "ip netns exec": the latter mounts a fresh /sys without the cgroup mounts.
NS=(nsenter "--net=/run/netns/$NETNS")
if [ ! -e "/run/netns/$NETNS" ]; then
  [ -e /run/shunt ] || touch "$RUN/no-run-shunt" # the agent's folder is at a fixed place
  ip netns add "$NETNS"
  ip link add "$VETH" type veth peer name eth0 netns "$NETNS"
  ip addr add "$HOST_IP/30" dev "$VETH"; ip link set "$VETH" up
  "${NS[@]}" ip link set lo up
  "${NS[@]}" ip addr add "$NODE_IP/30" dev eth0; "${NS[@]}" ip link set eth0 up
  # no default route: nothing that a pod sends can leave this machine
  "${NS[@]}" ip route add "$SVC_CIDR" dev eth0 # to be translated, a packet needs a route first
  "${NS[@]}" sysctl -qw net.ipv4.ip_forward=1
  # stands in for kube-proxy: the one service that pods and the node need, the API's
  for chain in PREROUTING OUTPUT; do
    "${NS[@]}" iptables-nft -t nat -A $chain -d $SVC_IP -p tcp --dport 443 -j DNAT --to-destination "$NODE_IP:6443"
  done
  ip route replace "$POD_CIDR" via "$NODE_IP"  # the host reaches pods through the node
fi
# The kubelet's own cgroup root: a kubelet kills what it finds in pod cgroups that it does
# not know, so two of them must not share /kubepods.
cgroups=(/sys/fs/cgroup/*/) # cgroup v1: a tree for every controller
[ ! -e /sys/fs/cgroup/cgroup.controllers ] || cgroups=(/sys/fs/cgroup/)
for d in "${cgroups[@]}"; do
  [ -e "${d}cgroup.procs" ] || continue
  mkdir -p "$d$NETNS"
  for f in cpuset.cpus cpuset.mems; do # on cgroup v1 a new cpuset starts empty
    if [ -e "$d$f" ] && [ -z "$(cat "$d$NETNS/$f")" ]; then cat "$d$f" >"$d$NETNS/$f"; fi
  done
done
# kubelet sets these (not namespaced); down.sh puts them back
[ -s "$RUN/sysctl.saved" ] || for k in vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes; do
  echo "$k=$(sysctl -n $k)"; done >"$RUN/sysctl.saved"

# --- 6. certificates, kubeconfigs ------------------------------------------------------
if [ ! -s "$PKI/done" ]; then
  cd "$PKI"
  openssl ecparam -name prime256v1 -genkey -noout -out ca.key
  openssl req -x509 -new -key ca.key -subj /CN=k8s-e2e-ca -days 3650 -out ca.crt
  cert() { # NAME SUBJECT [SAN]
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
    openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
    printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n%s\n' "${3:+subjectAltName=$3}" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
    rm "$1.csr" "$1.ext"
  }
  cert apiserver /CN=kube-apiserver "IP:$NODE_IP,IP:127.0.0.1,IP:$SVC_IP,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
  cert kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
  cert kubelet-server "/O=system:nodes/CN=system:node:$NODE" "IP:$NODE_IP,DNS:$NODE"
  cert admin /O=system:masters/CN=admin
  cert kubelet "/O=system:nodes/CN=system:node:$NODE"
  cert kcm /CN=system:kube-controller-manager
  cert scheduler /CN=system:kube-scheduler
  openssl genrsa -out sa.key 2048 2>/dev/null; openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
  cd "$E2E"
  for u in admin kubelet kcm scheduler; do
    cat >"$ETC/$u.kubeconfig" <<EOF
apiVersion: v1
kind: Config
clusters: [{name: e2e, cluster: {server: "https://$NODE_IP:6443", certificate-authority: $PKI/ca.crt}}]
users: [{name: $u, user: {client-certificate: $PKI/$u.crt, client-key: $PKI/$u.key}}]
contexts: [{name: e2e, context: {cluster: e2e, user: $u}}]
current-context: e2e
EOF
  done
  touch "$PKI/done"; echo ok >"$PKI/done"
fi

# --- 7. configuration ------------------------------------------------------------------
ln -sf /usr/lib/cni/* "$E2E/cni/bin/"   # containerd 1.6 takes one bin_dir, so gather them here
if [ ! -s "$E2E/cni/conf/10-e2e.conflist" ]; then cat >"$E2E/cni/conf/10-e2e.conflist" <<EOF
{ "cniVersion": "1.0.0", "name": "k8se2e", "plugins": [
  { "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
    "ipam": { "type": "host-local", "dataDir": "$RUN/cni-ipam", "ranges": [[{ "subnet": "$POD_CIDR" }]], "routes": [{ "dst": "0.0.0.0/0" }] } },
  { "type": "portmap", "capabilities": { "portMappings": true }, "snat": true }
] }
EOF
fi
cat >"$ETC/containerd.toml" <<EOF
version = 2
root = "$RUN/containerd/root"
state = "$RUN/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]
[grpc]
  address = "$RUN/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:e2e"
  # Some machines' bounding set lacks CAP_SYS_RESOURCE: a negative oom_score_adj is EACCES and
  # runc dies with "can't get final child's PID from pipe: EOF". This clamps it.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$E2E/cni/bin"
    conf_dir = "$E2E/cni/conf"
    max_conf_num = 1
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "$(command -v runc)"
        Root = "$RUN/runc"
        SystemdCgroup = false
EOF
echo "nameserver 127.0.0.1" >"$ETC/resolv.conf"
cat >"$ETC/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $NODE_IP
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: AlwaysAllow}
tlsCertFile: $PKI/kubelet-server.crt
tlsPrivateKeyFile: $PKI/kubelet-server.key
containerRuntimeEndpoint: unix://$RUN/containerd.sock
cgroupDriver: cgroupfs          # containerd 1.6 has no RuntimeConfig call to ask
cgroupRoot: /$NETNS
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0                  # -999 is EACCES without CAP_SYS_RESOURCE
makeIPTablesUtilChains: false
resolvConf: $ETC/resolv.conf
podLogsDir: $RUN/pod-logs
staticPodPath: $ETC/static
volumePluginDir: $RUN/volume-plugins
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
nodeStatusUpdateFrequency: 2s
EOF

# --- 8. processes --------------------------------------------------------------------
alive() { [ -s "$RUN/$1.pid" ] && [ "$(readlink "/proc/$(cat "$RUN/$1.pid")/exe" 2>/dev/null)" = "$(readlink -f "$2")" ]; }
start() { # NAME EXE ARGS...: in the node's network namespace, in its own session
  local n=$1; shift
  alive "$n" "$1" && return 0
  setsid "${NS[@]}" "$@" >>"$LOGS/$n.log" 2>&1 </dev/null &
  echo $! >"$RUN/$n.pid"; disown $!
}
waitfor() { # NAME SECONDS CMD...
  local n=$1 t=$(( $(date +%s) + $2 )); shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s)" -lt $t ] || { log "timed out waiting for $n"; tail -5 "$LOGS/${n%% *}.log" >&2 || true; exit 1; }
    sleep 0.2
  done; log "$n up"
}
k() { "$BIN/kubectl" "$@"; }
ctrk() { ctr -a "$RUN/containerd.sock" -n k8s.io "$@"; }

log start
start etcd "$(command -v etcd)" --name e2e --data-dir "$RUN/etcd" --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster e2e=http://127.0.0.1:2380 --log-level warn
start containerd "$(command -v containerd)" -c "$ETC/containerd.toml"
waitfor etcd 60 "${NS[@]}" curl -fsS http://127.0.0.1:2379/health
start kube-apiserver "$BIN/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --bind-address="$NODE_IP" --advertise-address="$NODE_IP" --secure-port=6443 \
  --service-cluster-ip-range=$SVC_CIDR --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --disable-admission-plugins=TaintNodesByCondition --allow-privileged=true \
  --client-ca-file="$PKI/ca.crt" --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
  --kubelet-client-certificate="$PKI/kubelet-client.crt" --kubelet-client-key="$PKI/kubelet-client.key" --kubelet-certificate-authority="$PKI/ca.crt" --kubelet-preferred-address-types=InternalIP \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$PKI/sa.pub" --service-account-signing-key-file="$PKI/sa.key" --v=1 \
  --feature-gates=MutatingAdmissionPolicy=true --runtime-config=admissionregistration.k8s.io/v1beta1=true
waitfor containerd 60 ctrk version
for i in "$E2E/img/pause.tar" "$E2E/img/tools.tar" ${IMAGES:-}; do ctrk images import "$i" >/dev/null; done
waitfor kube-apiserver 180 k get --raw /readyz
# kubelet after the apiserver, so that its first registration does not back off
start kubelet "$BIN/kubelet" --config="$ETC/kubelet.yaml" --kubeconfig="$ETC/kubelet.kubeconfig" --root-dir="$RUN/kubelet" --cert-dir="$RUN/kubelet-pki" --hostname-override="$NODE" --node-ip="$NODE_IP" --v=2
start kube-controller-manager "$BIN/kube-controller-manager" --kubeconfig="$ETC/kcm.kubeconfig" --authentication-kubeconfig="$ETC/kcm.kubeconfig" --authorization-kubeconfig="$ETC/kcm.kubeconfig" \
  --bind-address=127.0.0.1 --root-ca-file="$PKI/ca.crt" --service-account-private-key-file="$PKI/sa.key" --use-service-account-credentials=true --leader-elect=false
start kube-scheduler "$BIN/kube-scheduler" --kubeconfig="$ETC/scheduler.kubeconfig" --authentication-kubeconfig="$ETC/scheduler.kubeconfig" --authorization-kubeconfig="$ETC/scheduler.kubeconfig" --bind-address=127.0.0.1 --leader-elect=false
waitfor "kubelet (node Ready)" 120 k wait --for=condition=Ready "node/$NODE" --timeout=1s
waitfor "kube-controller-manager (default service account)" 60 k -n default get sa default
log "ready: KUBECONFIG=$KUBECONFIG $BIN/kubectl get nodes"
