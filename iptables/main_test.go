package iptables

import (
	"testing"

	"shunt/netns/netnstest"
)

func TestMain(m *testing.M) { netnstest.Main(m) }
