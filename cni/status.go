package cni

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/containernetworking/cni/pkg/types"

	"shunt/netns"
	"shunt/pods"
)

// status says whether this node has what an ADD of a meshed pod needs: a usable
// configuration and a backend. It only reads, because runtimes ask all the time
// (containerd at every status call of the kubelet, which takes a failure for a
// node that is not ready), and it asks nobody else.
func status(ctx context.Context, c *call) error {
	log := c.log
	c.log = slog.New(slog.DiscardHandler) // the same warnings again and again
	defer func() { c.log = log }()
	cfg, err := c.podConfig(pods.Facts{})
	if err != nil {
		return err
	}
	ns, err := netns.Current()
	if err != nil {
		return c.fail(types.ErrInternal, err, "")
	}
	defer ns.Close()
	backend, err := c.rules(ns, cfg, false).Usable(ctx)
	if err != nil {
		return c.fail(types.ErrPluginNotAvailable, fmt.Errorf("look for a backend: %w", err),
			"no meshed pod can be started on this node until this is mended")
	}
	log.Debug("status", "backend", backend, c.took())
	return nil
}
