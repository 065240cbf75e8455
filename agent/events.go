package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

// The reasons of Events.
const (
	reasonChained   = "ShuntChained"
	reasonContended = "ChainContended"
	reasonLost      = "ChainLost"
	reasonFailed    = "InstallFailed"
	reasonAmbiguous = "TargetAmbiguous"
	reasonNotLoaded = "PluginNotLoaded"
)

// event is something that people are told.
type event struct {
	regarding corev1.ObjectReference
	warning   bool
	reason    string
	action    string
	note      string
}

// events writes Events: each by one request of its own, with a bound, so that
// what comes next can wait for it.
type events struct {
	kube       *kube
	controller string
	instance   string
	log        *slog.Logger
	count      func(result string)
	off        func(bool)
	queue      chan event

	mu     sync.Mutex
	until  time.Time // not tried again before
	denied bool      // not allowed, when last tried
	sent   map[event]*series
}

// series is an Event that was sent, and may have happened again.
type series struct {
	namespace, name string
	first, written  time.Time
	count           int32
}

const (
	eventTimeout = 3 * time.Second
	eventSeries  = 30 * time.Minute // after which it is news again
	eventUpdate  = 30 * time.Second // how often a series is written at most
	eventRetry   = 5 * time.Minute  // where they were not allowed
	eventPause   = 30 * time.Second // after no answer, so that what waits for Events goes on
	eventsKept   = 4096             // series that are remembered
	eventNote    = 1024             // bytes, the API's limit
)

func newEvents(k *kube, controller, instance string, log *slog.Logger, m *metrics) *events {
	return &events{
		kube: k, controller: controller, instance: instance, log: log,
		count: func(result string) { m.events.WithLabelValues(result).Inc() },
		off:   func(off bool) { m.off.WithLabelValues("events").Set(number(off)) },
		queue: make(chan event, 32), sent: map[event]*series{},
	}
}

// later has an Event written without waiting for it.
func (e *events) later(ev event) {
	select {
	case e.queue <- ev:
	default:
		e.count("dropped") // a slow API server holds nothing up
	}
}

// run writes what later was given, until the context ends.
func (e *events) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case ev := <-e.queue:
			e.send(ctx, ev)
		}
	}
}

// send writes an Event, or counts it with one that says the same. It returns
// when that is done, refused or late.
func (e *events) send(ctx context.Context, ev event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if now.Before(e.until) {
		e.count("off")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, eventTimeout)
	defer cancel()
	s := e.sent[ev]
	if s != nil && now.Sub(s.first) < eventSeries {
		s.count++
		if now.Sub(s.written) < eventUpdate {
			e.count("aggregated")
			return
		}
		if err := e.again(ctx, s, now); !apierrors.IsNotFound(err) {
			e.done(ev, err)
			return
		}
	}
	s, err := e.create(ctx, ev, now)
	if err == nil {
		e.forget(now)
		e.sent[ev] = s
	}
	e.done(ev, err)
}

// done logs and counts what became of an Event.
func (e *events) done(ev event, err error) {
	switch {
	case err == nil:
		e.denied = false
		e.off(false)
		e.count("written")
	case notAllowed(err):
		if !e.denied {
			e.denied = true
			e.log.Warn("not allowed to write Events: there are none (create and patch of events in events.k8s.io)", "err", err)
		}
		e.until = time.Now().Add(eventRetry)
		e.off(true)
		e.count("denied")
	default:
		e.log.Warn("an Event was not written", "reason", ev.reason, "err", err)
		e.count("failed")
		if apierrors.ReasonForError(err) == metav1.StatusReasonUnknown { // no answer of the API server's
			e.until = time.Now().Add(eventPause)
		}
	}
}

func (e *events) create(ctx context.Context, ev event, now time.Time) (*series, error) {
	kind := corev1.EventTypeNormal
	if ev.warning {
		kind = corev1.EventTypeWarning
	}
	s := &series{namespace: ev.regarding.Namespace, name: eventName(ev.regarding.Name, now), first: now, written: now, count: 1}
	if s.namespace == "" {
		s.namespace = metav1.NamespaceDefault
	}
	note := ev.note
	if len(note) > eventNote {
		note = strings.ToValidUTF8(note[:eventNote-4], "") + " ..."
	}
	return s, e.kube.events.Post().Namespace(s.namespace).Resource("events").Body(&eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: s.namespace, Name: s.name},
		EventTime:           metav1.NewMicroTime(now),
		ReportingController: e.controller,
		ReportingInstance:   e.instance,
		Action:              ev.action,
		Reason:              ev.reason,
		Regarding:           ev.regarding,
		Note:                note,
		Type:                kind,
	}).Do(ctx).Error()
}

// eventName is the name of an Event about an object, whose own name can be as long
// as the API allows.
func eventName(about string, at time.Time) string {
	suffix := fmt.Sprintf(".%x", at.UnixNano())
	const most = validation.DNS1123SubdomainMaxLength
	return strings.TrimRight(about[:min(len(about), most-len(suffix))], ".-") + suffix
}

// again writes that an Event has happened more than once.
func (e *events) again(ctx context.Context, s *series, now time.Time) error {
	patch, err := json.Marshal(map[string]any{"series": eventsv1.EventSeries{Count: s.count, LastObservedTime: metav1.NewMicroTime(now)}})
	if err != nil {
		return err
	}
	s.written = now
	return e.kube.events.Patch(types.MergePatchType).Namespace(s.namespace).Resource("events").Name(s.name).Body(patch).Do(ctx).Error()
}

// forget drops what is no series any more, and everything where there is too
// much to remember: what happens again then is a new Event.
func (e *events) forget(now time.Time) {
	for ev, s := range e.sent {
		if now.Sub(s.first) >= eventSeries {
			delete(e.sent, ev)
		}
	}
	if len(e.sent) >= eventsKept {
		clear(e.sent)
	}
}
