#!/bin/bash
# Takes away what up.sh started; what was built, images and certificates stay.
#
#   ./down.sh           everything
#   ./down.sh PART      one process, such as kube-apiserver; up.sh starts it again
#   ./down.sh node      what a power failure takes from a node: the kubelet, containerd,
#                       the pods, /run, the bridge; up.sh starts it again
set -u
E2E=${E2E:?set E2E to a work folder}; NETNS=${NETNS:-k8se2e}; VETH=${VETH:-k8se2e}
RUN=$E2E/run
gone() { ! readlink "/proc/$1/exe" >/dev/null; } # a zombie has no exe: PID 1 here reaps late
stop() { # NAME [SIGNAL]: that, 5 s, SIGKILL; only a pid whose /proc/PID/exe is what we started
  local p; p=$(cat "$RUN/$1.pid" 2>/dev/null) || return 0
  case "$(readlink "/proc/$p/exe" 2>/dev/null)" in
  */"$1" | */"$1 (deleted)")
    kill "-${2:-TERM}" "$p" 2>/dev/null
    for _ in $(seq 50); do gone "$p" && break; sleep 0.1; done
    gone "$p" || kill -9 "$p" 2>/dev/null
    ;;
  esac
  rm -f "$RUN/$1.pid"
}
# On cgroup v1 every controller has a tree of its own.
cgroups() { for d in /sys/fs/cgroup /sys/fs/cgroup/*; do [ -d "$d/$NETNS" ] && echo "$d/$NETNS"; done; }
processes() { cgroups | while read -r d; do find "$d" -name cgroup.procs -exec cat {} +; done 2>/dev/null | sort -un; }
pods() { # all at once, without a word to the kubelet or to containerd
  local ids nets p id
  ids=$(timeout 30 ctr -a "$RUN/containerd.sock" -n k8s.io containers ls -q 2>/dev/null)
  nets=$(for id in $ids; do timeout 30 ctr -a "$RUN/containerd.sock" -n k8s.io containers info "$id"; done 2>/dev/null |
    jq -r '.Spec.linux.namespaces[]? | select(.type=="network") | .path // empty' | grep /netns/cni- | sort -u)
  stop containerd KILL
  for _ in $(seq 50); do
    p=$(processes); [ -n "$p" ] || break
    # shellcheck disable=SC2086
    kill -9 $p 2>/dev/null; sleep 0.1
  done
  for p in $(pgrep -f "^[^ ]*/containerd-shim-runc-v2 .*-address $RUN/containerd.sock"); do kill -9 "$p"; done
  awk -v r="$RUN/" 'index($2, r) == 1 {print $2}' /proc/mounts | sort -r | while read -r m; do umount -l "$m"; done
  # No CNI DEL: bridge, veths and rules go with the node's namespace.
  for p in $nets; do umount -l "$p" 2>/dev/null; rm -f "$p"; done
  [ "${1:-}" = keep ] || for id in $ids; do rm -f /var/lib/cni/results/*-"$id"-*; done # libcni's cache is at a fixed place
}

case ${1:-all} in
all) ;;
node)
  stop kubelet KILL
  pods keep
  nsenter --net="/run/netns/$NETNS" ip link del cni0 2>/dev/null
  rm -rf "$RUN/containerd/state" "$RUN/containerd.sock" "$RUN/runc" /run/shunt
  exit
  ;;
*) stop "$1"; exit ;;
esac
stop kubelet; stop kube-scheduler; stop kube-controller-manager; stop kube-apiserver; stop etcd
pods
ip netns del "$NETNS" 2>/dev/null; ip link del "$VETH" 2>/dev/null
cgroups | while read -r d; do # leaves first
  for _ in $(seq 20); do find "$d" -depth -type d -exec rmdir {} + 2>/dev/null; [ -d "$d" ] || break; sleep 0.1; done
done
[ -s "$RUN/sysctl.saved" ] && while IFS='=' read -r k v; do sysctl -qw "$k=$v"; done <"$RUN/sysctl.saved"
rm -f /var/lib/cni/results/"$NETNS"-* # of a pod whose network got another name meanwhile
[ ! -e "$RUN/no-run-shunt" ] || rm -rf /run/shunt # there was none before
find /var/log/containers -lname "$RUN/*" -delete 2>/dev/null
rm -rf "$RUN" /var/lib/kubelet/device-plugins/kubelet_internal_checkpoint /var/lib/kubelet/device-plugins/kubelet.sock

left=$(
  pgrep -af "$E2E/" | grep -v -e down.sh -e up.sh -e e2e.sh # processes
  awk -v r="$RUN/" 'index($2, r) == 1 {print $2}' /proc/mounts
  ls -d "/run/netns/$NETNS" "/sys/class/net/$VETH" "$RUN" 2>/dev/null
  cgroups
)
[ -z "$left" ] || { printf 'down.sh: left behind:\n%s\n' "$left" >&2; exit 1; }
