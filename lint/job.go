package lint

import (
	"slices"
	"strconv"
	"strings"

	"shunt/manifest"
	"shunt/pods"
)

// job finds Jobs that do not complete because of the proxy.
func (l *linter) job(pod *place) {
	w := pod.Object
	if w.Kind != "Job" && w.Kind != "CronJob" {
		return
	}
	if proxy := w.Pod.Proxy(); proxy != nil {
		if !proxy.Sidecar {
			l.add(jobNeverCompletes, w, 0, pod.spec()+".containers", "the proxy is an ordinary container, so it keeps the pod running when the others are done", l.remedy())
		}
		return
	}
	on, off := l.native(w)
	if on {
		return
	}
	ends := slices.ContainsFunc(w.Pod.Containers, endsProxy)
	a, _ := l.set.Annotation(w, pods.Shutdown)
	switch {
	case ends && l.release < shutdownAsked, a.Value == "enabled": // the image may have the command that nobody sees here
	case ends:
		l.report(jobNeverCompletes, pod, pods.Shutdown,
			"the job ends the proxy by its /shutdown, which is off by default since Linkerd 2.16, so the proxy keeps the pod running", written(pods.Shutdown, "enabled"))
	default:
		l.report(jobNeverCompletes, pod, pods.Inject,
			"the proxy is not a native sidecar ("+off+"), so it keeps the pod running when the job is done", l.remedy())
	}
}

// remedy says what makes a Job complete in the release.
func (l *linter) remedy() string {
	var ways []string
	if keys := l.release.nativeKeys(); len(keys) > 0 {
		ways = append(ways, written(keys[0], "true")+" (Kubernetes 1.29 or later)")
	}
	await := "a command that ends the proxy, such as linkerd-await --shutdown"
	if l.release >= shutdownAsked {
		await += ", and " + written(pods.Shutdown, "enabled")
	}
	return strings.Join(append(ways, await, "linkerd.io/inject: disabled"), "; or ")
}

// endsProxy reports whether a container's command ends the proxy: by
// linkerd-await, or by a request to its admin server.
func endsProxy(c manifest.Container) bool {
	words := strings.Fields(strings.Join(slices.Concat(c.Command, c.Args), " "))
	await := slices.ContainsFunc(words, func(w string) bool { return strings.HasSuffix(w, "linkerd-await") })
	for _, w := range words {
		if await && (w == "--shutdown" || w == "-S") || strings.Contains(w, ":4191/shutdown") {
			return true
		}
	}
	return false
}

// native reports whether a workload's proxy is a native sidecar, and if not,
// what says so.
func (l *linter) native(w *manifest.Object) (on bool, off string) {
	keys := l.release.nativeKeys()
	for _, key := range keys {
		if a, in := l.set.Annotation(w, key); in != nil && (in == w || !l.notInherited(key)) {
			if v, err := strconv.ParseBool(a.Value); err == nil {
				return v, key
			}
			break
		}
	}
	for _, key := range []string{pods.Native, pods.NativeBeta} {
		if _, in := l.set.Annotation(w, key); in != nil && !slices.Contains(keys, key) {
			return false, "Linkerd " + l.release.String() + " does not know " + key
		}
	}
	return l.release.NativeSidecars(), "the default before Linkerd 2.20"
}

// notInherited reports whether the injector of the release reads an annotation,
// but no longer copies it from the Namespace (009a25fa3 left it out).
func (l *linter) notInherited(key string) bool {
	return key == pods.NativeBeta && l.release >= nativeDefault
}
