package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestStatusSaysHowOldTheFactsAre(t *testing.T) {
	t.Parallel()
	agent := http.NewServeMux()
	agent.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	older := httptest.NewServer(agent)
	defer older.Close()
	with := http.NewServeMux()
	with.Handle("/ready", agent)
	with.HandleFunc("/facts", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "32s old, 25 pods: the API server does not answer")
	})
	current := httptest.NewServer(with)
	defer current.Close()
	status := func(s *httptest.Server) string {
		var out, errs strings.Builder
		run(context.Background(), system{name: "shunt-agent", args: []string{"status", "--host-prefix", t.TempDir(), "--health-addr", s.Listener.Addr().String()},
			lookupEnv: func(string) (string, bool) { return "", false }, stdout: &out, stderr: &errs})
		return out.String() + errs.String()
	}
	if out := status(current); !strings.Contains(out, "\nFacts    32s old, 25 pods: the API server does not answer\n") {
		t.Errorf("status:\n%s", out)
	}
	if out := status(older); strings.Contains(out, "\nFacts ") || !strings.Contains(out, "Agent    ready") {
		t.Errorf("status of an agent without facts:\n%s", out)
	}
}

// A pod whose chart mounts no folder for the socket would answer nobody.
func TestFactsNeedTheNodesFolder(t *testing.T) {
	t.Parallel()
	inPod, onNode := &options{hostPrefix: "/host"}, &options{hostPrefix: "/"}
	dir := t.TempDir()
	for _, tt := range []struct {
		flags runFlags
		where *options
		want  string
	}{
		{runFlags{facts: true, runDir: "/proc"}, inPod, ""}, // something is mounted there
		{runFlags{facts: true, runDir: dir}, inPod, dir + " is not the node's: it is not mounted"},
		{runFlags{facts: true, runDir: dir + "/none"}, inPod, dir + "/none is not the node's: it is not mounted"},
		{runFlags{facts: true, runDir: dir}, onNode, ""},
		{runFlags{runDir: "/proc"}, inPod, "--facts is false"},
	} {
		if got := tt.flags.noFacts(tt.where); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.flags, got, tt.want)
		}
	}
}
