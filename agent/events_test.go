package agent

import (
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// The API refuses an Event whose name or note is longer than it allows. What is
// cut inside of a character is sent as U+FFFD, which is longer.
func TestAnEventAboutALongNameWithALongNoteIsOneThatTheAPITakes(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	k, err := newKube(a.config())
	if err != nil {
		t.Fatal(err)
	}
	e := newEvents(k, "shunt-agent", "node1", slog.New(slog.DiscardHandler), newMetrics(""))
	suffix := len(eventName("", time.Now()))
	names := []string{strings.Repeat("n", 253), strings.Repeat("n", 252-suffix) + ".-" + strings.Repeat("n", suffix-1)}
	for i, name := range names {
		e.send(t.Context(), event{regarding: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: name}, reason: "RepairFailed",
			note: strings.Repeat("x", i) + strings.Repeat("€", 1000)})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.events) != len(names) {
		t.Fatalf("%d Events", len(a.events))
	}
	for _, ev := range a.events {
		if wrong := validation.IsDNS1123Subdomain(ev.Name); wrong != nil {
			t.Errorf("its name %s: %v", ev.Name, wrong)
		}
		if len(ev.Note) > 1024 || strings.ContainsRune(ev.Note, utf8.RuneError) || !strings.HasSuffix(ev.Note, "€ ...") {
			t.Errorf("its note of %d bytes ends in %q", len(ev.Note), ev.Note[len(ev.Note)-10:])
		}
	}
}

// Pods that come and go have an Event each, and nobody asks how many.
func TestSeriesOfEventsAreRememberedWithinABound(t *testing.T) {
	t.Parallel()
	e := &events{sent: map[event]*series{}}
	now := time.Now()
	for i := range 3 * eventsKept {
		e.forget(now)
		e.sent[event{note: strconv.Itoa(i)}] = &series{first: now}
	}
	if n := len(e.sent); n == 0 || n > eventsKept {
		t.Errorf("%d series are remembered, want at most %d", n, eventsKept)
	}
}
