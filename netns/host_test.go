package netns_test

import (
	"os"
	"testing"

	"shunt/netns"
	"shunt/netns/netnstest"
)

func TestIsHost(t *testing.T) {
	t.Parallel()
	_, unreadable := os.Readlink("/proc/1/ns/net")
	fresh := netnstest.New(t)
	if host, err := fresh.IsHost(); host || (err == nil) != (unreadable == nil) || fresh.IsInitial() {
		t.Errorf("a fresh namespace: host %v, error %v; /proc/1/ns/net: %v", host, err, unreadable)
	}
	current, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	defer current.Close()
	if host, err := current.IsHost(); current.IsInitial() && (!host || err != nil) {
		t.Errorf("%s is the initial one, and yet: host %v, error %v", current, host, err)
	}
	if unreadable != nil {
		return // and OpenPID(1) fails likewise
	}
	one, err := netns.OpenPID(1)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if host, err := one.IsHost(); !host || err != nil {
		t.Errorf("the namespace of process 1: host %v, error %v", host, err)
	}
}
