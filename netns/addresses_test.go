package netns_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"shunt/netns"
	"shunt/netns/netnstest"
)

func TestAddressesOfANamespace(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	list := func(ns *netnstest.NS, most int) (list []netip.Addr, err error) {
		ns.Run(t, func() { list, err = netns.Addresses(most) })
		return list, err
	}
	want := []netip.Addr{top.Client.IPv4, top.Client.IPv6}
	if got, err := list(top.Client, 100); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v (%v), want %v: neither lo's nor link-local ones", got, err, want)
	}
	if got, err := list(netnstest.New(t), 100); err != nil || len(got) != 0 {
		t.Errorf("of a fresh namespace: %v (%v)", got, err)
	}
	// Its owner has given it many.
	netnstest.Tool(t, "ip")
	var script strings.Builder
	for a := netip.MustParseAddr("10.9.0.0"); a != netip.MustParseAddr("10.9.8.0"); a = a.Next() {
		script.WriteString("addr add " + a.String() + "/32 dev lo\n")
	}
	top.Server.Exec(t, script.String(), "ip", "-batch", "-")
	if got, err := list(top.Server, 10000); err != nil || len(got) != 2+2048 {
		t.Errorf("%d addresses (%v)", len(got), err)
	}
	if got, err := list(top.Server, 1000); !errors.Is(err, netns.ErrManyAddresses) || len(got) > 1000 {
		t.Errorf("%d addresses, error %v, want %v", len(got), err, netns.ErrManyAddresses)
	}
}
