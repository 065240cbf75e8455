package lint

import (
	"strings"
	"testing"
)

func TestJobsComplete(t *testing.T) {
	t.Parallel()
	job := func(annotations, spec string) string {
		return "kind: Job\nmetadata: {name: j}\nspec: {template: {metadata: {annotations: {linkerd.io/inject: enabled, " + annotations + "}}, spec: {" + spec + "}}}\n"
	}
	const native = "linkerd.io/proxy-enable-native-sidecar: "
	for _, tt := range []struct{ name, version, text, want string }{
		{"native by default", "2.20", job("", ""), ""},
		{"not native by default", "2.19", job("", ""), jobNeverCompletes},
		{"a CronJob", "2.14", "kind: CronJob\nspec: {jobTemplate: {spec: {template: {metadata: {annotations: {linkerd.io/inject: enabled}}}}}}\n", jobNeverCompletes},
		{"a Deployment", "2.14", deployment("", ""), ""},
		{"switched on by a name that the release does not know", "2.18", job("config."+native+"'true'", ""), jobNeverCompletes},
		{"switched on in beta", "2.19", job("config.beta."+native+"'true'", ""), ""},
		{"switched on in beta, before it was", "2.18", job("config.beta."+native+"'true'", ""), jobNeverCompletes},
		{"switched on in alpha, before it was", "2.14", job("config.alpha."+native+"'true'", ""), jobNeverCompletes},
		{"switched on in alpha", "2.15", job("config.alpha."+native+"'true'", ""), ""},
		{"switched off", "2.20", job("config."+native+"'false'", ""), jobNeverCompletes},
		{"switched off in beta", "2.20", job("config.beta."+native+"'false'", ""), jobNeverCompletes},
		{"switched off in alpha", "2.20", job("config.alpha."+native+"'false'", ""), jobNeverCompletes},
		{"the stable name goes first", "2.20", job("config."+native+"'true', config.alpha."+native+"'false'", ""), ""},
		{"switched off by the namespace", "2.20", "kind: Namespace\nmetadata: {name: default, annotations: {config." + native + "'false'}}\n---\n" + job("", ""), jobNeverCompletes},
		{"switched off in beta by the namespace, which is not inherited", "2.20", "kind: Namespace\nmetadata: {name: default, annotations: {config.beta." + native + "'false'}}\n---\n" + job("", ""), misplacedAnnotation},
		{"switched on in beta by the namespace", "2.19", "kind: Namespace\nmetadata: {name: default, annotations: {config.beta." + native + "'true'}}\n---\n" + job("", ""), ""},
		{"not injected", "2.19", strings.Replace(job("", ""), "enabled", "disabled", 1), ""},
		{"linkerd-await ends the proxy", "2.14", job("", "containers: [{name: j, command: [/linkerd-await, --shutdown, --, /job]}]"), ""},
		{"linkerd-await only waits", "2.14", job("", "containers: [{name: j, command: [linkerd-await, --, /job]}]"), jobNeverCompletes},
		{"a request ends the proxy", "2.14", job("", "containers: [{name: j, command: [sh, -c], args: ['job; curl -X POST http://localhost:4191/shutdown']}]"), ""},
		{"linkerd-await, where /shutdown is off", "2.16", job("", "containers: [{name: j, command: [linkerd-await, -S, /job]}]"), jobNeverCompletes},
		{"linkerd-await, and /shutdown is asked for", "2.16", job("config.linkerd.io/proxy-admin-shutdown: enabled", "containers: [{name: j, command: [linkerd-await, -S, /job]}]"), ""},
		{"the job ends the proxy itself", "2.19", job("config.linkerd.io/proxy-admin-shutdown: enabled", ""), ""},
		{"injected by hand", "2.20", job("", "containers: [{name: linkerd-proxy}]"), jobNeverCompletes},
		{"injected by hand, native", "2.19", job("", "initContainers: [{name: linkerd-proxy, restartPolicy: Always}]"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ids(check(t, tt.version, tt.text)); got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

// What ends the proxy differs between the releases.
func TestRemediesForJobs(t *testing.T) {
	t.Parallel()
	const (
		await    = "a command that ends the proxy, such as linkerd-await --shutdown"
		shutdown = `, and config.linkerd.io/proxy-admin-shutdown: "enabled"`
		native   = `linkerd.io/proxy-enable-native-sidecar: "true" (Kubernetes 1.29 or later); or `
		none     = "; or linkerd.io/inject: disabled"
	)
	for version, want := range map[string]string{
		"2.14": await + none, "2.15": "config.alpha." + native + await + none, "2.18": "config.alpha." + native + await + shutdown + none,
		"2.19": "config.beta." + native + await + shutdown + none, "2.20": "config." + native + await + shutdown + none,
	} {
		got := check(t, version, "kind: Job\nmetadata: {annotations: {}}\nspec: {template: {metadata: {annotations: {linkerd.io/inject: enabled, config.alpha.linkerd.io/proxy-enable-native-sidecar: 'false'}}}}\n")
		if ids(got) != jobNeverCompletes || got[0].Fix != want {
			t.Errorf("%s: %q %+v, want %s", version, ids(got), got, want)
		}
	}
}
