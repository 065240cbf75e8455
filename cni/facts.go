package cni

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/containernetworking/cni/pkg/types"

	"shunt/facts"
	"shunt/pods"
)

// facts returns what is known about the pod: by the container runtime or, where
// that passes no annotations, by the node's agent. Under "facts": "always" the
// agent comes first, since it knows more. A DEL never asks the agent: it looks
// whether there are rules.
func (c *call) facts(ctx context.Context) (f pods.Facts, known bool, err error) {
	f, passed, err := fromRuntime(c.conf.annotations)
	switch {
	case err != nil:
		return f, false, c.fail(types.ErrDecodingFailure, err, "the container runtime passes annotations that shunt cannot read: is it one that shunt's documentation names?")
	case c.pod.Name == "":
		return f, passed, nil
	case c.verb == verbDel:
		return f, passed && !c.conf.alwaysAsk, nil
	case passed && !c.conf.alwaysAsk:
		return f, true, nil
	}
	more, err := c.ask(ctx)
	switch {
	case err == nil:
		return more, true, nil
	case passed:
		c.log.Warn("going by the annotations that the container runtime passes: neither the pod's labels and containers nor its namespace's annotations count", "error", err)
		return f, true, nil
	}
	return f, false, c.unanswered(err)
}

// fromRuntime decodes the annotations that a container runtime passes in
// runtimeConfig. It gives null for a pod without any, and nothing where it knows
// none.
func fromRuntime(annotations json.RawMessage) (f pods.Facts, passed bool, err error) {
	if annotations == nil {
		return f, false, nil
	}
	if err := json.Unmarshal(annotations, &f.Annotations); err != nil {
		return pods.Facts{}, false, fmt.Errorf("runtimeConfig[%q] is %s: want an object of strings", pods.AnnotationsCapability, shown(annotations))
	}
	return f, true, nil
}

// ask asks the agent, and leaves time for the rules.
func (c *call) ask(ctx context.Context) (pods.Facts, error) {
	path := c.Socket
	if path == "" {
		path = facts.Socket
	}
	wait := facts.MaxWait
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline)*3/4)
	}
	f, err := facts.Ask(path, c.pod, wait)
	if err != nil {
		return f, err
	}
	c.log = c.log.With("facts", "agent")
	if f.Namespace == nil {
		c.log.Warn("shunt-agent does not know the annotations of the pod's namespace: they do not count")
	}
	return f, nil
}

// hintAnnotations is for who would rather have the runtime say it.
const hintAnnotations = `or have the container runtime pass the annotations, by "capabilities": {"` + pods.AnnotationsCapability +
	`": true} in shunt's entry of the conflist (containerd and CRI-O do)`

// unanswered is the error for a pod of which nobody knows whether it is meshed.
func (c *call) unanswered(err error) error {
	code, hint := types.ErrTryAgainLater, "the log of shunt-agent on this node says more; "+hintAnnotations
	why, _ := errors.AsType[facts.Unknown](err)
	switch {
	case errors.Is(err, facts.ErrAway):
		hint = `see that shunt-agent runs on this node (kubectl get pods -A -o wide -l k8s-app=linkerd-cni), ` + hintAnnotations +
			`; pods of the namespaces in "exclude-namespaces" are let through without`
	case why == facts.NotFound || why == facts.OtherUID:
		hint = "the pod was deleted, and maybe made again under its name; if it was not, " + hint
	case why == facts.TooBig:
		code, hint = types.ErrInvalidNetworkConfig, "use fewer or wider ranges in the pod's annotations and its namespace's"
	}
	return c.fail(code, fmt.Errorf("%w, and %w: it is not known whether the pod is meshed", errNoAnnotations, err), hint)
}

// errNoAnnotations is the cause when the runtime says nothing about a pod.
var errNoAnnotations = errors.New(`the network configuration has no runtimeConfig["` + pods.AnnotationsCapability + `"]`)
