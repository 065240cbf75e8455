package install

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// How often the node is looked at.
const (
	quiet    = 250 * time.Millisecond // after the last change, since writers write several times
	mostWait = time.Second            // after the first, since some never stop
	resync   = 30 * time.Second       // without any
	polling  = time.Second            // where inotify cannot be had

	firstRetry = 200 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Report is what Watch says after each look.
type Report struct {
	Status
	Err       error
	Contended bool
	Polling   error // why inotify cannot be had; nil if it can
}

// Watch keeps the plugin installed until the context ends. After each look at
// the node it reports. A look is also taken when a value comes from again.
func (i *Installer) Watch(ctx context.Context, again <-chan struct{}, report func(Report)) {
	w := &watch{}
	defer w.close()
	var c contention
	retry := firstRetry
	for {
		polling := w.refresh(i.folders())
		st, err := i.Sync()
		now := time.Now()
		for _, change := range st.Changes {
			if change.Action == Chained && (change.Reason == Lost || change.Reason == Altered) {
				c.link(now)
			}
		}
		report(Report{Status: st, Err: err, Contended: c.contended(now), Polling: polling})
		wait := resync
		if err != nil {
			wait, retry = retry, min(2*retry, lastRetry)
		} else {
			retry = firstRetry
		}
		if c.on && err == nil {
			wait = min(wait, contentionWait)
		}
		if !w.sleep(ctx, again, wait) {
			return
		}
		if hold := time.Until(c.next()); hold > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(hold):
			}
		}
	}
}

// folders are those in which a change concerns the installation. Of one that
// does not exist, its nearest parent.
func (i *Installer) folders() map[string]bool {
	i.mu.Lock()
	dropins := i.dropins
	i.mu.Unlock()
	set := map[string]bool{}
	for _, dir := range []string{i.cfg.NetDir, i.cfg.BinDir, dropins} {
		if dir == "" {
			continue
		}
		for !exists(dir) && dir != filepath.Dir(dir) {
			dir = filepath.Dir(dir)
		}
		set[dir] = true
	}
	return set
}

// watch waits for changes in folders, by inotify or, where that cannot be had,
// by looking again and again.
type watch struct {
	inotify *fsnotify.Watcher
	polling error
	tried   time.Time
	seen    map[string]os.FileInfo // by folder, those that inotify watches
}

// refresh watches these folders. It returns why it cannot.
func (w *watch) refresh(folders map[string]bool) error {
	if w.polling != nil && time.Since(w.tried) < resync {
		return w.polling
	}
	w.tried = time.Now()
	if err := w.add(folders); err != nil {
		w.close()
		w.polling = fmt.Errorf("inotify: %w: looking every %s instead (see fs.inotify.max_user_instances and max_user_watches)", err, polling)
		return w.polling
	}
	w.polling = nil
	return nil
}

func (w *watch) add(folders map[string]bool) error {
	if w.inotify == nil {
		var err error
		if w.inotify, err = fsnotify.NewWatcher(); err != nil {
			return err
		}
		w.seen = map[string]os.FileInfo{}
	}
	for dir := range maps.Clone(w.seen) {
		if !folders[dir] {
			_ = w.inotify.Remove(dir) // gone already, if the folder is
			delete(w.seen, dir)
		}
	}
	for dir := range folders {
		info, err := os.Stat(dir)
		if err != nil {
			continue // gone since: the next look takes its parent
		}
		old, watched := w.seen[dir]
		if watched && os.SameFile(old, info) && slices.Contains(w.inotify.WatchList(), dir) {
			continue
		}
		if watched {
			_ = w.inotify.Remove(dir) // another folder of this name
		}
		if err := w.inotify.Add(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		w.seen[dir] = info
	}
	return nil
}

// sleep returns when it is time to look again: after a change and quiet, at
// the latest after wait. It returns false when the context ends.
func (w *watch) sleep(ctx context.Context, again <-chan struct{}, wait time.Duration) bool {
	var events chan fsnotify.Event
	var errs chan error
	if w.inotify != nil {
		events, errs = w.inotify.Events, w.inotify.Errors
	} else {
		wait = min(wait, polling)
	}
	end := time.NewTimer(wait)
	defer end.Stop()
	var calm <-chan time.Time
	var first time.Time
	for {
		select {
		case <-ctx.Done():
			return false
		case <-again:
			return true
		case <-end.C:
			return true
		case <-calm:
			return true
		case <-events:
			if first.IsZero() {
				first = time.Now()
			}
			calm = time.After(min(quiet, time.Until(first.Add(mostWait))))
		case <-errs:
			return true // events were lost: look
		}
	}
}

func (w *watch) close() {
	if w.inotify != nil {
		_ = w.inotify.Close()
		w.inotify = nil
	}
}
