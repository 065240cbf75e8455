#!/bin/bash
# Takes away everything that up.sh started; what was built, images and certificates stay.
set -u
E2E=${E2E:?set E2E to a work folder}; NETNS=${NETNS:-k8se2e}; VETH=${VETH:-k8se2e}
RUN=$E2E/run
stop() { # NAME: SIGTERM, 3 s, SIGKILL; only a pid whose /proc/PID/exe is what we started
  local p; p=$(cat "$RUN/$1.pid" 2>/dev/null) || return 0
  case "$(readlink "/proc/$p/exe" 2>/dev/null)" in */"$1"|*/"$1 (deleted)") ;; *) rm -f "$RUN/$1.pid"; return 0;; esac
  kill "$p" 2>/dev/null # a zombie has no exe: PID 1 here reaps late
  for _ in $(seq 30); do readlink "/proc/$p/exe" >/dev/null || break; sleep 0.1; done
  readlink "/proc/$p/exe" >/dev/null && kill -9 "$p" 2>/dev/null; rm -f "$RUN/$1.pid"
}
stop kubelet; stop kube-scheduler; stop kube-controller-manager; stop kube-apiserver; stop etcd
# pods: kill the tasks; each shim then ends with its last task
if [ -S "$RUN/containerd.sock" ]; then
  c() { timeout 30 ctr -a "$RUN/containerd.sock" -n k8s.io "$@" 2>/dev/null; }
  nets=$(for id in $(c containers ls -q); do c containers info "$id" | jq -r '.Spec.linux.namespaces[]? | select(.type=="network") | .path // empty'; done | grep /netns/cni- | sort -u)
  for id in $(c tasks ls -q); do c tasks rm -f "$id" >/dev/null; done
  # libcni's cache is at a fixed place
  for id in $(c containers ls -q); do c containers rm "$id" >/dev/null; rm -f /var/lib/cni/results/*-"$id"-*; done
fi
stop containerd
# shims that outlived their task: only those of our containerd socket
for p in $(pgrep -f "^[^ ]*/containerd-shim-runc-v2 .*-address $RUN/containerd.sock"); do kill -9 "$p"; done
awk -v r="$RUN/" 'index($2, r) == 1 {print $2}' /proc/mounts | sort -r | while read -r m; do umount -l "$m"; done
# the pods' network namespaces (no CNI DEL: bridge, veths and rules go with the node's namespace)
for n in ${nets:-}; do umount -l "$n" 2>/dev/null; rm -f "$n"; done
ip netns del "$NETNS" 2>/dev/null; ip link del "$VETH" 2>/dev/null
for d in /sys/fs/cgroup/*/; do # the kubelet's cgroup tree, leaves first
  [ -d "$d$NETNS" ] && find "$d$NETNS" -depth -type d -exec rmdir {} \; 2>/dev/null
done
[ -s "$RUN/sysctl.saved" ] && while IFS='=' read -r k v; do sysctl -qw "$k=$v"; done <"$RUN/sysctl.saved"
find /var/log/containers -lname "$RUN/*" -delete 2>/dev/null
rm -rf "$RUN" /var/lib/kubelet/device-plugins/kubelet_internal_checkpoint /var/lib/kubelet/device-plugins/kubelet.sock
