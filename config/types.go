package config

import "net/netip"

// PortRange is an inclusive range of TCP ports; First == Last is one port.
type PortRange struct {
	First, Last uint16
}

// PortSet is a sorted list of disjoint ranges that do not touch each other.
type PortSet []PortRange

// ID is a Linux user or group id, 0 to 4294967294, or NoID.
type ID int64

// NoID stands for "no such id is configured".
const NoID ID = -1

// MaxID is the highest id a process can have: (uid_t)-1 is reserved by the
// kernel for "no change" (setreuid(2)).
const MaxID ID = 1<<32 - 2

// IDRange is an inclusive range of user ids.
type IDRange struct {
	First, Last uint32
}

// IDSet is a sorted list of disjoint ranges that do not touch each other.
type IDSet []IDRange

// SubnetSet is a list of disjoint prefixes, masked, IPv4 before IPv6, each
// family sorted by address. No prefix contains another, and no two siblings
// stand where their parent would do.
type SubnetSet []netip.Prefix

// Source says where a value came from, in the operator's words: "default",
// "flag --skip-inbound-ports", "file /etc/shunt.yaml",
// "environment SHUNT_BACKEND", "pod annotation config.linkerd.io/proxy-uid".
type Source string

// Default is the Source of a value that nobody set.
const Default Source = "default"

// Sources maps a setting's name to where its value came from. A setting that
// is absent has its default. A list that was combined from several places
// names them all, joined by " + ".
type Sources map[string]Source
