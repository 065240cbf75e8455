package cni

import (
	"context"
	"fmt"
	"runtime"

	"github.com/containernetworking/cni/pkg/types"
	"golang.org/x/sys/unix"

	"shunt/netns"
	"shunt/pods"
)

// status says whether an ADD of a meshed pod would work on this node: it
// applies the rules in a network namespace that nobody else has, and that is
// gone afterwards.
func status(ctx context.Context, c *call) error {
	cfg, err := c.podConfig(pods.Facts{})
	if err != nil {
		return err
	}
	err = c.throwaway(func(ns *netns.NS) error {
		res, err := c.rules(ns, cfg, true).Apply(ctx)
		if err == nil {
			c.log.Debug("status", "backend", res.Backend, "reason", res.Reason, c.took())
		}
		return err
	})
	if err != nil {
		return c.fail(types.ErrPluginNotAvailable, fmt.Errorf("try the rules in a namespace of their own: %w", err),
			"no meshed pod can be started on this node until this is mended")
	}
	return nil
}

// throwaway calls f on a thread in a new network namespace. Both end with it.
func (c *call) throwaway(f func(*netns.NS) error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked
		done <- c.guarded(func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("make a network namespace: %w (this needs CAP_SYS_ADMIN)", err)
			}
			ns, err := netns.Current()
			if err != nil {
				return err
			}
			defer ns.Close()
			return f(ns)
		})
	}()
	return <-done
}
