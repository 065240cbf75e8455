package agent

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shunt/agent/install"
)

// said is what people were told last.
type said struct {
	text      string // the state or error in the log
	contended bool
	polling   bool
	newer     bool
	failures  int    // tries in a row
	failed    string // the Event about an installation that fails
	ambiguous string
}

// tellAfter is how often in a row installing has to fail before an Event says
// so: a file that is half written for a moment is not news.
const tellAfter = 5

// report passes the outcome of a look at the node on: to log, metrics, health and
// Events.
func (a *agent) report(r install.Report) {
	step := ""
	var e *install.StepError
	if errors.As(r.Err, &e) {
		step = e.Step
	}
	a.metrics.installed(r, step)
	reason := cmp.Or(unready(r), a.factsMissing())
	a.health.set(reason)
	install.Log(a.log, r.Status)
	a.logStates(r, reason)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.loaded.chained(r, time.Now())
	if a.events == nil {
		return
	}
	for _, ev := range a.last.tell(r, a.cfg.Install) {
		ev.regarding = nodeRef(a.node)
		a.events.later(ev)
	}
}

// unready says why a pod that starts now may not get its rules, "" if it does.
func unready(r install.Report) string {
	switch {
	case r.Contended:
		return "contended: somebody else keeps taking the entry out of the network of " + r.File
	case r.Err != nil:
		return r.Err.Error()
	case r.State != install.Linked:
		return string(r.State) + ": " + r.Why
	}
	return ""
}

// logStates logs what is new about the state, once; text is why the agent is not
// ready.
func (a *agent) logStates(r install.Report, text string) {
	switch {
	case text == a.last.text:
	case text != "":
		a.log.Warn("not ready", "reason", text)
	default:
		a.log.Info("ready", "network", r.Network, "file", r.File, "mode", string(r.Mode), "why", r.Why)
	}
	a.last.text = text
	if polling := r.Polling != nil; polling != a.last.polling {
		a.last.polling = polling
		if polling {
			a.log.Warn("files are not watched", "err", r.Polling)
		} else {
			a.log.Info("files are watched again")
		}
	}
	if r.Newer && !a.last.newer {
		a.log.Info("a newer agent keeps this node: this one only fills gaps")
	}
	a.last.newer = r.Newer
}

// tell returns the Events for what is new. What lasts is told once; the
// recorder counts what comes again.
func (s *said) tell(r install.Report, cfg install.Config) []event {
	var list []event
	add := func(warning bool, reason, action, note string, args ...any) {
		list = append(list, event{warning: warning, reason: reason, action: action, note: fmt.Sprintf(note, args...)})
	}
	for _, c := range r.Changes {
		switch {
		case c.Action != install.Chained:
		case c.Reason == install.Lost || c.Reason == install.Altered:
			add(true, reasonLost, "Chaining", "the entry of %s in %s was %s by somebody else and is written again", cfg.Entry.Type, c.Path, c.Reason)
		default:
			add(false, reasonChained, "Chaining", "%s is chained to network %s by %s (mode %s: %s)", cfg.Entry.Type, r.Network, c.Path, r.Mode, r.Why)
		}
	}
	if r.Contended && !s.contended {
		add(true, reasonContended, "Chaining", "somebody else keeps taking the entry of %s out of %s: pods that start now may get no rules; "+
			"find who writes that file, or use mode dropin where the container runtime reads drop-ins", cfg.Entry.Type, r.File)
	}
	s.contended = r.Contended
	failed := ""
	switch {
	case errors.Is(r.Err, install.ErrAmbiguous):
		s.failures = 0
	case r.Err != nil:
		if s.failures++; s.failures >= tellAfter {
			failed = r.Err.Error()
		}
	default:
		s.failures = 0
		if r.State == install.Refused {
			failed = "not chained, because no pod could start: " + r.Why + "; --force chains it anyway"
		}
	}
	if failed != "" && failed != s.failed {
		add(true, reasonFailed, "Installing", "%s", failed)
	}
	s.failed = failed
	ambiguous := strings.Join(slices.Sorted(slices.Values(r.Others)), ", ")
	if errors.Is(r.Err, install.ErrAmbiguous) {
		ambiguous = r.Err.Error()
	} else if ambiguous != "" {
		ambiguous = fmt.Sprintf("chained to %s, the first by name, which the runtime uses; there are others: %s; --conf-name pins one", r.File, ambiguous)
	}
	if ambiguous != "" && ambiguous != s.ambiguous {
		add(true, reasonAmbiguous, "Installing", "%s", ambiguous)
	}
	s.ambiguous = ambiguous
	return list
}
