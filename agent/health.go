package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// health is what the probes ask for.
type health struct {
	mu     sync.Mutex
	reason string    // why not ready; "" if it is
	alive  time.Time // the last look at the node; zero: this program takes none
	dead   string    // why only a restart helps; "" if that is not so

	facts func() string // how the facts about pods are; nil: there are none in this program
}

// stuck is how long a look at the node may take at most.
const stuck = 5 * time.Minute

func (h *health) set(reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reason, h.alive = reason, time.Now()
}

func (h *health) get() (reason string, alive time.Time, dead string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reason, h.alive, h.dead
}

// restart has the probe of liveness fail, so that the kubelet starts the container
// anew.
func (h *health) restart(reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dead = reason
}

// ready says that it is ready from now on.
func (h *health) ready() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reason = ""
}

// handler answers /live and /ready: 200, or 503 with the reason; and /facts in
// words, for shunt-agent status.
func (h *health) handler() *http.ServeMux {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, reason string) {
		if reason != "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = fmt.Fprintln(w, reason) // nobody to tell
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	}
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, _ *http.Request) {
		_, alive, reason := h.get()
		if !alive.IsZero() && time.Since(alive) > stuck {
			reason = fmt.Sprintf("the last look at the node ended at %s", alive.UTC().Format(time.RFC3339))
		}
		answer(w, reason)
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		reason, _, _ := h.get()
		answer(w, reason)
	})
	if h.facts != nil {
		mux.HandleFunc("GET /facts", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintln(w, h.facts()) // nobody to tell
		})
	}
	return mux
}

// serve serves until the context ends. An address in use is tried again: in an
// upgrade the old agent still has it.
func serve(ctx context.Context, log *slog.Logger, what, addr string, handler http.Handler) {
	if addr == "" {
		return
	}
	said := false
	for {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", addr)
		if err == nil {
			s := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}
			stop := context.AfterFunc(ctx, func() { _ = s.Close() })
			err = s.Serve(l)
			stop()
			if errors.Is(err, http.ErrServerClosed) {
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
		if !said {
			said = true
			log.Warn("cannot serve yet, trying again", "what", what, "addr", addr, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Second):
		}
	}
}
