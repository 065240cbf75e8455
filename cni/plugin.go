// Package cni is shunt as a chained CNI plugin, in the place of Linkerd's
// linkerd-cni: it decides which pods are meshed, and brings their network
// namespaces to the rules that their annotations and the network
// configuration ask for.
//
// The contract is the CNI specification, versions 0.3.1 to 1.1.0
// (https://www.cni.dev/docs/spec/). Of the CNI project's Go library the plugin
// links package types only. Package skel would bring the result types of
// every version of the specification, a tenth of a megabyte, and results are
// never decoded here; and it refuses some DELs before the plugin hears of
// them. The tests hold this package against skel.
package cni

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/containernetworking/cni/pkg/types"
	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/config"
	"shunt/logging"
	"shunt/netns"
	"shunt/redirect"
)

// Plugin is the program in its role as a CNI plugin.
type Plugin struct {
	Version string // of the program; rules say who wrote them

	// Locks is the folder of the node's locks; "": redirect.LockFolder.
	Locks string

	// Socket is the agent's; "": facts.Socket.
	Socket string

	// open stands in for redirect.Open in tests.
	open func(*netns.NS, config.Config, redirect.Options) Rules
}

// Rules are what the plugin uses of redirect.Rules.
type Rules interface {
	// Apply makes the rules live and verifies them.
	Apply(ctx context.Context) (apply.Result, error)
	// Compare compares what is live with the rules, and writes nothing.
	Compare(ctx context.Context) (apply.Comparison, error)
	// Clear removes whatever shunt owns in the namespace, and returns the
	// number of commits and the backends that had something.
	Clear(ctx context.Context) (commits int, cleared []apply.ID, err error)
	// Usable says which backend could be used, and writes nothing.
	Usable(ctx context.Context) (backend string, err error)
}

// rules returns the rules of a validated configuration in a pod's namespace,
// without touching either; idle says that nothing connects there yet.
func (c *call) rules(ns *netns.NS, cfg config.Config, idle bool) Rules {
	o := redirect.Options{
		Version:   c.Version,
		Log:       c.log,
		Idle:      idle,
		Secure:    true,
		NoteLevel: slog.LevelDebug, // the line on ADD has the reason
		Locks:     c.Locks,
		MakeLocks: true,
	}
	if c.open != nil {
		return c.open(ns, cfg, o)
	}
	return redirect.Open(ns, cfg, o)
}

// Main carries out the verb that CNI_COMMAND names, and ends the process:
// standard input is the network configuration, standard output the result or
// the error, both JSON, standard error the log. It ends in bounded time, even if
// nobody reads them, and no panic escapes. DEL always succeeds: a runtime repeats
// a failed one forever, and the rules go with the pod's namespace anyway.
func (p *Plugin) Main() {
	r := &run{
		Plugin: p,
		getenv: os.Getenv, stdin: os.Stdin,
		stdout: &outlet{fd: unix.Stdout, patience: patience}, stderr: &outlet{fd: unix.Stderr, patience: patience},
		exit:  os.Exit,
		bound: DefaultTimeout + grace,
	}
	r.main()
	select {} // overdue is already ending the process
}

// run is one call of the plugin.
type run struct {
	*Plugin
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	exit           func(status int)
	bound          time.Duration // until the configuration says otherwise

	verb    string
	start   time.Time
	limit   *time.Timer // ends the run, whatever it does
	ended   atomic.Bool
	log     atomic.Pointer[slog.Logger]
	logFile atomic.Pointer[logFile] // nil: none, or ended
	version atomic.Pointer[string]  // the network configuration's, once it is known

	result []byte // what goes to standard output if all went well
}

// grace is how long a verb has after its timeout to say what it waited for, and
// after that to write so. patience is how long one output is waited for.
const (
	grace    = time.Second
	patience = grace / 4
)

func (r *run) main() {
	r.verb = r.getenv("CNI_COMMAND")
	r.start = time.Now()
	r.log.Store(logging.New(r.stderr, slog.LevelInfo))
	// The verb runs right here: another goroutine would start another
	// thread, which costs more than all the rest for a pod that is not meshed.
	r.limit = time.AfterFunc(r.bound, r.overdue)
	r.end(r.guarded(r.dispatch))
}

// overdue ends a run that did not end by itself: with an error or, if something
// keeps that from being written, without.
func (r *run) overdue() {
	time.AfterFunc(grace, func() { r.exit(r.failed()) })
	r.end(types.NewError(types.ErrTryAgainLater,
		fmt.Sprintf("shunt: %s did not end in %s", r.verb, time.Since(r.start).Round(time.Millisecond)), hintTimeout))
}

const hintTimeout = `raise "timeout" in shunt's entry of the conflist, or find out what holds the node up`

// end prints how the run ended and ends the process; the first call counts.
func (r *run) end(err error) {
	if !r.ended.Swap(true) {
		r.exit(r.finish(err))
	}
}

// guarded calls f. A panic in f becomes the error that the runtime gets; the
// log has the whole stack.
func (r *run) guarded(f func() error) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		r.log.Load().Error("panic", "value", fmt.Sprint(p), "stack", string(debug.Stack()))
		err = types.NewError(types.ErrInternal, fmt.Sprintf("shunt: %s: panic: %v", r.verb, p),
			"this is a bug in shunt: its log (standard error, and log_file if it is set) has the stack")
	}()
	return f()
}

// finish prints the result or the error and returns the exit status. The runtime
// reads standard output, so that comes before the log.
func (r *run) finish(err error) (status int) {
	defer r.closeLog()
	log := r.log.Load()
	if err == nil {
		if _, err := r.stdout.Write(r.result); err != nil {
			log.Error("write the result to standard output", "error", err)
			return r.failed()
		}
		return 0
	}
	report := struct {
		CNIVersion string `json:"cniVersion"`
		*types.Error
	}{newest, asError(err)}
	if r.verb == verbDel {
		log.Warn("del is taken as done, although it failed", "error", report.Msg, "details", report.Details, "code", report.Code)
		return 0
	}
	if v := r.version.Load(); v != nil {
		report.CNIVersion = *v
	}
	out := json.NewEncoder(r.stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", "    ")
	werr := out.Encode(report)
	log.Error(strings.ToLower(r.verb)+" failed", "error", report.Msg, "details", report.Details, "code", report.Code)
	if werr != nil {
		log.Error("write the error to standard output", "error", werr)
	}
	return r.failed()
}

// failed is the exit status of a run that did not do what it should. DEL's is
// that of success: a runtime would repeat it forever.
func (r *run) failed() int {
	if r.verb == verbDel {
		return 0
	}
	return 1
}

// asError returns err as the error that the runtime gets.
func asError(err error) *types.Error {
	if e, ok := err.(*types.Error); ok { // never wrapped
		return e
	}
	return types.NewError(types.ErrInternal, "shunt: "+err.Error(), "")
}
