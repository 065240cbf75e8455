package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// part is something that the agent does with the API server's help, and does
// without where that is not allowed.
type part struct {
	name string // for the metric
	lost string // what there is not without it, for people
	log  *slog.Logger
	m    *metrics
	news func() // it works or fails otherwise than before; nil: nobody wants to know

	mu    sync.Mutex
	said  string // "", or what fails: away or denied
	since time.Time
}

// Why a part does not work.
const (
	away   = "away"
	denied = "denied"
)

// denied reports whether the API server does not allow what the part needs.
func (p *part) denied() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said == denied
}

// failing returns since when the part does not work; zero if it does, or was
// never tried.
func (p *part) failing() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.since
}

// fails records an error. Each kind is logged once, until the part works again.
func (p *part) fails(err error) {
	kind, text := away, "the API server does not answer, trying again"
	if notAllowed(err) {
		kind, text = denied, "not allowed"
		p.m.off.WithLabelValues(p.name).Set(1)
	}
	if p.becomes(kind) {
		p.log.Warn(text, "part", p.name, "without", p.lost, "err", err)
	}
}

// works records that the part works.
func (p *part) works() {
	p.becomes("")
	p.m.off.WithLabelValues(p.name).Set(0)
}

// becomes records what fails, and returns whether that is new.
func (p *part) becomes(kind string) (changed bool) {
	p.mu.Lock()
	changed = p.said != kind
	switch {
	case kind == "":
		p.since = time.Time{}
	case p.said == "":
		p.since = time.Now()
	}
	p.said = kind
	p.mu.Unlock()
	if changed && p.news != nil {
		p.news()
	}
	return changed
}

// handler says what to do with the objects of a watch; synced may be nil.
type handler[T runtime.Object] struct {
	strip  func(T) T // before it is kept
	synced func()    // the first list was handed over
	is     func(T)
	gone   func(T) // as it was last
}

// inform lists and watches until the context ends, or, while the server is
// away, somewhat later: the reflector's pauses do not look at the context. What
// the server no longer has (410), the reflector lists again.
func inform[T runtime.Object](ctx context.Context, p *part, lw *cache.ListWatch, example T, h handler[T]) {
	informer := cache.NewSharedIndexInformerWithOptions(p.listens(lw), example, cache.SharedIndexInformerOptions{})
	// Both fail only once the informer runs.
	_ = informer.SetTransform(func(o any) (any, error) {
		if t, ok := o.(T); ok {
			return h.strip(t), nil
		}
		return o, nil
	})
	_ = informer.SetWatchErrorHandlerWithContext(func(context.Context, *cache.Reflector, error) {}) // the part has heard it
	see := func(o any) {
		p.works()
		if t, ok := o.(T); ok {
			h.is(t)
		}
	}
	registered, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    see,
		UpdateFunc: func(_, now any) { see(now) },
		DeleteFunc: func(o any) {
			if late, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = late.Obj // it went while the watch was not open
			}
			if t, ok := o.(T); ok {
				h.gone(t)
			}
		},
	})
	if err == nil && h.synced != nil {
		go func() {
			if cache.WaitForCacheSync(ctx.Done(), registered.HasSynced) {
				p.works()
				h.synced()
			}
		}()
	}
	informer.RunWithContext(ctx)
}

// listens has the part hear of each request that fails: the reflector tells
// only of some.
func (p *part) listens(lw *cache.ListWatch) *cache.ListWatch {
	hear := func(ctx context.Context, err error) {
		switch {
		case err == nil, ctx.Err() != nil:
		case apierrors.IsResourceExpired(err), apierrors.IsGone(err): // the reflector lists again
		case apierrors.IsInvalid(err), apierrors.IsBadRequest(err): // an older server, which is asked in another way
		default:
			p.fails(err)
		}
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := lw.ListWithContextFunc(ctx, o)
			hear(ctx, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := lw.WatchFuncWithContext(ctx, o)
			if hear(ctx, err); err == nil {
				p.works() // it may be long before there is something to see
			}
			return w, err
		},
	}
}

// until calls f until it succeeds or the context ends, ever more rarely.
func until(ctx context.Context, p *part, f func(context.Context) error) bool {
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		err := f(ctx)
		if err == nil {
			p.works()
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		p.fails(err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}
