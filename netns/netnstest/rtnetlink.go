package netnstest

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The few requests of rtnetlink(7) that a Topology is made of, so that tests
// need no ip command. All act in the calling thread's namespace.

// loIndex is the interface index of lo: the first in every namespace.
const loIndex = 1

// vethInfoPeer is VETH_INFO_PEER of linux/veth.h: the other end's ifinfomsg
// and attributes.
const vethInfoPeer = 1

// linkUp sets an interface up.
func linkUp(index uint32) error {
	return request(unix.RTM_NEWLINK, 0, ifinfomsg(index, unix.IFF_UP), nil)
}

// addVeth makes a pair of interfaces: name here, peer in the namespace of the
// descriptor peerNS, with the given indexes.
func addVeth(name string, index uint32, peer string, peerIndex uint32, peerNS int) error {
	return request(unix.RTM_NEWLINK, netlink.Create|netlink.Excl, ifinfomsg(index, 0), func(ae *netlink.AttributeEncoder) {
		ae.String(unix.IFLA_IFNAME, name)
		ae.Nested(unix.IFLA_LINKINFO, func(ae *netlink.AttributeEncoder) error {
			ae.String(unix.IFLA_INFO_KIND, "veth")
			ae.Nested(unix.IFLA_INFO_DATA, func(ae *netlink.AttributeEncoder) error {
				ae.Do(vethInfoPeer, func() ([]byte, error) {
					pe := netlink.NewAttributeEncoder()
					pe.String(unix.IFLA_IFNAME, peer)
					pe.Uint32(unix.IFLA_NET_NS_FD, uint32(peerNS))
					attrs, err := pe.Encode()
					return append(ifinfomsg(peerIndex, 0), attrs...), err
				})
				return nil
			})
			return nil
		})
	})
}

// addAddr gives an interface an address and the route to its subnet. An IPv6
// address is usable at once: no duplicate address detection.
func addAddr(index uint32, p netip.Prefix) error {
	msg := []byte{family(p.Addr()), byte(p.Bits()), 0, unix.RT_SCOPE_UNIVERSE}
	msg = binary.NativeEndian.AppendUint32(msg, index)
	return request(unix.RTM_NEWADDR, netlink.Create|netlink.Excl, msg, func(ae *netlink.AttributeEncoder) {
		ae.Bytes(unix.IFA_LOCAL, p.Addr().AsSlice())
		ae.Bytes(unix.IFA_ADDRESS, p.Addr().AsSlice())
		if p.Addr().Is6() {
			ae.Uint32(unix.IFA_FLAGS, unix.IFA_F_NODAD)
		}
	})
}

// addRoute sends what goes to p by gateway.
func addRoute(p netip.Prefix, gateway netip.Addr) error {
	return request(unix.RTM_NEWROUTE, netlink.Create|netlink.Excl,
		rtmsg(p, unix.RT_TABLE_MAIN, unix.RTN_UNICAST, unix.RT_SCOPE_UNIVERSE), func(ae *netlink.AttributeEncoder) {
			ae.Bytes(unix.RTA_DST, p.Addr().AsSlice())
			ae.Bytes(unix.RTA_GATEWAY, gateway.AsSlice())
		})
}

// own makes all of p addresses of this namespace.
func own(p netip.Prefix) error {
	return request(unix.RTM_NEWROUTE, netlink.Create|netlink.Excl,
		rtmsg(p, unix.RT_TABLE_LOCAL, unix.RTN_LOCAL, unix.RT_SCOPE_HOST), func(ae *netlink.AttributeEncoder) {
			ae.Bytes(unix.RTA_DST, p.Addr().AsSlice())
			ae.Uint32(unix.RTA_OIF, loIndex)
		})
}

// ifinfomsg encodes struct ifinfomsg with the flags to set.
func ifinfomsg(index, flags uint32) []byte {
	b := make([]byte, 4, unix.SizeofIfInfomsg)
	b = binary.NativeEndian.AppendUint32(b, index)
	b = binary.NativeEndian.AppendUint32(b, flags)
	return binary.NativeEndian.AppendUint32(b, flags) // ifi_change: these and no others
}

// rtmsg encodes struct rtmsg.
func rtmsg(p netip.Prefix, table, typ, scope byte) []byte {
	return []byte{family(p.Addr()), byte(p.Bits()), 0, 0, table, unix.RTPROT_STATIC, scope, typ, 0, 0, 0, 0}
}

func family(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// isUp reports whether an interface carries traffic (RFC 2863 operational
// state "up").
func isUp(index uint32) (bool, error) {
	answers, err := execute(unix.RTM_GETLINK, 0, ifinfomsg(index, 0), nil)
	if err != nil {
		return false, err
	}
	const operUp = 6 // IF_OPER_UP of linux/if.h
	for _, m := range answers {
		if len(m.Data) < unix.SizeofIfInfomsg {
			continue
		}
		ad, err := netlink.NewAttributeDecoder(m.Data[unix.SizeofIfInfomsg:])
		if err != nil {
			return false, fmt.Errorf("read interface %d: %w", index, err)
		}
		for ad.Next() {
			if ad.Type() == unix.IFLA_OPERSTATE {
				return ad.Uint8() == operUp, nil
			}
		}
	}
	return false, fmt.Errorf("read interface %d: no operational state", index)
}

// request asks the kernel to do something and waits until it is done.
func request(typ netlink.HeaderType, flags netlink.HeaderFlags, msg []byte, attrs func(*netlink.AttributeEncoder)) error {
	_, err := execute(typ, flags|netlink.Acknowledge, msg, attrs)
	return err
}

// execute sends one request and returns the answers.
func execute(typ netlink.HeaderType, flags netlink.HeaderFlags, msg []byte, attrs func(*netlink.AttributeEncoder)) ([]netlink.Message, error) {
	ae := netlink.NewAttributeEncoder()
	if attrs != nil {
		attrs(ae)
	}
	b, err := ae.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode rtnetlink request %d: %w", typ, err)
	}
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	defer c.Close()
	answers, err := c.Execute(netlink.Message{
		Header: netlink.Header{Type: typ, Flags: flags | netlink.Request},
		Data:   append(msg, b...),
	})
	if err != nil {
		return nil, fmt.Errorf("rtnetlink request %d: %w", typ, err)
	}
	return answers, nil
}
