package lint

import (
	"strconv"

	"shunt/manifest"
	"shunt/pods"
)

// job finds Jobs that do not complete because of the proxy.
func (l *linter) job(pod *place, spec string) {
	w := pod.Object
	if w.Kind != "Job" && w.Kind != "CronJob" {
		return
	}
	fix := "a command that ends the proxy, such as linkerd-await --shutdown, and " + written(pods.Shutdown, "enabled") + "; or linkerd.io/inject: disabled"
	if key := l.release.nativeKey(); key != "" {
		fix = written(key, "true") + "; or " + fix
	}
	if proxy := w.Pod.Proxy(); proxy != nil {
		if !proxy.Sidecar {
			l.add(jobNeverCompletes, w, 0, spec+".containers", "the proxy is an ordinary container, so it keeps the pod running when the others are done", fix)
		}
		return
	}
	on, off := l.native(w)
	// With the shutdown endpoint, the job's own command can end the proxy.
	if a, _ := l.set.Annotation(w, pods.Shutdown); on || a.Value == "enabled" {
		return
	}
	l.report(jobNeverCompletes, pod, pods.Inject,
		"the proxy is not a native sidecar ("+off+"), so it keeps the pod running when the job is done", fix)
}

// native reports whether a workload's proxy is a native sidecar, and if not,
// what says so. The domains are in the order in which the injector looks.
func (l *linter) native(w *manifest.Object) (on bool, off string) {
	for _, key := range []string{pods.Native, pods.NativeBeta, pods.NativeAlpha} {
		if a, in := l.set.Annotation(w, key); in != nil {
			if v, err := strconv.ParseBool(a.Value); err == nil {
				return v, key
			}
			break
		}
	}
	return l.release.NativeSidecars(), "the default before Linkerd 2.20"
}
