package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"shunt/agent/install"
	"shunt/facts"
	"shunt/netns"
	"shunt/pods"
)

const (
	lag       = 5 * time.Second // for the watch, which the kubelet's can be ahead of; with fetchTimeout less than facts.MaxWait
	settling  = time.Second     // for more to write into the snapshot
	lookAfter = time.Second     // between looks whether the socket is there
	quiet     = time.Minute     // between remarks on clients
)

// prepareFacts decides whether plugins get facts about pods from this agent, and
// tells the installer.
func (a *agent) prepareFacts() {
	why := a.cfg.NoFacts
	if why == "" && a.cfg.Kube == nil {
		why = "there is no API server to ask"
	}
	if why != "" {
		a.log.Info("plugins get no facts about pods from this agent: they need those that the container runtime passes", "reason", why)
		a.metrics.off.WithLabelValues("facts").Set(1)
		a.health.facts = func() string { return "none: " + why }
		return
	}
	a.facts = newFactServer(cmp.Or(a.cfg.RunDir, facts.Folder), a.watch, a.log, a.metrics)
	a.facts.news, a.facts.lost = a.tellFacts, a.health.restart
	a.watch.pods.news = a.tellFacts
	a.watch.listen(podListener{synced: a.tellFacts})
	a.health.facts = a.facts.status
	a.installer.SetFacts(install.FactsLater)
}

// tellFacts tells the installer whether plugins can ask, and has it look at the
// node. What was so once stays so: an API server that goes away, or a right that
// is taken away, is no reason to let pods start without rules.
func (a *agent) tellFacts() {
	switch {
	case a.watch.synced() && a.facts.listening():
		a.installer.SetFacts(install.FactsServed)
	case !a.watch.synced() && a.watch.pods.denied():
		a.installer.SetFacts(install.FactsNone)
	}
	a.nudge()
}

// factsMissing says why the agent is not ready to tell plugins about pods, "" if
// it is, was, or will not be.
func (a *agent) factsMissing() string {
	if a.facts == nil || a.watch.synced() || a.watch.pods.denied() {
		return ""
	}
	return "facts: the pods of this node are not known yet: the API server has not answered"
}

// factServer answers the plugin about the pods of the node.
type factServer struct {
	dir     string // of socket and snapshot
	watch   *podWatch
	log     *slog.Logger
	metrics *metrics
	news    func()              // plugins can ask, or cannot any more
	lost    func(reason string) // the folder is gone until the container is restarted

	was map[string]pod // the snapshot that there was at start, by namespace/name
	at  time.Time      // when that was written

	mu   sync.Mutex
	fail string    // why plugins cannot ask; "" if they can
	odd  time.Time // when a client was last remarked on
}

func newFactServer(dir string, w *podWatch, log *slog.Logger, m *metrics) *factServer {
	f := &factServer{dir: dir, watch: w, log: log, metrics: m, news: func() {}, lost: func(string) {}, fail: "starting"}
	var err error
	if f.was, f.at, err = readSnapshot(f.path(snapshotFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("what the agent before this one knew of pods is not used", "err", err)
	}
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(gauge("facts_synced", "1 once the pods of the node are known."), func() float64 { return number(w.synced()) }),
		prometheus.NewGaugeFunc(gauge("facts_age_seconds", "How old the facts are that plugins get: 0 while each change is heard of, NaN where there are none."), f.age))
	return f
}

func (f *factServer) path(name string) string { return filepath.Join(f.dir, name) }

// run serves until the context ends, and makes the socket anew where it is gone.
func (f *factServer) run(ctx context.Context) {
	var wait sync.WaitGroup
	defer wait.Wait()
	wait.Go(func() { f.keepSnapshot(ctx) })
	for ctx.Err() == nil {
		s, err := f.listen()
		f.listens(err)
		if err != nil {
			sleep(ctx, lookAfter)
			continue
		}
		serving, stop := context.WithCancel(ctx)
		wait.Go(func() { s.Serve(serving, f.answer, f.note) })
		for ctx.Err() == nil && !s.Gone() {
			sleep(ctx, lookAfter)
		}
		stop()
	}
}

// listen makes folder and socket.
func (f *factServer) listen() (*facts.Server, error) {
	dir, err := netns.OpenFolder(f.dir, true)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	s, err := facts.Listen(f.path(facts.SocketFile))
	if err != nil && removed(dir) {
		err = fmt.Errorf("%s was removed on the node, and is mounted here still: it takes a restart of the container", f.dir)
		f.lost(err.Error())
	}
	return s, err
}

// removed reports whether an open folder has no name any more.
func removed(dir *os.File) bool {
	info, err := dir.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}

// listens records whether there is a socket.
func (f *factServer) listens(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	f.mu.Lock()
	changed := f.fail != text
	f.fail = text
	f.mu.Unlock()
	f.metrics.off.WithLabelValues("facts").Set(number(err != nil))
	switch {
	case err == nil: // also after the socket was gone for a moment
		f.log.Info("plugins can ask about pods", "path", f.path(facts.SocketFile))
	case changed:
		f.log.Warn("plugins cannot ask about pods, trying again", "err", err)
	}
	if err == nil || changed {
		f.watch.change(func() {}) // the snapshot may be gone as well
		f.news()
	}
}

// listening reports whether plugins can ask.
func (f *factServer) listening() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fail == ""
}

// answer says what is known of a pod. A pod that the watch has not heard of is
// waited for, and then asked for. Before the watch has heard of any, the snapshot
// counts where it has this very pod.
func (f *factServer) answer(ctx context.Context, id pods.ID) (pods.Facts, error) {
	if p, ok, _ := f.watch.now(id); ok {
		return named(p, id), nil
	}
	if p, ok := f.was[id.String()]; ok && id.UID != "" && p.hasUID(id.UID) && !f.watch.synced() {
		return named(p, id), nil
	}
	wait, cancel := context.WithTimeout(ctx, lag)
	defer cancel()
	there, ok := f.watch.find(wait, id)
	if ok {
		return named(there, id), nil
	}
	p, err := f.watch.fetch(ctx, id)
	switch {
	case err == nil && p.hasUID(id.UID):
		return named(p, id), nil
	case err == nil:
		return pods.Facts{}, facts.OtherUID
	case apierrors.IsNotFound(err):
		return pods.Facts{}, facts.NotFound
	case there.Name != "" && there.hasUID(id.UID): // its namespace is not known
		return named(there, id), nil
	}
	return pods.Facts{}, facts.Unsynced
}

// named returns a pod's facts by the uid that was asked for: a static pod has
// two.
func named(p pod, id pods.ID) pods.Facts {
	if id.UID != "" {
		p.Facts.UID = id.UID
	}
	return p.Facts
}

// note counts a request.
func (f *factServer) note(result string, took time.Duration, err error) {
	f.metrics.requests.WithLabelValues(result).Inc()
	if took > 0 {
		f.metrics.requestSeconds.Observe(took.Seconds())
	}
	if err == nil {
		return
	}
	f.mu.Lock()
	remark := time.Since(f.odd) >= quiet
	if remark {
		f.odd = time.Now()
	}
	f.mu.Unlock()
	if remark {
		f.log.Warn("a client of the socket was not answered, and maybe others in the next minute", "result", result, "err", err)
	}
}

// keepSnapshot writes what is known for the agent after this one. As long as
// that is not all, it takes the place of nothing.
func (f *factServer) keepSnapshot(ctx context.Context) {
	keep := snapshots{path: f.path(snapshotFile)}
	said := ""
	for {
		changed := f.watch.changes()
		list := f.watch.all()
		partly := slices.ContainsFunc(list, func(p pod) bool { return p.Facts.Namespace == nil }) && !f.watch.namespaces.denied()
		if f.watch.synced() && !partly && f.listening() {
			text := ""
			if err := keep.write(list); err != nil {
				text = err.Error()
			}
			if text != "" && text != said {
				f.log.Warn("an agent that starts while the API server is away will not know these pods", "err", text)
			}
			said = text
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		sleep(ctx, settling)
	}
}

// asOf returns since when the facts are out of date, zero if each change is heard
// of; known is false if there are no facts.
func (f *factServer) asOf() (since time.Time, known bool) {
	switch {
	case f.watch.synced():
		return f.watch.pods.failing(), true
	case f.was != nil:
		return f.at, true
	}
	return time.Time{}, false
}

// age is how old the facts are, in seconds: 0 while each change is heard of, NaN
// where there are none.
func (f *factServer) age() float64 {
	switch since, known := f.asOf(); {
	case !known:
		return math.NaN()
	case since.IsZero():
		return 0
	default:
		return time.Since(since).Seconds()
	}
}

// status says for people how it is.
func (f *factServer) status() string {
	f.mu.Lock()
	fail := f.fail
	f.mu.Unlock()
	since, known := f.asOf()
	old := time.Since(since).Round(time.Second)
	switch {
	case fail != "":
		return "plugins cannot ask: " + fail
	case !known && f.watch.pods.denied():
		return "none: not allowed to list and watch pods"
	case !known:
		return "none: the API server has not answered yet"
	case since.IsZero():
		return fmt.Sprintf("current, %d pods", len(f.watch.all()))
	case f.watch.synced():
		return fmt.Sprintf("%s old, %d pods: the API server does not answer", old, len(f.watch.all()))
	}
	return fmt.Sprintf("%s old, %d pods from before this agent started: the API server has not answered yet", old, len(f.was))
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
